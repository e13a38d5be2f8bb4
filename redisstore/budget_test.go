package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

// The calls of one request share its time: against a Redis that answers none of
// them, the third gets none, and the others no more than one and a half between
// them.
func TestCallsOfOneRequestShareItsTime(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const timeout = 200 * time.Millisecond
	store := redisstore.New(server.Client(), redisstore.Options{Timeout: timeout})
	if err := store.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Freeze()
	defer server.Thaw()

	ctx := redisstore.WithBudget(t.Context())
	var spent []time.Duration
	for range 3 {
		start := time.Now()
		if _, _, err := store.User(ctx, "1700000000000"); err == nil {
			t.Fatal("a frozen Redis answered")
		}
		spent = append(spent, time.Since(start))
	}
	// Each is bounded from below alone: a busy machine may be late, never early.
	if spent[0] < timeout || spent[1] < timeout/4 {
		t.Errorf("gave up after %v", spent)
	}
	if err := context.Cause(ctx); err != nil {
		t.Errorf("the request itself ended: %v", err)
	}
	begun := redisstore.WithBudget(t.Context())
	if _, _, err := store.User(begun, "1700000000000"); err == nil {
		t.Fatal("a frozen Redis answered")
	}
	server.Thaw()
	if _, _, err := store.User(begun, "1700000000000"); err != nil {
		t.Errorf("with time left: %v", err)
	}
	if _, _, err := store.User(ctx, "1700000000000"); err == nil {
		t.Error("a request that had used up its time got more")
	}
}
