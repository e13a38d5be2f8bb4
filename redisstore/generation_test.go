package redisstore

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

func TestSlotOf(t *testing.T) {
	t.Parallel()
	// 0x31C3 is what the cluster specification gives for this text.
	if got := slotOf("123456789"); got != 0x31C3 {
		t.Errorf("slot %#x", got)
	}
	server := redistest.Start(t, "--cluster-enabled", "yes")
	keys := generations{perSlot: true}.all()
	for slot := 0; slot < clusterSlots; slot += 1000 {
		got, err := server.Client().ClusterKeySlot(t.Context(), keys[slot]).Result()
		if err != nil || got != int64(slot) {
			t.Errorf("%s is in slot %d, %v; want %d", keys[slot], got, err, slot)
		}
	}
	for slot, key := range keys {
		if !strings.HasPrefix(key, "sessions:generation:{") {
			t.Fatalf("slot %d has the key %q", slot, key)
		}
	}
}

// Of exchanges that leave together one asks for the value, and all get it.
func TestCoalescedExchangesShareAValue(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client()
	if err := rdb.Set(t.Context(), "number", 7, 0).Err(); err != nil {
		t.Fatal(err)
	}
	c := newCoalescer(rdb, 10*time.Second)
	const exchanges = 500
	var group sync.WaitGroup
	for range exchanges {
		group.Go(func() {
			ping := redis.NewStatusCmd(t.Context(), "ping")
			value, err := c.doWith(t.Context(), soon(), "number", ping)
			if err != nil {
				t.Error(err)
				return
			}
			if n, err := value.Int64(); n != 7 || err != nil || ping.Val() != "PONG" {
				t.Errorf("%d, %v, %q", n, err, ping.Val())
			}
			if err := c.do(t.Context(), soon(), redis.NewStatusCmd(t.Context(), "ping")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()

	batch := make([]*exchange, exchanges)
	for i := range batch {
		batch[i] = &exchange{key: "number", done: make(chan struct{})}
	}
	c.sendBatch(batch)
	for _, e := range batch {
		if n, err := e.value.Int64(); n != 7 || err != nil || e.value != batch[0].value {
			t.Fatalf("%d, %v, or a command of its own", n, err)
		}
	}
}
