package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// goal is what a figure has to be. Ratios are of servers that took turns in
// this very run.
type goal struct {
	What  string  `json:"what"`
	Got   float64 `json:"got"`
	Bound float64 `json:"bound"`
	// Aim is what one would like better still; 0 for none.
	Aim float64 `json:"aim,omitempty"`
	// AtMost tells that Bound is an upper one.
	AtMost bool   `json:"atMost,omitempty"`
	Unit   string `json:"unit,omitempty"`
	Met    bool   `json:"met"`
}

func atLeast(what string, got, bound, aim float64) goal {
	return goal{What: what, Got: got, Bound: bound, Aim: aim, Met: got >= bound}
}

func atMost(what, unit string, got, bound, aim float64) goal {
	return goal{What: what, Got: got, Bound: bound, Aim: aim, AtMost: true, Unit: unit, Met: got <= bound}
}

// want says in words what the goal asks for.
func (g goal) want() string {
	sign := "≥ "
	if g.AtMost {
		sign = "≤ "
	}
	text := sign + g.number(g.Bound)
	if g.Aim != 0 {
		text += ", aim for " + g.number(g.Aim)
	}
	return text
}

func (g goal) number(v float64) string {
	digits := 2
	if g.Bound >= 10 || g.Bound == 0 {
		digits = 0
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if g.Unit != "" {
		text += " " + g.Unit
	}
	return text
}

func (g goal) verdict() string {
	if g.Met {
		return "met"
	}
	return "MISSED"
}

var errMissed = errors.New("goals were missed")

// missed is an error where a goal was.
func missed(goals []goal) error {
	n := len(slices.DeleteFunc(slices.Clone(goals), func(g goal) bool { return g.Met }))
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d %w", n, len(goals), errMissed)
}

// floorGoals are the least and the desired ratio to the floor, by connections.
var floorGoals = map[int][2]float64{16: {0.70, 0.85}, 64: {0.80, 0.90}}

// peerGoals are the least ratios to what people would use instead.
var peerGoals = []struct {
	peer  string
	bound float64
}{{"naive", 4}, {"scs", 1.3}, {"express", 5}}

// redisConnections is where Redis' CPU time is judged.
const redisConnections = 64

func (c *comparison) goals() []goal {
	var goals []goal
	for _, n := range c.Setup.Connections {
		ours := c.samples.of("sessiond", n)
		if bounds, wanted := floorGoals[n]; wanted && len(ours) > 0 {
			ratio := figureOf(ours.over(c.samples.of("floor", n)))
			goals = append(goals, atLeast(fmt.Sprintf("sessiond / floor, %d connections", n), ratio.Median, bounds[0], bounds[1]))
		}
	}
	for _, p := range peerGoals {
		for _, n := range c.Setup.Connections {
			ratio := figureOf(c.samples.of("sessiond", n).over(c.samples.of(p.peer, n)))
			if ratio.Median > 0 {
				goals = append(goals, atLeast(fmt.Sprintf("sessiond / %s, %d connections", p.peer, n), ratio.Median, p.bound, 0))
			}
		}
	}
	if ours := c.samples.of("sessiond", redisConnections); len(ours) > 0 {
		cpu := figureOf(ours.values(func(s sample) float64 { return s.redisCPU }))
		goals = append(goals, atMost(fmt.Sprintf("Redis CPU for each check, %d connections", redisConnections), "µs", cpu.Median, 8, 6))
	}
	if m := c.Memory; m != nil {
		goals = append(goals,
			atMost("Redis memory for each session", "bytes", m.BytesPerSession, 450, 0),
			atMost("sessiond's memory at most", "MB", m.PeakMB, 100, 0),
			atMost("and in the last third of the checks, over the first", "", m.growth(), 1.1, 0))
	}
	return goals
}
