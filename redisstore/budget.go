package redisstore

import (
	"context"
	"time"
)

// budget is the time that one request may wait for Redis, all its calls of the
// store together. Each call alone is bounded by Options.Timeout; a Redis that
// slows down in the middle of a request would otherwise be waited for once more
// with each call. What a request does between its calls, such as hashing a
// password, does not count.
type budget struct {
	left time.Duration
	set  bool
}

type budgetKey struct{}

// WithBudget returns the context of a request whose calls of a store share the
// time of one and a half. The calls must not be concurrent.
func WithBudget(ctx context.Context) context.Context {
	return context.WithValue(ctx, budgetKey{}, &budget{})
}

// withTimeout returns a context that ends when the call has to.
func (s *Store) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	if b == nil {
		return context.WithTimeout(ctx, s.options.Timeout)
	}
	if !b.set {
		b.left, b.set = s.options.Timeout*3/2, true
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, min(s.options.Timeout, b.left))
	return ctx, func() {
		cancel()
		b.left -= time.Since(start)
	}
}
