package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

func TestGCPercentLeavesTheHeadroom(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{
		0: 400, 1 << 20: 400, 8 << 20: 400, 12 << 20: 250, 20 << 20: 150, 32 << 20: 100, 1 << 30: 100,
	} {
		if got := gcPercent(live); got != want {
			t.Errorf("with %d MiB live: %d %%, want %d %%", live>>20, got, want)
		}
	}
}

// What is set follows what is live, collection by collection. Not parallel: it
// is one setting for the process.
func TestGCIsTunedAfterCollections(t *testing.T) { //nolint:paralleltest // See above.
	before := debug.SetGCPercent(minGCPercent)
	defer debug.SetGCPercent(before)
	tuneAfterCollection(minGCPercent)
	awaitPercent := func(what string, holds func(percent uint64) bool) {
		redistest.Eventually(t, what, func() bool {
			runtime.GC()
			sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
			metrics.Read(sample)
			return holds(sample[0].Value.Uint64())
		})
	}
	awaitPercent("a small heap to get headroom", func(p uint64) bool { return p > minGCPercent })
	ballast := make([]byte, 2*gcHeadroom)
	awaitPercent("a large heap to get none", func(p uint64) bool { return p == minGCPercent })
	runtime.KeepAlive(ballast)
	awaitPercent("headroom again", func(p uint64) bool { return p > minGCPercent })
}
