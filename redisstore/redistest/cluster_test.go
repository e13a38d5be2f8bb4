package redistest_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

func TestClusterServesAllSlots(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs()})
	defer func() { _ = client.Close() }()

	primaries := make(map[*redistest.Server]bool)
	for i := range 100 {
		key := fmt.Sprintf("key:%d", i)
		if err := client.Set(t.Context(), key, i, 0).Err(); err != nil {
			t.Fatalf("SET %s: %v", key, err)
		}
		if got, err := client.Get(t.Context(), key).Int(); err != nil || got != i {
			t.Fatalf("GET %s = %d, %v, want %d", key, got, err, i)
		}
		primary := cluster.PrimaryOf(key)
		primaries[primary] = true
		if got := primary.CLI("EXISTS", key); got != "1" {
			t.Errorf("EXISTS %s on its primary = %s, want 1", key, got)
		}
	}
	if len(primaries) != 3 {
		t.Errorf("100 keys lie on %d primaries, want 3", len(primaries))
	}
}

func TestClusterFailsOver(t *testing.T) {
	t.Parallel()
	const key = "{7}:greeting"
	cluster := redistest.StartCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs()})
	defer func() { _ = client.Close() }()

	old, heir := cluster.PrimaryOf(key), cluster.ReplicaOf(key)
	old.Freeze()
	if got := cluster.AwaitFailover(key, old); got != heir {
		t.Errorf("primary after the failover is %s, want the replica, %s", got.Addr(), heir.Addr())
	}
	redistest.Eventually(t, "the client to find the new primary", func() bool {
		return client.Set(t.Context(), key, "hello", 0).Err() == nil
	})
	if got := heir.CLI("GET", key); got != "hello" {
		t.Errorf("the new primary holds %q, want %q", got, "hello")
	}

	old.Thaw()
	redistest.Eventually(t, "the old primary to become a replica", func() bool {
		return cluster.ReplicaOf(key) == old
	})
}
