package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// minStraight and maxStraight bound how many exchanges with Redis go on at
	// the same time, each on a connection of its own, before further ones are
	// put together.
	minStraight, maxStraight = 1, 16
	// stall is after how long without a reply a further exchange goes straight:
	// one connection that hangs shall not hold up the others' requests.
	stall = 5 * time.Millisecond
	// interval is about what an exchange costs both sides in processor time:
	// sent more often than that, exchanges would only fight for the processors;
	// less often, they would wait for no reason.
	interval = 50 * time.Microsecond
	// maxBatch is how many exchanges one pipeline holds at most, so that no
	// request waits for the replies of thousands.
	maxBatch = 256
)

// coalescer sends the commands of requests that are under way at the same
// moment in one pipeline. While few are, each goes straight to Redis; while
// many are, those that arrive as the connections are busy leave together with
// the next write, which saves both sides most of their system calls. The farther
// away Redis is, the more exchanges are under way before that happens: none shall
// wait for the way of another.
//
// An exchange ends by its own deadline, whatever those do that it travels with.
type coalescer struct {
	rdb     redis.UniversalClient
	timeout time.Duration
	// unlimited sends everything straight.
	unlimited bool

	mu sync.Mutex
	// active counts exchanges and batches under way.
	active   int
	pending  []*exchange
	distance distance
	// moved is when an exchange or a batch last left or came back.
	moved time.Time
}

// exchange is one request's commands, waiting to be sent with others.
type exchange struct {
	ctx  context.Context //nolint:containedctx // It lives as long as the call that made it.
	cmds []redis.Cmder
	// key is what doWith reads for it, empty where it is do's.
	key string
	// sent tells whether the commands ran, value is the one of key; both are to
	// be read after done.
	sent  bool
	value *redis.StringCmd
	done  chan struct{}
}

func newCoalescer(rdb redis.UniversalClient, timeout time.Duration) *coalescer {
	// On a cluster a batch would reach many nodes, and all of it wait for the
	// one that is failing over.
	_, isCluster := rdb.(*redis.ClusterClient)
	return &coalescer{rdb: rdb, timeout: timeout, unlimited: isCluster}
}

// do runs the commands in one round trip. Each carries its own error. The error
// returned is the context's: the commands are then still being written to and
// must not be read.
func (c *coalescer) do(ctx context.Context, cmds ...redis.Cmder) error {
	_, err := c.doWith(ctx, "", cmds...)
	return err
}

// doWith is do for commands that need the value of a key beside them. Exchanges
// that leave together share one GET of it, behind all their commands: the key
// must be one that has the same value for all, which it has where they can be
// together, off a cluster.
func (c *coalescer) doWith(ctx context.Context, key string, cmds ...redis.Cmder) (*redis.StringCmd, error) {
	c.mu.Lock()
	if c.mayGoStraight() {
		c.active++
		c.moved = time.Now()
		c.mu.Unlock()
		var value *redis.StringCmd
		if key != "" {
			value = redis.NewStringCmd(ctx, "get", key)
			cmds = append(cmds, value)
		}
		took := c.send(ctx, cmds)
		c.next(took)
		return value, nil
	}
	e := &exchange{ctx: ctx, cmds: cmds, key: key, done: make(chan struct{})}
	c.pending = append(c.pending, e)
	c.mu.Unlock()

	select {
	case <-e.done:
		if !e.sent {
			return nil, ctx.Err()
		}
		return e.value, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// mayGoStraight tells whether an exchange may leave at once.
func (c *coalescer) mayGoStraight() bool {
	if c.unlimited || c.active < c.distance.straight() {
		return true
	}
	return c.active < maxStraight && time.Since(c.moved) > stall
}

// next gives the place of an exchange that is over to those that wait.
func (c *coalescer) next(took time.Duration) {
	c.mu.Lock()
	c.observe(took)
	waiting := len(c.pending) > 0
	if !waiting {
		c.active--
	}
	c.mu.Unlock()
	if waiting {
		go c.drain()
	}
}

// observe learns from what has come back.
func (c *coalescer) observe(took time.Duration) {
	c.distance.observe(took)
	c.moved = time.Now()
}

// drain sends batches until nobody waits.
func (c *coalescer) drain() {
	for batch := c.take(0); len(batch) > 0; {
		batch = c.take(c.sendBatch(batch))
	}
}

// take returns the exchanges that leave together, or gives the place back where
// there are none. took is what the batch before took, 0 for the first.
func (c *coalescer) take(took time.Duration) []*exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observe(took)
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

func (c *coalescer) sendBatch(batch []*exchange) time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	cmds := make([]redis.Cmder, 0, 1+len(batch)*len(batch[0].cmds))
	var value *redis.StringCmd
	for _, e := range batch {
		// Nobody waits for the others any more, so nobody shall pay for them.
		if e.ctx.Err() == nil {
			e.sent = true
			cmds = append(cmds, e.cmds...)
			if e.key != "" && value == nil {
				value = redis.NewStringCmd(ctx, "get", e.key)
			}
			e.value = value
		}
	}
	if value != nil {
		cmds = append(cmds, value)
	}
	took := c.send(ctx, cmds)
	for _, e := range batch {
		close(e.done)
	}
	return took
}

// send runs commands in one pipeline and returns how long that took. Of its
// error, which is the first of theirs, each command has its own.
func (c *coalescer) send(ctx context.Context, cmds []redis.Cmder) time.Duration {
	if len(cmds) == 0 {
		return 0
	}
	start := time.Now()
	pipe := c.rdb.Pipeline()
	_ = pipe.BatchProcess(ctx, cmds...)
	_, _ = pipe.Exec(ctx)
	return time.Since(start)
}

// distance is how far away Redis is: the shortest of the last exchanges, since
// what a longer one took more it spent waiting for a processor. The zero value
// knows nothing yet.
type distance struct {
	current, previous time.Duration
	seen              int
}

// distanceWindow is how many exchanges it takes to forget what was before the
// last as many.
const distanceWindow = 512

func (d *distance) observe(took time.Duration) {
	if took <= 0 {
		return
	}
	if d.current == 0 || took < d.current {
		d.current = took
	}
	if d.seen++; d.seen == distanceWindow {
		d.previous, d.current, d.seen = d.current, 0, 0
	}
}

// straight is how many exchanges may be under way, so that another may leave
// every interval.
func (d *distance) straight() int {
	shortest := d.current
	if shortest == 0 || (d.previous != 0 && d.previous < shortest) {
		shortest = d.previous
	}
	return min(max(int(shortest/interval), minStraight), maxStraight)
}
