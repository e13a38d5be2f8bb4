package main

import (
	"context"
	"fmt"
	"strings"
)

// sample is one run of one server in one round. Times are in microseconds, CPU
// times for each request.
type sample struct {
	server      string
	connections int
	round       int

	perSecond, p50, p99, serverCPU, redisCPU float64
}

type samples []sample

// of returns the samples of a server, in the order of the rounds.
func (s samples) of(server string, connections int) samples {
	var found samples
	for _, sample := range s {
		if sample.server == server && sample.connections == connections {
			found = append(found, sample)
		}
	}
	return found
}

// values picks one value of each sample.
func (s samples) values(pick func(sample) float64) []float64 {
	values := make([]float64, len(s))
	for i, sample := range s {
		values[i] = pick(sample)
	}
	return values
}

// over returns the ratios to another server's samples of the same rounds.
func (s samples) over(other samples) []float64 {
	ratios := make([]float64, min(len(s), len(other)))
	for i := range ratios {
		ratios[i] = s[i].perSecond / other[i].perSecond
	}
	return ratios
}

// takeTurns measures each server once at each number of connections, then all
// over again for as many rounds as are wanted.
func (l *lab) takeTurns(ctx context.Context, redis *redisServer, servers []server, connections []int) (samples, error) {
	var all samples
	for round := range l.options.rounds {
		for _, n := range connections {
			var line strings.Builder
			for _, s := range servers {
				sample, err := l.measure(ctx, redis, s, n)
				if err != nil {
					return nil, err
				}
				sample.round = round
				all = append(all, sample)
				fmt.Fprintf(&line, "  %s %.0f", s.name, sample.perSecond)
			}
			l.say("round %d of %d, %d connections, requests/s:%s", round+1, l.options.rounds, n, line.String())
		}
	}
	return all, nil
}

// measure warms a server up and takes one sample of it.
func (l *lab) measure(ctx context.Context, redis *redisServer, s server, connections int) (sample, error) {
	warm, err := l.load(ctx, load{s.target, connections, l.options.warmup, 0})
	if err != nil {
		return sample{}, err
	}
	serverBefore, err := readUsage(s.child.pid())
	if err != nil {
		return sample{}, err
	}
	redisBefore, err := readUsage(redis.pid())
	if err != nil {
		return sample{}, err
	}
	r, err := l.load(ctx, load{s.target, connections, l.options.duration, warm.Requests})
	if err != nil {
		return sample{}, err
	}
	serverAfter, err := readUsage(s.child.pid())
	if err != nil {
		return sample{}, err
	}
	redisAfter, err := readUsage(redis.pid())
	if err != nil {
		return sample{}, err
	}
	requests := float64(r.Requests)
	return sample{
		server: s.name, connections: connections,
		perSecond: r.perSecond(), p50: r.P50, p99: r.P99,
		serverCPU: micros(serverAfter.cpu-serverBefore.cpu) / requests,
		redisCPU:  micros(redisAfter.cpu-redisBefore.cpu) / requests,
	}, nil
}

// summarize reduces a server's rounds to medians. The ratio to the floor is
// taken within each round, so that a machine that slows down between rounds
// does not show in it.
func summarize(s, floor samples) measurement {
	return measurement{
		PerSecond: figureOf(s.values(func(s sample) float64 { return s.perSecond })),
		Ratio:     figureOf(s.over(floor)),
		P50:       figureOf(s.values(func(s sample) float64 { return s.p50 })),
		P99:       figureOf(s.values(func(s sample) float64 { return s.p99 })),
		ServerCPU: figureOf(s.values(func(s sample) float64 { return s.serverCPU })),
		RedisCPU:  figureOf(s.values(func(s sample) float64 { return s.redisCPU })),
	}
}
