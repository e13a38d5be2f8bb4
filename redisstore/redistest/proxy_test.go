package redistest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

func startProxied(t *testing.T) (*redistest.Proxy, *redis.Client, *redis.Client) {
	t.Helper()
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, server.Addr())
	through := redis.NewClient(&redis.Options{
		Addr: proxy.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = through.Close() })
	return proxy, through, server.Client()
}

func named(name string) func([]string) bool {
	return func(command []string) bool { return strings.EqualFold(command[0], name) }
}

func TestProxyPassesEverything(t *testing.T) {
	t.Parallel()
	_, through, _ := startProxied(t)
	ctx := t.Context()
	binary := strings.Repeat("\r\n$3*\x00é", 10_000)
	if err := through.HSet(ctx, "h", "a", binary, "b", "").Err(); err != nil {
		t.Fatal(err)
	}
	got, err := through.HGetAll(ctx, "h").Result()
	if err != nil || got["a"] != binary || len(got) != 2 {
		t.Errorf("HGETALL: %d fields, %v; want both as they were set", len(got), err)
	}
	if err := through.Get(ctx, "none").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("GET of nothing: %v, want redis.Nil", err)
	}
	if err := through.Incr(ctx, "h").Err(); err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE") {
		t.Errorf("INCR of a hash: %v, want WRONGTYPE", err)
	}
	nested, err := through.Eval(ctx, "return {1, {'a', {}}, false}", nil).Slice()
	if err != nil || len(nested) != 3 {
		t.Errorf("EVAL: %v, %v", nested, err)
	}
}

func TestProxyLosesOneReply(t *testing.T) {
	t.Parallel()
	proxy, through, direct := startProxied(t)
	ctx := t.Context()
	lost := proxy.LoseReply(3, named("incr"))
	for i := range int64(2) {
		if got, err := through.Incr(ctx, "n").Result(); err != nil || got != i+1 {
			t.Fatalf("INCR %d: %d, %v", i+1, got, err)
		}
	}
	if err := through.Incr(ctx, "n").Err(); err == nil {
		t.Error("no error where the reply was lost")
	}
	<-lost
	if got := direct.Get(ctx, "n").Val(); got != "3" {
		t.Errorf("counter is %s, want 3: the command whose reply is lost runs", got)
	}
	if got, err := through.Incr(ctx, "n").Result(); err != nil || got != 4 {
		t.Errorf("INCR after the loss: %d, %v; want 4", got, err)
	}
}

func TestProxyDelays(t *testing.T) {
	t.Parallel()
	proxy, through, _ := startProxied(t)
	if err := through.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	proxy.Delay(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := through.Ping(ctx).Err(); !errors.Is(err, context.DeadlineExceeded) && !os.IsTimeout(err) {
		t.Errorf("PING: %v, want a timeout", err)
	}
	proxy.Delay(0)
	if err := through.Ping(t.Context()).Err(); err != nil {
		t.Errorf("PING after the delay: %v", err)
	}
}

func TestProxyCuts(t *testing.T) {
	t.Parallel()
	proxy, _, _ := startProxied(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	reply := make([]byte, 7)
	if _, err := conn.Write([]byte("*1\r\n$4\r\nPING\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(reply); err != nil || string(reply) != "+PONG\r\n" {
		t.Fatalf("reply %q, %v", reply, err)
	}
	proxy.Cut()
	if n, err := conn.Read(reply); err == nil || os.IsTimeout(err) {
		t.Errorf("read %d bytes, %v; want a closed connection", n, err)
	}
}
