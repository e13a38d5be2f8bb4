package redisstore

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// minActive and maxActive bound how many batches are under way at the same
	// time, each on a connection of its own. With one alone the processors wait
	// for each other; more than two make batches smaller, and Redis work more.
	minActive, maxActive = 2, 16
	// stall is after how long without a reply a further batch may leave: one
	// connection that hangs shall not hold up the others' requests.
	stall = 5 * time.Millisecond
	// interval is about what a batch costs both sides in processor time: sent
	// more often than that, batches would only fight for the processors; less
	// often, exchanges would wait for no reason.
	interval = 50 * time.Microsecond
	// maxBatch is how many exchanges one pipeline holds at most, so that no
	// request waits for the replies of thousands.
	maxBatch = 256
)

// coalescer sends the commands of requests that are under way at the same
// moment in one pipeline. A batch holds what there is when it leaves: a single
// exchange while requests are few, and while they are many those that came as
// the one before was under way, which saves both sides most of their system
// calls. The farther away Redis is, the more batches are under way at the same
// time: no exchange shall wait for the way of another.
//
// An exchange ends by its own deadline, whatever those do that it travels with.
type coalescer struct {
	rdb     redis.UniversalClient
	timeout time.Duration
	// alone gives each exchange a batch of its own.
	alone bool

	mu sync.Mutex
	// active counts batches under way, or about to be.
	active   int
	pending  []*exchange
	distance distance
	// moved is when a batch last left or came back.
	moved time.Time
}

// exchange is one request's commands on their way to Redis and back.
type exchange struct {
	cmds []redis.Cmder
	// key is what doWith reads for it, empty where it is do's.
	key string
	// abandoned tells that nobody waits for the replies any more.
	abandoned atomic.Bool
	// value is the reply for key; to be read after done, like the commands.
	value *redis.StringCmd
	done  chan struct{}
}

func newCoalescer(rdb redis.UniversalClient, timeout time.Duration) *coalescer {
	// On a cluster a batch would reach many nodes, and all of it wait for the
	// one that is failing over.
	_, isCluster := rdb.(*redis.ClusterClient)
	return &coalescer{rdb: rdb, timeout: timeout, alone: isCluster}
}

// do runs the commands in one round trip. Each carries its own error. The error
// returned is the context's or, past the deadline, context.DeadlineExceeded: the
// commands may then still be written to and must not be read.
func (c *coalescer) do(ctx context.Context, until time.Time, cmds ...redis.Cmder) error {
	_, err := c.doWith(ctx, until, "", cmds...)
	return err
}

// doWith is do for commands that need the value of a key beside them. Exchanges
// that leave together share one GET of it, behind all their commands: the key
// must be one that has the same value for all, which it has where they can be
// together, off a cluster.
func (c *coalescer) doWith(ctx context.Context, until time.Time, key string, cmds ...redis.Cmder) (*redis.StringCmd, error) {
	left := time.Until(until)
	if left <= 0 {
		return nil, context.DeadlineExceeded
	}
	e := &exchange{cmds: cmds, key: key, done: make(chan struct{})}
	c.submit(e)

	deadline, ok := deadlines.Get().(*time.Timer)
	if ok {
		deadline.Reset(left)
	} else {
		deadline = time.NewTimer(left)
	}
	defer func() {
		deadline.Stop()
		deadlines.Put(deadline)
	}()
	select {
	case <-e.done:
		return e.value, nil
	case <-ctx.Done():
		e.abandoned.Store(true)
		return nil, ctx.Err()
	case <-deadline.C:
		e.abandoned.Store(true)
		return nil, context.DeadlineExceeded
	}
}

// deadlines holds timers that are not running. A context with a deadline for each
// exchange would cost several times as much.
var deadlines sync.Pool

// submit makes sure that the exchange leaves.
func (c *coalescer) submit(e *exchange) {
	if c.alone {
		go c.sendBatch([]*exchange{e})
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, e)
	if c.mayLeave() {
		c.active++
		c.moved = time.Now()
		go c.drain()
	}
}

// mayLeave tells whether another batch may leave now.
func (c *coalescer) mayLeave() bool {
	if c.active < c.distance.batches() {
		return true
	}
	return c.active < maxActive && time.Since(c.moved) > stall
}

// drain sends batches until nobody waits.
func (c *coalescer) drain() {
	var took time.Duration
	for {
		// Requests that are there to be read may come along: those go first.
		runtime.Gosched()
		batch := c.take(took)
		if len(batch) == 0 {
			return
		}
		took = c.sendBatch(batch)
	}
}

// take returns the exchanges that leave together, or gives the place back where
// there are none. took is what the batch before took, 0 for the first.
func (c *coalescer) take(took time.Duration) []*exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.distance.observe(took)
	c.moved = time.Now()
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

// sendBatch returns how long the exchange with Redis took.
func (c *coalescer) sendBatch(batch []*exchange) time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	cmds := make([]redis.Cmder, 0, 1+len(batch)*len(batch[0].cmds))
	var value *redis.StringCmd
	for _, e := range batch {
		// Nobody shall pay for what nobody waits for.
		if e.abandoned.Load() {
			continue
		}
		cmds = append(cmds, e.cmds...)
		if e.key != "" && value == nil {
			value = redis.NewStringCmd(ctx, "get", e.key)
		}
		e.value = value
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

// distance is how far away Redis is: the shortest of the last batches, since
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

// batches is how many may be under way, so that another may leave every
// interval.
func (d *distance) batches() int {
	shortest := d.current
	if shortest == 0 || (d.previous != 0 && d.previous < shortest) {
		shortest = d.previous
	}
	return min(max(int(shortest/interval), minActive), maxActive)
}
