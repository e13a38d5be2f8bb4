package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// eventsKey is the stream of events of all users.
	eventsKey = "events"
	// maxEvents is how many events it keeps, about: some hundred bytes each.
	maxEvents = 10_000
	// publishQueue is how many events may wait, publishBatch how many leave
	// together.
	publishQueue, publishBatch = 4096, 256
	// publishGrace is how long close waits for those that are still there.
	publishGrace = time.Second
)

// publisher writes events to the stream of all users, apart from the requests
// that bring them about: that stream lies on another node of a cluster, maybe,
// and no login shall wait for it. What comes faster than it can be written, or
// while Redis is away, is lost and counted; the trails have it all the same.
type publisher struct {
	rdb     redis.UniversalClient
	timeout time.Duration
	metrics *metrics
	queue   chan Event
	done    chan struct{}
	cancel  context.CancelFunc

	mu     sync.RWMutex
	closed bool
}

func newPublisher(rdb redis.UniversalClient, timeout time.Duration, m *metrics) *publisher {
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{
		rdb: rdb, timeout: timeout, metrics: m,
		queue: make(chan Event, publishQueue), done: make(chan struct{}), cancel: cancel,
	}
	go p.work(ctx)
	return p
}

func (p *publisher) publish(e Event) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		p.metrics.eventsLost.Inc()
		return
	}
	select {
	case p.queue <- e:
	default:
		p.metrics.eventsLost.Inc()
	}
}

// publishEnded publishes that sessions of a user ended.
func (s *Store) publishEnded(uid string, sids []string, e Ending) {
	for _, sid := range sids {
		reason := e.Reason
		if sid == e.Own {
			reason = ReasonLogout
		}
		s.events.publish(Event{Type: EventSessionEnded, UserID: uid, SessionID: sid, Actor: e.Actor, Reason: reason})
	}
}

func (p *publisher) work(ctx context.Context) {
	defer close(p.done)
	batch := make([]Event, 0, publishBatch)
	for event := range p.queue {
		batch = append(batch[:0], event)
		for len(batch) < publishBatch && len(p.queue) > 0 {
			batch = append(batch, <-p.queue)
		}
		p.write(ctx, batch)
	}
}

func (p *publisher) write(ctx context.Context, batch []Event) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	pipe := p.rdb.Pipeline()
	for _, e := range batch {
		// A second attempt could write an event twice.
		_ = pipe.Process(ctx, once{redis.NewStringCmd(ctx, "xadd", eventsKey, "maxlen", "~", maxEvents, "*",
			"type", string(e.Type), "user", e.UserID, "session", e.SessionID, "actor", string(e.Actor), "reason", string(e.Reason))})
	}
	cmds, _ := pipe.Exec(ctx)
	for _, cmd := range cmds {
		if cmd.Err() != nil {
			p.metrics.eventsLost.Inc()
		}
	}
}

// close writes what waits, for as long as publishGrace.
func (p *publisher) close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.queue)
	}
	p.mu.Unlock()
	timer := time.AfterFunc(publishGrace, p.cancel)
	defer timer.Stop()
	<-p.done
	p.cancel()
}
