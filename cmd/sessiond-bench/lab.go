package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

//go:embed wrk.lua
var wrkScript []byte

// lab is where one run of the benchmark happens: a directory, the programs
// built into it and the processes started from it.
type lab struct {
	options  options
	dir      string
	progress io.Writer
	started  time.Time
	children []*child
	// loadBefore is the machine's load average before it was put to work.
	loadBefore float64

	sessiond, peers, wrk string // Paths.
	keys                 string // Directory; empty until it is there.
}

// newLab builds the programs into a directory that close removes.
func newLab(ctx context.Context, o options, progress io.Writer) (*lab, error) {
	dir, err := os.MkdirTemp("", "sessiond-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{
		options: o, dir: dir, progress: progress, started: time.Now(), loadBefore: loadAverage(),
		sessiond: filepath.Join(dir, "sessiond"), peers: filepath.Join(dir, "peers"), wrk: filepath.Join(dir, "wrk.lua"),
	}
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// busyLoad is a load average that stands for half a core in use.
const busyLoad = 0.5

func (l *lab) prepare(ctx context.Context) error {
	if err := os.WriteFile(l.wrk, wrkScript, 0o600); err != nil {
		return err
	}
	if l.loadBefore > busyLoad {
		l.say("the machine is busy with something else (load average %.1f): figures will be off", l.loadBefore)
	}
	l.say("building sessiond and its peers")
	// As `make build` builds it; the peers alike.
	for _, build := range []struct{ dir, pkg, binary string }{
		{".", "./cmd/sessiond", l.sessiond},
		{"bench/peers", ".", l.peers},
	} {
		_, err := l.output(ctx, command{
			path: "go", args: []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", build.binary, build.pkg},
			dir: build.dir, env: []string{"CGO_ENABLED=0"},
		})
		if err != nil {
			return fmt.Errorf("build (from the root of the repository): %w", err)
		}
	}
	return nil
}

// say tells whoever waits what is going on.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(l.progress, "%4ds  %s\n", int(time.Since(l.started).Seconds()), fmt.Sprintf(format, args...))
}

// file returns the path of a file in the lab's directory.
func (l *lab) file(name string) string {
	return filepath.Join(l.dir, name)
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}

// poll waits for a condition that is about to come true.
func poll(ctx context.Context, timeout time.Duration, what string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%s: not within %s", what, timeout))
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// pause lets time pass on purpose, as part of what is measured.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stopAll ends every process that the lab started.
func (l *lab) stopAll() {
	for _, c := range l.children {
		c.kill()
	}
	l.children = nil
}

// close ends what runs and removes what was written.
func (l *lab) close() error {
	l.stopAll()
	return os.RemoveAll(l.dir) //nolint:gosec // It came from MkdirTemp.
}

// environ is the environment without settings that would change what is
// measured.
func environ(extra []string) []string {
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "SESSIOND_") {
			env = append(env, variable)
		}
	}
	return append(env, extra...)
}
