package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// straight is how many exchanges with Redis go on at the same time, each on
	// a connection of its own, before further ones are put together.
	straight = 2
	// maxBatch is how many exchanges one pipeline holds at most, so that no
	// request waits for the replies of thousands.
	maxBatch = 256
)

// coalescer sends the commands of requests that are under way at the same
// moment in one pipeline. While few are, each goes straight to Redis; while
// many are, those that arrive as the connections are busy leave together with
// the next write, which saves both sides most of their system calls.
//
// An exchange ends by its own deadline, whatever those do that it travels with.
type coalescer struct {
	rdb     redis.UniversalClient
	timeout time.Duration
	limit   int

	mu sync.Mutex
	// active counts exchanges and batches under way, at most limit.
	active  int
	pending []*exchange
}

// exchange is one request's commands, waiting to be sent with others.
type exchange struct {
	ctx  context.Context //nolint:containedctx // It lives as long as the call that made it.
	cmds []redis.Cmder
	// sent tells whether the commands ran; it is to be read after done.
	sent bool
	done chan struct{}
}

func newCoalescer(rdb redis.UniversalClient, timeout time.Duration) *coalescer {
	c := &coalescer{rdb: rdb, timeout: timeout, limit: straight}
	if _, isCluster := rdb.(*redis.ClusterClient); isCluster {
		// A batch would reach many nodes, and all of it wait for the one that
		// is failing over.
		c.limit = maxInt
	}
	return c
}

const maxInt = int(^uint(0) >> 1)

// do runs the commands in one round trip. Each carries its own error. The error
// returned is the context's: the commands are then still being written to and
// must not be read.
func (c *coalescer) do(ctx context.Context, cmds ...redis.Cmder) error {
	c.mu.Lock()
	if c.active < c.limit {
		c.active++
		c.mu.Unlock()
		c.send(ctx, cmds)
		c.next()
		return nil
	}
	e := &exchange{ctx: ctx, cmds: cmds, done: make(chan struct{})}
	c.pending = append(c.pending, e)
	c.mu.Unlock()

	select {
	case <-e.done:
		if !e.sent {
			return ctx.Err()
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// next gives the place of an exchange that is over to those that wait.
func (c *coalescer) next() {
	c.mu.Lock()
	waiting := len(c.pending) > 0
	if !waiting {
		c.active--
	}
	c.mu.Unlock()
	if waiting {
		go c.drain()
	}
}

// drain sends batches until nobody waits.
func (c *coalescer) drain() {
	for batch := c.take(); len(batch) > 0; batch = c.take() {
		c.sendBatch(batch)
	}
}

// take returns the exchanges that leave together, or gives the place back where
// there are none.
func (c *coalescer) take() []*exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.pending
	c.pending = nil
	if len(batch) > maxBatch {
		batch, c.pending = batch[:maxBatch:maxBatch], batch[maxBatch:]
	}
	if len(batch) == 0 {
		c.active--
	}
	return batch
}

func (c *coalescer) sendBatch(batch []*exchange) {
	cmds := make([]redis.Cmder, 0, len(batch)*len(batch[0].cmds))
	for _, e := range batch {
		// Nobody waits for the others any more, so nobody shall pay for them.
		if e.ctx.Err() == nil {
			e.sent = true
			cmds = append(cmds, e.cmds...)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	c.send(ctx, cmds)
	for _, e := range batch {
		close(e.done)
	}
}

// send runs commands in one pipeline. Of its error, which is the first of
// theirs, each command has its own.
func (c *coalescer) send(ctx context.Context, cmds []redis.Cmder) {
	if len(cmds) == 0 {
		return
	}
	pipe := c.rdb.Pipeline()
	_ = pipe.BatchProcess(ctx, cmds...)
	_, _ = pipe.Exec(ctx)
}
