package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sessiond/sessiond/tokens"
)

// rotation is how many sessions of as many users take turns.
const rotation = 2000

// comparison is the report of `compare`.
type comparison struct {
	Machine machine       `json:"machine"`
	Setup   setup         `json:"setup"`
	Speed   []measurement `json:"speed,omitempty"`
	Memory  *memory       `json:"memory,omitempty"`
	Goals   []goal        `json:"goals"`
	Skipped []string      `json:"skipped,omitempty"`

	samples samples
}

// setup says how the figures came about.
type setup struct {
	Rounds      int   `json:"rounds"`
	Seconds     int   `json:"seconds"`
	Warmup      int   `json:"warmupSeconds"`
	Connections []int `json:"connections"`
	Threads     int   `json:"wrkThreads"`
}

func (o options) setup() setup {
	return setup{
		Rounds: o.rounds, Seconds: int(o.duration / time.Second), Warmup: int(o.warmup / time.Second),
		Connections: o.connections, Threads: o.threads,
	}
}

// measurement is what the rounds say of one server at one number of
// connections. Times are in microseconds, CPU times for each request.
type measurement struct {
	Server      string  `json:"server"`
	Connections int     `json:"connections"`
	PerSecond   figure  `json:"requestsPerSecond"`
	Ratio       figure  `json:"ratioToFloor"`
	P50         figure  `json:"p50"`
	P99         figure  `json:"p99"`
	ServerCPU   figure  `json:"serverCPU"`
	RedisCPU    figure  `json:"redisCPU"`
	PeakMB      float64 `json:"peakMB"`
}

func compare(ctx context.Context, l *lab) (report, error) {
	c := &comparison{Setup: l.options.setup()}
	variants := slices.Clone(l.options.variants)
	if slices.Contains(variants, "express") && l.options.measures("speed") {
		if err := l.installExpress(ctx); err != nil {
			l.say("express-session stays out: %v", err)
			c.Skipped = append(c.Skipped, "express")
			variants = slices.DeleteFunc(variants, func(name string) bool { return name == "express" })
		}
	}
	c.Machine = l.describe(ctx, slices.Contains(variants, "express"))
	if l.options.measures("speed") {
		if err := c.measureSpeed(ctx, l, variants); err != nil {
			return nil, err
		}
	}
	if l.options.measures("memory") {
		if err := c.measureMemory(ctx, l); err != nil {
			return nil, err
		}
	}
	c.Goals = c.goals()
	return c, nil
}

func (c *comparison) measureSpeed(ctx context.Context, l *lab, variants []string) error {
	defer l.stopAll()
	redis, err := l.startRedis(ctx)
	if err != nil {
		return err
	}
	var servers []server
	for db, name := range variants {
		l.say("starting %s with %d sessions", name, rotation)
		s, err := l.startVariant(ctx, name, redis.address, db)
		if err != nil {
			return err
		}
		if err := s.target.checkEach(ctx); err != nil {
			return err
		}
		servers = append(servers, s)
	}
	c.samples, err = l.takeTurns(ctx, redis, servers, l.options.connections)
	if err != nil {
		return err
	}
	for _, connections := range l.options.connections {
		floor := c.samples.of("floor", connections)
		for _, s := range servers {
			m := summarize(c.samples.of(s.name, connections), floor)
			m.Server, m.Connections = s.name, connections
			u, err := readUsage(s.child.pid())
			if err != nil {
				return err
			}
			m.PeakMB = float64(u.peak) / 1e6
			c.Speed = append(c.Speed, m)
		}
	}
	return nil
}

// startVariant runs one of the servers on a database that it has to itself.
func (l *lab) startVariant(ctx context.Context, name, redisAddress string, db int) (server, error) {
	if name != "sessiond" && name != "verify" {
		return l.startPeer(ctx, name, redisAddress, db, rotation)
	}
	keys, err := l.keyDirectory()
	if err != nil {
		return server{}, err
	}
	headers := l.file(fmt.Sprintf("%s-%d.headers", name, len(l.children)))
	if err := seedLogins(ctx, redisAddress, db, keys, headers, somePasswordHash); err != nil {
		return server{}, err
	}
	var s server
	if name == "verify" {
		s, err = l.startVerify(ctx, redisAddress, db, keys)
	} else {
		s, err = l.startSessiond(ctx, redisAddress, db, keys)
	}
	s.target.headers = headers
	return s, err
}

// seedLogins gives as many users as take turns a session each.
func seedLogins(ctx context.Context, redisAddress string, db int, keys, headers, hash string) error {
	seed, err := newSeeder(redisAddress, db, keys)
	if err != nil {
		return err
	}
	defer seed.close()
	if err := seed.addUsers(ctx, time.Now(), 0, rotation, 0, hash); err != nil {
		return err
	}
	var claims []tokens.Claims
	if claims, err = seed.logIn(ctx, rotation, 1, hash); err != nil {
		return err
	}
	return seed.writeTokens(ctx, headers, claims)
}

// somePasswordHash is for users who log in with no password.
const somePasswordHash = "$2a$12$7pGf1mC0xPBQyJ0nH5r9wO8QdZkYw2S3T4u5V6w7X8y9Z0a1B2c3D" //nolint:gosec // It is nobody's.
