package main

import (
	"slices"
	"time"
)

// figure is a value measured in several rounds.
type figure struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func figureOf(values []float64) figure {
	if len(values) == 0 {
		return figure{}
	}
	return figure{Median: quantile(values, 0.5), Min: slices.Min(values), Max: slices.Max(values)}
}

// quantile returns the q-quantile of values, linear between two of them.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

func micros(d time.Duration) float64 {
	return float64(d) / float64(time.Microsecond)
}
