package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// gcHeadroom is how much garbage, in bytes, may pile up while little is
	// live. The collector's own default lets as much pile up as is live, which
	// with the few megabytes of a busy replica means dozens of collections a
	// second: an eighth of what a token check costs.
	gcHeadroom = 32 << 20
	// The default, and what trials have shown to be enough.
	minGCPercent, maxGCPercent = 100, 400
)

// makeRoomForHashing adds to the scheduler's processors as many as may be busy
// hashing passwords. Hashing holds its processor for as long as it is let, which
// is fair to threads but not to the thousands of requests that share one: with
// processors of its own it is the system that shares out the cores, by thread.
// Trials have shown checks to gain by it without any hashing, too, since the
// system has another thread to run while one is held up. An operator's
// GOMAXPROCS is left alone.
func makeRoomForHashing(places int) {
	if _, set := os.LookupEnv("GOMAXPROCS"); !set {
		runtime.GOMAXPROCS(cores + places)
	}
}

// cores is how many processors the program may use, a container's limit
// considered, as the runtime saw it at the start.
var cores = runtime.GOMAXPROCS(0)

// tuneGC sets after each collection how much garbage may pile up until the next.
// An operator's GOGC is left alone.
func tuneGC() {
	if _, set := os.LookupEnv("GOGC"); set {
		return
	}
	tuneAfterCollection(minGCPercent)
}

// tuneAfterCollection waits for the next collection: that is when something that
// nothing refers to is cleaned up.
func tuneAfterCollection(percent int) {
	// With a pointer in it, so that it does not share its memory with others.
	token := &struct{ self *byte }{}
	runtime.AddCleanup(token, func(percent int) {
		if next := gcPercent(liveHeap()); next != percent {
			debug.SetGCPercent(next)
			percent = next
		}
		tuneAfterCollection(percent)
	}, percent)
}

// gcPercent is the value of GOGC that leaves the headroom beside a live heap.
func gcPercent(live uint64) int {
	percent := maxGCPercent
	if live > 0 {
		percent = int(min(gcHeadroom*100/live, maxGCPercent))
	}
	// In steps, since setting it stops the world for a moment.
	return max(percent/50*50, minGCPercent)
}

// liveHeap is what the last collection found to be in use, in bytes.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
