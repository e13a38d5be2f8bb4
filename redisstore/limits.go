package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/config"
)

// Quota is what a limiter said of one request.
type Quota struct {
	// Allowed tells whether the request may go on.
	Allowed bool
	// Limit is how many requests a window admits, Remaining how many are left.
	Limit, Remaining int
	// Reset is the time until the full limit is there again.
	Reset time.Duration
	// RetryAfter is the time after which a refused request would be admitted.
	RetryAfter time.Duration
}

// loginLimiter admits logins by GCRA: a burst of Requests, then one each
// Window/Requests.
type loginLimiter struct {
	limiter *redis_rate.Limiter
	limit   redis_rate.Limit
}

func newLoginLimiter(rdb redis.UniversalClient, limit config.Limit) *loginLimiter {
	return &loginLimiter{
		limiter: redis_rate.NewLimiter(onceScripter{rdb}),
		limit:   redis_rate.Limit{Rate: limit.Requests, Burst: limit.Requests, Period: limit.Window},
	}
}

// AllowLogin charges one login to an address.
func (s *Store) AllowLogin(ctx context.Context, address string) (Quota, error) {
	return s.allow(ctx, loginLimitKey(address))
}

// AllowScopedSession charges a user one attempt to make a scoped session, which
// is limited like a login.
func (s *Store) AllowScopedSession(ctx context.Context, uid string) (Quota, error) {
	return s.allow(ctx, scopedLimitKey(uid))
}

func (s *Store) allow(ctx context.Context, key string) (Quota, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	result, err := s.login.limiter.Allow(ctx, key, s.login.limit)
	if err != nil {
		return Quota{}, fmt.Errorf("charge a login: %w", err)
	}
	return Quota{
		Allowed:    result.Allowed > 0,
		Limit:      s.options.LoginLimit.Requests,
		Remaining:  result.Remaining,
		Reset:      result.ResetAfter,
		RetryAfter: max(result.RetryAfter, 0),
	}, nil
}

// ChargeAddress charges one API request to an address: one that bears no token
// that admits it.
func (s *Store) ChargeAddress(ctx context.Context, address string) (Quota, error) {
	call := s.begin(ctx)
	defer call.end()
	window := s.apiWindow()
	charge := s.charge(ctx, window, addressCounterKey(address, window.number))
	if err := s.checks.do(ctx, call.until, charge.cmds()...); err != nil {
		return Quota{}, fmt.Errorf("charge an address: %w", err)
	}
	return s.quota(ctx, call.until, charge)
}

// apiWindow is a fixed window of the API limiter. Its number is part of the
// counter's key: a counter is never reset, it is left behind to expire.
type apiWindow struct {
	limit  config.Limit
	number int64
	left   time.Duration
}

// apiWindow returns the window of this moment by the replica's clock; replicas
// whose clocks differ disagree for that long at its edges, no longer.
func (s *Store) apiWindow() apiWindow {
	now := time.Now()
	limit := s.options.APILimit
	number := now.UnixNano() / int64(limit.Window)
	end := time.Unix(0, (number+1)*int64(limit.Window))
	return apiWindow{limit: limit, number: number, left: end.Sub(now)}
}

// apiCharge is the commands that charge a request; the replies are there once
// they have run.
type apiCharge struct {
	window apiWindow
	key    string
	count  *redis.IntCmd
	// expire is nil for a counter that has its expiry already.
	expire *redis.BoolCmd
}

func (s *Store) charge(ctx context.Context, window apiWindow, key string) apiCharge {
	c := apiCharge{window: window, key: key, count: redis.NewIntCmd(ctx, "incr", key)}
	if !s.hints.known(key) {
		c.expire = window.expire(ctx, key)
	}
	return c
}

func (w apiWindow) expire(ctx context.Context, key string) *redis.BoolCmd {
	return redis.NewBoolCmd(ctx, "expire", key, w.ttl())
}

// cmds adds the charge to other commands.
func (c apiCharge) cmds(others ...redis.Cmder) []redis.Cmder {
	others = append(others, once{c.count})
	if c.expire != nil {
		others = append(others, c.expire)
	}
	return others
}

// refund takes a charge back. EXPIRE makes sure that a counter which expired
// meanwhile, and which DECR makes anew, does not stay for ever.
func (w apiWindow) refund(ctx context.Context, key string) []redis.Cmder {
	return []redis.Cmder{redis.NewIntCmd(ctx, "decr", key), w.expire(ctx, key)}
}

// ttl is in seconds, and outlives the window by the difference that replicas'
// clocks may have.
func (w apiWindow) ttl() int64 {
	return int64((w.limit.Window + 2*time.Second - 1) / time.Second)
}

// quota reads a charge. It fails where the request could not be counted, as when
// memory is out: who can't be limited is not let in.
func (s *Store) quota(ctx context.Context, until time.Time, c apiCharge) (Quota, error) {
	count, err := c.count.Result()
	if err != nil {
		return Quota{}, fmt.Errorf("count a request: %w", err)
	}
	if c.expire == nil && count == 1 {
		// It vanished, by a FLUSHDB say, and is without an expiry now.
		c.expire = c.window.expire(ctx, c.key)
		if err := s.checks.do(ctx, until, c.expire); err != nil {
			return Quota{}, fmt.Errorf("bound a counter: %w", err)
		}
	}
	if c.expire != nil {
		if err := c.expire.Err(); err != nil {
			return Quota{}, fmt.Errorf("bound a counter: %w", err)
		}
		s.hints.add(c.key)
	}
	limit := c.window.limit.Requests
	quota := Quota{
		Allowed:   count <= int64(limit),
		Limit:     limit,
		Remaining: int(max(int64(limit)-count, 0)),
		Reset:     c.window.left,
	}
	if !quota.Allowed {
		quota.RetryAfter = c.window.left
	}
	return quota, nil
}
