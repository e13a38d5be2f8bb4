package redisstore

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

func TestDistanceSaysHowManyBatchesAreUnderWay(t *testing.T) {
	t.Parallel()
	repeat := func(d time.Duration, n int) []time.Duration {
		all := make([]time.Duration, n)
		for i := range all {
			all[i] = d
		}
		return all
	}
	tests := map[string]struct {
		took []time.Duration
		want int
	}{
		"nothing known":                {nil, minActive},
		"on this machine":              {[]time.Duration{70 * time.Microsecond, 3 * time.Millisecond}, minActive},
		"in this rack":                 {[]time.Duration{300 * time.Microsecond}, 6},
		"a millisecond away":           {[]time.Duration{2 * time.Millisecond, time.Millisecond}, maxActive},
		"nothing was sent":             {[]time.Duration{0, 300 * time.Microsecond}, 6},
		"farther away since a while":   {append(repeat(70*time.Microsecond, 1), repeat(400*time.Microsecond, 2*distanceWindow)...), 8},
		"farther away since a moment":  {append(repeat(70*time.Microsecond, 1), repeat(400*time.Microsecond, distanceWindow)...), minActive},
		"nearer since the last moment": {append(repeat(time.Millisecond, distanceWindow), 200*time.Microsecond), 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d distance
			for _, took := range tt.took {
				d.observe(took)
			}
			if got := d.batches(); got != tt.want {
				t.Errorf("%d batches, want %d", got, tt.want)
			}
		})
	}
}

// Every exchange gets its own replies, however it travelled, and one that Redis
// refuses fails alone.
func TestCoalescedExchangesKeepTheirReplies(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client()
	if err := rdb.Set(t.Context(), "text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	c := newCoalescer(rdb, 10*time.Second)
	var group sync.WaitGroup
	for i := range 500 {
		group.Go(func() {
			ctx := t.Context()
			echo := redis.NewStringCmd(ctx, "echo", strconv.Itoa(i))
			wrong := redis.NewSliceCmd(ctx, "hmget", "text", "field")
			if err := c.do(ctx, soon(), echo, wrong); err != nil {
				t.Error(err)
				return
			}
			if echo.Val() != strconv.Itoa(i) || echo.Err() != nil {
				t.Errorf("echo of %d: %q %v", i, echo.Val(), echo.Err())
			}
			if !redis.HasErrorPrefix(wrong.Err(), "WRONGTYPE") {
				t.Errorf("HMGET of a text: %v", wrong.Err())
			}
		})
	}
	group.Wait()
	awaitIdle(t, c)
}

// An exchange ends by its own deadline or with its request, though those before
// it hold every connection for longer, and the connections are free again
// afterwards.
func TestWaitingExchangesEndByTheirOwnDeadline(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client()
	c := newCoalescer(rdb, 30*time.Second)
	if err := c.do(t.Context(), soon(), redis.NewStatusCmd(t.Context(), "ping")); err != nil {
		t.Fatal(err)
	}
	server.Freeze()

	var group sync.WaitGroup
	for range maxActive {
		group.Go(func() { _ = c.do(t.Context(), soon(), redis.NewStatusCmd(t.Context(), "ping")) })
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	var ended sync.WaitGroup
	for range maxActive + 1 {
		ended.Go(func() {
			cmd := redis.NewIntCmd(t.Context(), "incr", "counter")
			until := time.Now().Add(50 * time.Millisecond)
			if err := c.do(t.Context(), until, cmd); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("past its deadline: %v", err)
			} else if early := time.Until(until); early > 0 {
				t.Errorf("gave up %v early", early)
			}
		})
		ended.Go(func() {
			if err := c.do(gone, soon(), redis.NewIntCmd(gone, "incr", "counter")); !errors.Is(err, context.Canceled) {
				t.Errorf("after its request: %v", err)
			}
		})
	}
	ended.Wait()
	server.Thaw()
	group.Wait()
	awaitIdle(t, c)
	after := redis.NewStatusCmd(t.Context(), "ping")
	if err := c.do(t.Context(), soon(), after); err != nil || after.Val() != "PONG" {
		t.Errorf("afterwards: %q %v %v", after.Val(), err, after.Err())
	}
}

// What nobody waits for any more is not sent: nobody shall pay for it.
func TestAbandonedExchangesAreNotSent(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client()
	c := newCoalescer(rdb, 10*time.Second)
	// No batch may leave until the places are given back below.
	c.active, c.moved = maxActive, time.Now()
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := c.do(gone, soon(), redis.NewIntCmd(gone, "incr", "abandoned")); !errors.Is(err, context.Canceled) {
		t.Fatalf("after its request: %v", err)
	}
	if err := c.do(t.Context(), time.Now().Add(time.Millisecond), redis.NewIntCmd(t.Context(), "incr", "abandoned")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("past its deadline: %v", err)
	}
	c.mu.Lock()
	c.active = 0
	c.mu.Unlock()
	count := redis.NewIntCmd(t.Context(), "incr", "wanted")
	if err := c.do(t.Context(), soon(), count); err != nil || count.Val() != 1 {
		t.Fatalf("wanted: %d %v %v", count.Val(), err, count.Err())
	}
	if n := rdb.Exists(t.Context(), "abandoned").Val(); n != 0 {
		t.Error("an abandoned exchange was sent")
	}
	awaitIdle(t, c)
}

func TestExpiryHints(t *testing.T) {
	t.Parallel()
	h := newExpiryHints()
	if h.known("a") {
		t.Error("knows a key before it was added")
	}
	h.add("a")
	if !h.known("a") || h.known("b") {
		t.Errorf("a known: %v, b known: %v", h.known("a"), h.known("b"))
	}
	// More keys than there is room for: some are forgotten, none confused.
	for i := range 3 * len(h.slots) {
		h.add(strconv.Itoa(i))
	}
	for i := range len(h.slots) {
		if h.known("other" + strconv.Itoa(i)) {
			t.Errorf("takes other%d for a key that was added", i)
		}
	}
}

// A counter whose expiry this replica has set gets it again when it vanished.
func TestVanishedCounterIsBoundedAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client()
	s := New(rdb, Options{Timeout: 10 * time.Second, APILimit: config.Limit{Requests: 100, Window: 24 * 365 * 100 * time.Hour}})
	key := addressCounterKey("192.0.2.1", s.apiWindow().number)
	for range 3 {
		for range 2 {
			if _, err := s.ChargeAddress(t.Context(), "192.0.2.1"); err != nil {
				t.Fatal(err)
			}
			if ttl := rdb.TTL(t.Context(), key).Val(); ttl <= 0 {
				t.Errorf("the counter lives for %v", ttl)
			}
		}
		if err := rdb.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// Connections that hang do not hold up the requests that come after.
func TestStalledExchangeIsPassedBy(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := newCoalescer(server.Client(), 30*time.Second)
	// So near that no more batches may be under way than the least.
	c.distance.observe(time.Nanosecond)

	blocked := func() string {
		info, err := server.Client().InfoMap(t.Context(), "clients").Result()
		if err != nil {
			t.Error(err)
		}
		return info["Clients"]["blocked_clients"]
	}
	var hanging sync.WaitGroup
	for i := range minActive {
		hanging.Go(func() {
			_ = c.do(t.Context(), soon(), redis.NewStringSliceCmd(t.Context(), "blpop", "nothing", 30))
		})
		// One after the other, since together they would be one batch.
		redistest.Eventually(t, "BLPOP to hang", func() bool { return blocked() == strconv.Itoa(i+1) })
	}
	redistest.Eventually(t, "an exchange to pass by", func() bool {
		cmd := redis.NewStatusCmd(t.Context(), "ping")
		return c.do(t.Context(), time.Now().Add(time.Second), cmd) == nil && cmd.Val() == "PONG"
	})
	if got := blocked(); got != strconv.Itoa(minActive) {
		t.Errorf("it waited until %s were left to hang", got)
	}
	server.Kill()
	hanging.Wait()
}

// soon is a deadline that no exchange of a test should need.
func soon() time.Time {
	return time.Now().Add(30 * time.Second)
}

// awaitIdle waits until nothing is under way: the last batch gives its place
// back after it has handed out the replies.
func awaitIdle(t *testing.T, c *coalescer) {
	t.Helper()
	redistest.Eventually(t, "the coalescer to be idle", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.active == 0 && len(c.pending) == 0
	})
}
