package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sessiond/sessiond/tokens"
)

// growth is the check with so many live sessions in Redis. The ratio is to the
// smallest number, in the same round.
type growth struct {
	Sessions  int    `json:"sessions"`
	PerSecond figure `json:"requestsPerSecond"`
	P50       figure `json:"p50"`
	P99       figure `json:"p99"`
	Ratio     figure `json:"ratioToSmallest"`
}

var growthSizes = []int{1_000, 100_000, 1_000_000}

const (
	growthPerUser = 4
	// growthTokens are in rotation whatever the size, their users spread evenly
	// over all: only the data grows, not the crowd.
	growthTokens      = 1_000
	growthConnections = 64
	// slowdown is by how much the check may get slower.
	slowdown = 0.10
)

// measureGrowth has a Redis and a sessiond for each size and lets them take
// turns.
func measureGrowth(ctx context.Context, l *lab, s *scaling) error {
	keys, err := l.keyDirectory()
	if err != nil {
		return err
	}
	var pairs []pair
	for _, n := range growthSizes {
		l.say("filling a Redis with %d sessions", n)
		p, err := l.startGrown(ctx, n, keys)
		if err != nil {
			return err
		}
		pairs = append(pairs, p)
	}

	var all samples
	for round := range l.options.rounds {
		for _, p := range pairs {
			sample, err := l.measure(ctx, p.redis, p.server, growthConnections)
			if err != nil {
				return err
			}
			all = append(all, sample)
		}
		l.say("growth: round %d of %d", round+1, l.options.rounds)
	}
	s.addGrowth(all, pairs)
	return nil
}

// pair is a server with a Redis to itself.
type pair struct {
	redis  *redisServer
	server server
}

func (l *lab) startGrown(ctx context.Context, n int, keys string) (pair, error) {
	redis, err := l.startRedis(ctx)
	if err != nil {
		return pair{}, err
	}
	headers := l.file(fmt.Sprintf("growth-%d.headers", n))
	if err := seedGrowth(ctx, redis.address, n, keys, headers); err != nil {
		return pair{}, err
	}
	server, err := l.startSessiond(ctx, redis.address, 0, keys)
	if err != nil {
		return pair{}, err
	}
	server.name, server.target.headers = fmt.Sprintf("%d sessions", n), headers
	return pair{redis, server}, server.target.checkEach(ctx)
}

func seedGrowth(ctx context.Context, redisAddress string, n int, keys, headers string) error {
	seed, err := newSeeder(redisAddress, 0, keys)
	if err != nil {
		return err
	}
	defer seed.close()
	now := time.Now()
	if err := seed.addUsers(ctx, now, 0, n/growthPerUser, growthPerUser, somePasswordHash); err != nil {
		return err
	}
	claims := make([]tokens.Claims, growthTokens)
	// All sessions of as many users, whatever the size, spread over all that
	// there are: what is in use shall be the same, what lies around it differ.
	users, used := n/growthPerUser, growthTokens/growthPerUser
	for i := range claims {
		claims[i] = importedClaims(now, i/growthPerUser*(users/used), i%growthPerUser)
	}
	return seed.writeTokens(ctx, headers, claims)
}

func (s *scaling) addGrowth(all samples, pairs []pair) {
	t := table{head: []string{"live sessions in Redis", "requests/s (min–max)", "of 1,000 (min–max)", "p50 µs", "p99 µs"}}
	p := panel{title: fmt.Sprintf("Token checks per second by live sessions in Redis, %d connections", growthConnections)}
	smallest := all.of(pairs[0].server.name, growthConnections)
	for i, n := range growthSizes {
		m := summarize(all.of(pairs[i].server.name, growthConnections), smallest)
		g := growth{Sessions: n, PerSecond: m.PerSecond, P50: m.P50, P99: m.P99, Ratio: m.Ratio}
		s.Growth = append(s.Growth, g)
		t.add(fmt.Sprint(n), spread(g.PerSecond, 0), spread(g.Ratio, 2), fmt.Sprintf("%.0f", g.P50.Median), fmt.Sprintf("%.0f", g.P99.Median))
		p.bars = append(p.bars, bar{
			label: fmt.Sprintf("%d sessions", n), value: g.PerSecond, ours: true,
			text: fmt.Sprintf("%.0f/s · %.2f of the first", g.PerSecond.Median, g.Ratio.Median),
		})
		if i > 0 {
			s.Goals = append(s.Goals, atLeast(fmt.Sprintf("checks with %d sessions / with %d", n, growthSizes[0]), g.Ratio.Median, 1-slowdown, 0))
		}
	}
	s.tables, s.panels = append(s.tables, &t), append(s.panels, p)
}
