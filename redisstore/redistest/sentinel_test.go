package redistest_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

func TestSentinelFailsOver(t *testing.T) {
	t.Parallel()
	setup := redistest.StartSentinel(t)
	old, heir := setup.Primary(), setup.Replica()
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:    setup.MasterName(),
		SentinelAddrs: setup.Addrs(),
	})
	defer func() { _ = client.Close() }()
	if err := client.Set(t.Context(), "greeting", "hello", 0).Err(); err != nil {
		t.Fatal(err)
	}
	// The replica holds the key before the primary goes, so the failover
	// cannot lose it.
	redistest.Eventually(t, "the replica to have the key", func() bool {
		return heir.CLI("GET", "greeting") == "hello"
	})

	old.Kill()
	if got := setup.AwaitFailover(old); got != heir {
		t.Errorf("primary after the failover is %s, want the replica, %s", got.Addr(), heir.Addr())
	}
	redistest.Eventually(t, "the client to find the new primary", func() bool {
		return client.Set(t.Context(), "farewell", "bye", 0).Err() == nil
	})
	if got := heir.CLI("MGET", "greeting", "farewell"); got != "hello\nbye" {
		t.Errorf("the new primary holds %q, want %q", got, "hello\nbye")
	}

	old.Restart()
	redistest.Eventually(t, "the old primary to come back as a replica", func() bool {
		return old.CLI("GET", "farewell") == "bye"
	})
}
