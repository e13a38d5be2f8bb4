package handlers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sessiond/sessiond/redisstore"
)

// Notes of sessions' use wait here until a worker has written them. Where they
// come faster they are dropped: the next request of that session brings one.
const (
	touchQueue   = 1024
	touchWorkers = 2
)

// toucher notes that sessions are used, apart from the requests that use them,
// so that no answer waits for it.
type toucher struct {
	store   Store
	log     *slog.Logger
	queue   chan touch
	closing chan struct{}
	workers sync.WaitGroup
}

type touch struct {
	uid, sid string
}

func newToucher(store Store, log *slog.Logger) *toucher {
	t := &toucher{store: store, log: log, queue: make(chan touch, touchQueue), closing: make(chan struct{})}
	for range touchWorkers {
		t.workers.Go(t.work)
	}
	return t
}

// add notes the use of the caller's session, where the last note is old enough.
func (t *toucher) add(c *caller) {
	if time.Since(c.session.UsedAt) < redisstore.TouchInterval {
		return
	}
	select {
	case t.queue <- touch{uid: c.userID, sid: c.session.ID}:
	default:
	}
}

func (t *toucher) work() {
	for {
		select {
		case touch := <-t.queue:
			t.write(context.Background(), touch)
		case <-t.closing:
			return
		}
	}
}

// write has a context that is not the request's, which may be over: its answer
// is out.
func (t *toucher) write(ctx context.Context, touch touch) {
	if err := t.store.TouchSession(ctx, touch.uid, touch.sid); err != nil {
		t.log.Warn("the use of a session was not noted", slog.String("user", touch.uid), slog.Any("error", err))
	}
}

// closeTimeout bounds what close writes, should Redis be away.
const closeTimeout = time.Second

// close writes what waits. A request that is still under way, because the time
// for shutting down has run out, may add more; that is lost.
func (t *toucher) close() {
	close(t.closing)
	t.workers.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case touch := <-t.queue:
			t.write(ctx, touch)
		default:
			return
		}
	}
}
