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

func TestDistanceSaysHowManyGoStraight(t *testing.T) {
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
		"nothing known":                {nil, minStraight},
		"on this machine":              {[]time.Duration{70 * time.Microsecond, 3 * time.Millisecond}, minStraight},
		"in this rack":                 {[]time.Duration{300 * time.Microsecond}, 6},
		"a millisecond away":           {[]time.Duration{2 * time.Millisecond, time.Millisecond}, maxStraight},
		"nothing was sent":             {[]time.Duration{0, 300 * time.Microsecond}, 6},
		"farther away since a while":   {append(repeat(70*time.Microsecond, 1), repeat(400*time.Microsecond, 2*distanceWindow)...), 8},
		"farther away since a moment":  {append(repeat(70*time.Microsecond, 1), repeat(400*time.Microsecond, distanceWindow)...), minStraight},
		"nearer since the last moment": {append(repeat(time.Millisecond, distanceWindow), 200*time.Microsecond), 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d distance
			for _, took := range tt.took {
				d.observe(took)
			}
			if got := d.straight(); got != tt.want {
				t.Errorf("%d go straight, want %d", got, tt.want)
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
			if err := c.do(ctx, echo, wrong); err != nil {
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

// An exchange ends by its own deadline, though those before it hold every
// connection for longer, and the connections are free again afterwards.
func TestWaitingExchangesEndByTheirOwnDeadline(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client()
	c := newCoalescer(rdb, 30*time.Second)
	if err := c.do(t.Context(), redis.NewStatusCmd(t.Context(), "ping")); err != nil {
		t.Fatal(err)
	}
	server.Freeze()

	long, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var group sync.WaitGroup
	for range minStraight {
		group.Go(func() { _ = c.do(long, redis.NewStatusCmd(long, "ping")) })
	}
	redistest.Eventually(t, "all places to be taken", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.active >= c.distance.straight() || c.active == minStraight
	})
	// More than can go straight, so that some wait.
	short, cancelShort := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancelShort()
	var ended sync.WaitGroup
	for range maxStraight + 1 {
		ended.Go(func() {
			cmd := redis.NewIntCmd(short, "incr", "counter")
			if err := c.do(short, cmd); err == nil && cmd.Err() == nil {
				t.Error("a frozen Redis answered")
			} else if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("ended with %v", err)
			}
		})
	}
	ended.Wait()
	server.Thaw()
	group.Wait()
	awaitIdle(t, c)
	after := redis.NewStatusCmd(t.Context(), "ping")
	if err := c.do(t.Context(), after); err != nil || after.Val() != "PONG" {
		t.Errorf("afterwards: %q %v %v", after.Val(), err, after.Err())
	}
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

// A connection that hangs does not hold up the requests that come after.
func TestStalledExchangeIsPassedBy(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := newCoalescer(server.Client(), 30*time.Second)
	if err := c.do(t.Context(), redis.NewStatusCmd(t.Context(), "ping")); err != nil {
		t.Fatal(err)
	}

	hangs, release := context.WithTimeout(t.Context(), 30*time.Second)
	defer release()
	var hanging sync.WaitGroup
	for range minStraight {
		hanging.Go(func() { _ = c.do(hangs, redis.NewStringSliceCmd(hangs, "blpop", "nothing", 30)) })
	}
	redistest.Eventually(t, "the places to be taken", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.active >= minStraight
	})
	redistest.Eventually(t, "an exchange to pass by", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		cmd := redis.NewStatusCmd(ctx, "ping")
		return c.do(ctx, cmd) == nil && cmd.Val() == "PONG"
	})
	server.Kill()
	hanging.Wait()
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
