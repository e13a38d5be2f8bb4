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

// span is one call of the store: until when it has to be over, all its round
// trips together.
type span struct {
	until  time.Time
	start  time.Time
	budget *budget // nil for what belongs to no request.
}

// begin starts a call, which has to be ended.
func (s *Store) begin(ctx context.Context) span {
	limit, start := s.options.Timeout, time.Now()
	b, _ := ctx.Value(budgetKey{}).(*budget)
	if b != nil {
		if !b.set {
			b.left, b.set = s.options.Timeout*3/2, true
		}
		limit = min(limit, b.left)
	}
	return span{until: start.Add(limit), start: start, budget: b}
}

// end takes what the call has taken from its request's budget.
func (c span) end() {
	if c.budget != nil {
		c.budget.left -= time.Since(c.start)
	}
}

// withTimeout returns a context that ends when the call has to.
func (s *Store) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	call := s.begin(ctx)
	ctx, cancel := context.WithDeadline(ctx, call.until)
	return ctx, func() {
		cancel()
		call.end()
	}
}
