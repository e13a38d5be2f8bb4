package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sessiond/sessiond/config"
)

// What the memory figures are of.
const (
	memoryUsers    = 100_000
	memorySessions = 3 // For each user.
	memoryChecks   = 1_000_000
	// trailUsers are enough for a figure that moves by a byte or two.
	trailUsers, trailEvents = 20_000, 100
)

// memory is what sessions take in Redis, and tokens in sessiond.
type memory struct {
	BytesPerSession float64 `json:"redisBytesPerSession"`
	BytesPerUser    float64 `json:"redisBytesPerUser"`
	// WithTrail is BytesPerSession where each user has a trail of events, which
	// is off unless events.max_per_user is set.
	WithTrail float64 `json:"redisBytesPerSessionWithTrail"`
	Checks    uint64  `json:"checks"`
	// ResidentMB is sessiond's memory after every tenth of the checks, the first
	// of which has seen each token once.
	ResidentMB []float64 `json:"residentMB"`
	PeakMB     float64   `json:"peakMB"`
}

func (c *comparison) measureMemory(ctx context.Context, l *lab) error {
	defer l.stopAll()
	redis, err := l.startRedis(ctx)
	if err != nil {
		return err
	}
	keys, err := l.keyDirectory()
	if err != nil {
		return err
	}
	headers := l.file("memory.headers")
	m, err := l.fill(ctx, redis, keys, headers)
	if err != nil {
		return err
	}
	if m.WithTrail, err = l.measureTrails(ctx, keys); err != nil {
		return err
	}
	s, err := l.startSessiond(ctx, redis.address, 0, keys)
	if err != nil {
		return err
	}
	s.target.headers = headers
	if err := l.watchMemory(ctx, s, m); err != nil {
		return err
	}
	c.Memory = m
	return nil
}

// fill logs the users in and sees what that adds to Redis' memory.
func (l *lab) fill(ctx context.Context, redis *redisServer, keys, headers string) (*memory, error) {
	seed, err := newSeeder(redis.address, 0, keys)
	if err != nil {
		return nil, err
	}
	defer seed.close()
	empty, err := redis.memory(ctx)
	if err != nil {
		return nil, err
	}
	l.say("adding %d users", memoryUsers)
	if err := seed.addUsers(ctx, time.Now(), 0, memoryUsers, 0, somePasswordHash); err != nil {
		return nil, err
	}
	users, err := redis.memory(ctx)
	if err != nil {
		return nil, err
	}
	l.say("logging each in %d times", memorySessions)
	claims, err := seed.logIn(ctx, memoryUsers, memorySessions, somePasswordHash)
	if err != nil {
		return nil, err
	}
	sessions, err := redis.memory(ctx)
	if err != nil {
		return nil, err
	}
	m := &memory{
		BytesPerUser:    float64(users-empty) / memoryUsers,
		BytesPerSession: float64(sessions-users) / (memoryUsers * memorySessions),
	}
	l.say("Redis holds a session in %.0f bytes; signing %d tokens", m.BytesPerSession, memoryUsers)
	return m, seed.writeTokens(ctx, headers, claims)
}

// measureTrails is what a session takes where logins and endings leave a trail.
func (l *lab) measureTrails(ctx context.Context, keys string) (float64, error) {
	redis, err := l.startRedis(ctx)
	if err != nil {
		return 0, err
	}
	seed, err := newSeeder(redis.address, 0, keys, func(c *config.Config) { c.Events.MaxPerUser = trailEvents })
	if err != nil {
		return 0, err
	}
	defer seed.close()
	l.say("the same for %d users with trails", trailUsers)
	if err := seed.addUsers(ctx, time.Now(), 0, trailUsers, 0, somePasswordHash); err != nil {
		return 0, err
	}
	users, err := redis.memory(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := seed.logIn(ctx, trailUsers, memorySessions, somePasswordHash); err != nil {
		return 0, err
	}
	sessions, err := redis.memory(ctx)
	return float64(sessions-users) / (trailUsers * memorySessions), err
}

// watchMemory checks the tokens, one of each user in rotation, until there were
// enough checks.
func (l *lab) watchMemory(ctx context.Context, s server, m *memory) error {
	const slowest = 10 * time.Minute
	// wrk takes a second to read so many tokens.
	const stretch = 4 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, slowest, fmt.Errorf("%d checks took over %s", memoryChecks, slowest))
	defer cancel()
	connections := slices.Max(l.options.connections)
	next := uint64(memoryUsers)
	for m.Checks < memoryChecks {
		r, err := l.load(ctx, load{s.target, connections, stretch, m.Checks})
		if err != nil {
			return err
		}
		m.Checks += r.Requests
		if m.Checks < next {
			continue
		}
		u, err := readUsage(s.child.pid())
		if err != nil {
			return err
		}
		m.ResidentMB = append(m.ResidentMB, float64(u.rss)/1e6)
		m.PeakMB = float64(u.peak) / 1e6
		l.say("%d checks: sessiond takes %.0f MB", m.Checks, float64(u.rss)/1e6)
		next = m.Checks + memoryChecks/10
	}
	return nil
}

// growth is how much more memory the last third of the checks took at most than
// the first third did.
func (m *memory) growth() float64 {
	third := max(1, len(m.ResidentMB)/3)
	return slices.Max(m.ResidentMB[len(m.ResidentMB)-third:]) / slices.Max(m.ResidentMB[:third])
}
