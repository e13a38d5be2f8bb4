package main

import (
	"context"
	"fmt"
	"time"
)

// remote is what a request takes with Redis here and with Redis a millisecond
// away. RoundTrips is what the distance adds to it, in units of what it adds to
// the floor's one GET in the same round. Latencies are in microseconds.
type remote struct {
	Server      string `json:"server"`
	Connections int    `json:"connections"`
	Near        figure `json:"p50Near"`
	Far         figure `json:"p50Far"`
	RoundTrips  figure `json:"roundTrips"`
}

const away = time.Millisecond

// distanceConnections keep the machine from being busy: what a request then
// takes is what it waits for.
var distanceConnections = []int{1, 8}

// mostRoundTrips tells one from two, with room for what is no wait for Redis.
const mostRoundTrips = 1.3

var distanceServers = []string{"floor", "sessiond", "naive"}

// measureDistance lets each server take turns with its like that has the proxy
// before the same Redis.
func measureDistance(ctx context.Context, l *lab, s *scaling) error {
	redis, err := l.startRedis(ctx)
	if err != nil {
		return err
	}
	p, err := startProxy(ctx, redis.address, away)
	if err != nil {
		return err
	}
	// The servers first: their connections are what the proxy waits for.
	defer p.close()
	defer l.stopAll()

	var servers []server
	for i, name := range distanceServers {
		l.say("distance: starting %s near and far", name)
		for k, address := range []string{redis.address, p.address} {
			server, err := l.startVariant(ctx, name, address, 2*i+k)
			if err != nil {
				return err
			}
			if err := server.target.checkEach(ctx); err != nil {
				return err
			}
			server.name = distanceName(name, k == 1)
			servers = append(servers, server)
		}
	}
	all, err := l.takeTurns(ctx, redis, servers, distanceConnections)
	if err != nil {
		return err
	}
	s.addDistance(all)
	return nil
}

func distanceName(server string, far bool) string {
	if far {
		return server + " far"
	}
	return server + " near"
}

func (s *scaling) addDistance(all samples) {
	t := table{head: []string{"Redis 1 ms away", "connections", "p50 µs near", "p50 µs far", "round trips (min–max)"}}
	p := panel{title: "Round trips to a Redis 1 ms away, by what the distance adds to the p50"}
	for _, n := range distanceConnections {
		unit := added(all, "floor", n)
		for _, name := range distanceServers {
			trips := added(all, name, n)
			for i := range trips {
				trips[i] /= unit[i]
			}
			r := remote{
				Server: name, Connections: n, RoundTrips: figureOf(trips),
				Near: figureOf(all.of(distanceName(name, false), n).values(p50)),
				Far:  figureOf(all.of(distanceName(name, true), n).values(p50)),
			}
			s.Distance = append(s.Distance, r)
			t.add(name, fmt.Sprint(n), fmt.Sprintf("%.0f", r.Near.Median), fmt.Sprintf("%.0f", r.Far.Median), spread(r.RoundTrips, 2))
			p.bars = append(p.bars, bar{
				label: fmt.Sprintf("%s, %d connections", name, n), value: r.RoundTrips, ours: name == "sessiond",
				text: fmt.Sprintf("%.2f · %.2f ms → %.2f ms", r.RoundTrips.Median, r.Near.Median/1000, r.Far.Median/1000),
			})
			if name == "sessiond" {
				s.Goals = append(s.Goals, atMost(fmt.Sprintf("round trips of a check, %d connections", n), "", r.RoundTrips.Median, mostRoundTrips, 0))
			}
		}
	}
	s.tables, s.panels = append(s.tables, &t), append(s.panels, p)
}

func p50(s sample) float64 { return s.p50 }

// added is what the distance adds to the p50, round by round.
func added(all samples, server string, connections int) []float64 {
	far := all.of(distanceName(server, true), connections).values(p50)
	for i, near := range all.of(distanceName(server, false), connections).values(p50) {
		far[i] -= near
	}
	return far
}
