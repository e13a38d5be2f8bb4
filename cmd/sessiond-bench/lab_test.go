package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
	"github.com/sessiond/sessiond/tokens"
)

func TestChildrenEnd(t *testing.T) {
	t.Parallel()
	l := &lab{}
	server, err := l.start(command{path: "sleep", args: []string{"300"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if server.gone() {
		t.Error("the child is gone at once")
	}
	l.stopAll()
	if !server.gone() {
		t.Error("the child survived")
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	l := &lab{}
	out, err := l.output(t.Context(), command{path: "sh", args: []string{"-c", "echo $GREETING"}, env: []string{"GREETING=hello"}})
	if err != nil || out != "hello\n" {
		t.Errorf("output: %q, %v", out, err)
	}
	_, err = l.output(t.Context(), command{path: "sh", args: []string{"-c", "echo the reason >&2; exit 3"}})
	if err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("output of a program that fails: %v; want its reason", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.output(ctx, command{path: "sleep", args: []string{"300"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("output after the end of its context: %v", err)
	}
	if len(l.children) != 0 {
		t.Errorf("%d children are left", len(l.children))
	}
}

func TestStartServerTellsWhyItEnded(t *testing.T) {
	t.Parallel()
	l := &lab{}
	_, err := l.startServer(t.Context(), command{path: "sh", args: []string{"-c", "echo no port >&2; exit 1"}}, func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "no port") {
		t.Errorf("startServer: %v; want the reason", err)
	}
}

func TestCheckEach(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Key") {
		case "known":
		case "nothing to send":
			w.WriteHeader(http.StatusNoContent)
		default:
			// To wrk that is a success.
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	t.Cleanup(server.Close)
	for lines, ok := range map[string]bool{
		"X-Key: known\nX-Key: nothing to send\n": true, "X-Key: known\nX-Key: unknown\n": false,
	} {
		path := filepath.Join(t.TempDir(), "headers")
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := (target{server.URL, path}).checkEach(t.Context()); (err == nil) != ok {
			t.Errorf("checkEach of %q: %v", lines, err)
		}
	}
}

// The proxy holds every answer back, and those of a pipeline no longer than
// those of a single command.
func TestProxyDelays(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const delay = 20 * time.Millisecond
	p, err := startProxy(t.Context(), server.Addr(), delay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	client := redis.NewClient(&redis.Options{Addr: p.address})
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := client.Set(t.Context(), "k", strings.Repeat("v", 1<<20), 0).Err(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < delay {
		t.Errorf("an answer took %s, less than %s", took, delay)
	}
	value, err := client.Get(t.Context(), "k").Result()
	if err != nil || len(value) != 1<<20 {
		t.Errorf("%d bytes came back, %v", len(value), err)
	}
}

// What the seeder writes is what its tokens say.
func TestSeedersTokensAreLive(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	keys := t.TempDir()
	if _, err := tokens.CreateKey(keys, time.Now()); err != nil {
		t.Fatal(err)
	}
	seed, err := newSeeder(server.Addr(), 0, keys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(seed.close)
	now := time.Now()
	if err := seed.addUsers(t.Context(), now, 5, 3, 2, somePasswordHash); err != nil {
		t.Fatal(err)
	}
	for user := 5; user < 8; user++ {
		for k := range 3 {
			c := importedClaims(now, user, k)
			access, err := seed.store.Lookup(t.Context(), redisstore.Bearer{UserID: c.UserID, SessionID: c.SessionID, ExpiresAt: c.ExpiresAt})
			if want := k < 2; err != nil || access.Live != want {
				t.Errorf("session %d of user %d: live %v, %v; want %v", k, user, access.Live, err, want)
			}
		}
	}
	if !redisstore.ValidPasswordHash(somePasswordHash) {
		t.Error("the hash of nobody's password is none")
	}
	if n := len(sessionName(99_999)); n != 40 {
		t.Errorf("a session's name has %d characters, want 40", n)
	}
}
