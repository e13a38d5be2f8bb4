package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// layoutInterval is how old what a replica knows of Redis' primaries may get.
const layoutInterval = time.Second

// layoutWatch reads a cluster's layout every layoutInterval. The client by
// itself does so only when it is used, and after the command that it is used
// for: the first request after a quiet time would go to whoever was the primary
// then. Frozen meanwhile, failed over and just thawed, that one still takes
// itself for the primary and knows nothing of what was ended since.
type layoutWatch struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// newLayoutWatch does nothing where there is no cluster.
func newLayoutWatch(rdb redis.UniversalClient) *layoutWatch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &layoutWatch{cancel: cancel}
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		w.done.Go(func() { reloadEvery(ctx, cluster) })
	}
	return w
}

func reloadEvery(ctx context.Context, cluster *redis.ClusterClient) {
	ticker := time.NewTicker(layoutInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			cluster.ReloadState(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (w *layoutWatch) close() {
	w.cancel()
	w.done.Wait()
}
