package redistest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

func TestStart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	if err := client.Set(t.Context(), "greeting", "hello", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := server.CLI("GET", "greeting"); got != "hello" {
		t.Errorf("redis-cli GET greeting = %q, want %q", got, "hello")
	}
}

func TestStartWithPassword(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "s3cret")
	if got := server.CLI("PING"); got != "PONG" {
		t.Errorf("redis-cli PING = %q, want PONG", got)
	}
	stranger := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	defer func() { _ = stranger.Close() }()
	if err := stranger.Ping(t.Context()).Err(); err == nil {
		t.Error("PING without the password succeeded")
	}
}

func TestFreezeAndThaw(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	server.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx).Err(); !errors.Is(err, context.DeadlineExceeded) && !os.IsTimeout(err) {
		t.Errorf("PING to a frozen server: %v, want a timeout", err)
	}
	server.Thaw()
	redistest.Eventually(t, "the thawed server", func() bool {
		return client.Ping(t.Context()).Err() == nil
	})
}

func TestRestartForgetsByDefault(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.CLI("SET", "greeting", "hello")
	addr := server.Addr()
	server.Restart()
	if server.Addr() != addr {
		t.Errorf("address after a restart = %s, want %s", server.Addr(), addr)
	}
	if got := server.CLI("EXISTS", "greeting"); got != "0" {
		t.Errorf("redis-cli EXISTS greeting = %q, want 0", got)
	}
}

func TestRestartKeepsWhatWasPersisted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	server.CLI("SET", "greeting", "hello")
	server.Kill()
	server.Restart()
	if got := server.CLI("GET", "greeting"); got != "hello" {
		t.Errorf("redis-cli GET greeting = %q, want %q", got, "hello")
	}
}

func TestKillClosesTheDoor(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	server.Kill() // harmless
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Addr())
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling a killed server: %v, want ECONNREFUSED", err)
	}
}
