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
	workers sync.WaitGroup
}

type touch struct {
	uid, sid string
}

func newToucher(store Store, log *slog.Logger) *toucher {
	t := &toucher{store: store, log: log, queue: make(chan touch, touchQueue)}
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
	for touch := range t.queue {
		// Not the request's context: its answer is out, and so it may be over.
		if err := t.store.TouchSession(context.Background(), touch.uid, touch.sid); err != nil {
			t.log.Warn("the use of a session was not noted", slog.String("user", touch.uid), slog.Any("error", err))
		}
	}
}

func (t *toucher) close() {
	close(t.queue)
	t.workers.Wait()
}
