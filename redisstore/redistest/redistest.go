// Package redistest starts real Redis servers for tests: one server, a primary
// under Sentinel, or a cluster.
//
// What the store promises depends on what Redis really does with a script, an
// expiry, a frozen process or a failover, and none of that shows on a mock.
// Servers listen on loopback only, keep their files in a directory of their
// own, and end with the test that started them. On Linux they end even when
// the test process is killed or times out.
//
// The server binary is redis-server, or what the environment variable
// REDISTEST_SERVER names, for example valkey-server.
//
// Unless a comment says otherwise, functions and methods must be called from
// the goroutine that runs the test, because they end it on failure.
package redistest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// startTimeout bounds each wait for a server or a topology to come up, and
// each redis-cli call. It is only ever spent by a failing test, so it can be
// generous to slow machines.
const startTimeout = 30 * time.Second

// Eventually polls cond until it holds and fails the test when it still does
// not after 30 seconds. The parameter what completes "waiting for …".
func Eventually(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	if !poll(startTimeout, cond) {
		tb.Fatalf("redistest: gave up waiting for %s after %s", what, startTimeout)
	}
}

// poll calls cond with growing pauses, from 1 ms to 50 ms, until it holds or
// the time is up, and reports whether it held.
func poll(limit time.Duration, cond func() bool) bool {
	const longestPause = 50 * time.Millisecond
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for pause := time.Millisecond; ; pause = min(pause*2, longestPause) {
		if cond() {
			return true
		}
		select {
		case <-deadline.C:
			return cond()
		case <-time.After(pause):
		}
	}
}

// serverBinary returns the path of the server to run.
func serverBinary(tb testing.TB) string {
	tb.Helper()
	name := os.Getenv("REDISTEST_SERVER")
	if name == "" {
		name = "redis-server"
	}
	return lookPath(tb, name)
}

// cliBinary returns the path of the client that belongs to the server: it is
// called valkey-cli where the server is valkey-server.
func cliBinary(tb testing.TB) string {
	tb.Helper()
	if server := os.Getenv("REDISTEST_SERVER"); strings.HasSuffix(server, "-server") {
		if path, err := exec.LookPath(strings.TrimSuffix(server, "-server") + "-cli"); err == nil {
			return path
		}
	}
	return lookPath(tb, "redis-cli")
}

// lookPath fails the test where the binary is missing. To skip instead would
// turn a machine without Redis into one where everything passes.
func lookPath(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		tb.Fatalf("redistest: %v (these tests need a real %s; `make test` installs it)", err, name)
	}
	return path
}
