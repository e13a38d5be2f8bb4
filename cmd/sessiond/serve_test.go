package main_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// What can't be served is told at once, by the name of each setting, with exit
// code 1.
func TestServeRefusesToStart(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	keys := filepath.Join(directory, "keys")
	if got := runSessiond(t, []string{"SESSIOND_TOKENS_KEY_DIRECTORY=" + keys}, "", "keys", "create"); got.code != 0 {
		t.Fatalf("keys create: %+v", got)
	}
	empty := filepath.Join(directory, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}

	tests := map[string]struct {
		environ []string
		stderr  []string // The beginnings of its lines.
	}{
		"several at once": {
			[]string{"SESSIOND_REDIS_MODE=single", "SESSIOND_HTTP_DRAIN_DELAY=5", "SESSIOND_REDIS_PASWORD=x"},
			[]string{"SESSIOND_REDIS_PASWORD: ", "SESSIOND_HTTP_DRAIN_DELAY: ", "SESSIOND_REDIS_MODE: "},
		},
		"no keys":         {[]string{"SESSIOND_TOKENS_KEY_DIRECTORY=" + filepath.Join(directory, "none")}, []string{"tokens.key_directory: "}},
		"no key to sign":  {[]string{"SESSIOND_TOKENS_KEY_DIRECTORY=" + empty}, []string{"tokens.key_directory: "}},
		"no legacy key":   {[]string{"SESSIOND_TOKENS_LEGACY_KEY_ID=gone"}, []string{"tokens.legacy_key_id: "}},
		"address taken":   {[]string{"SESSIOND_HTTP_ADDRESS=" + taken.Addr().String()}, []string{"http.address: "}},
		"admin's taken":   {[]string{"SESSIOND_ADMIN_ADDRESS=" + taken.Addr().String()}, []string{"admin.address: "}},
		"cluster with DB": {[]string{"SESSIOND_REDIS_MODE=cluster", "SESSIOND_REDIS_DB=1"}, []string{"SESSIOND_REDIS_DB: "}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := append([]string{
				"SESSIOND_TOKENS_KEY_DIRECTORY=" + keys, "SESSIOND_HTTP_ADDRESS=127.0.0.1:0", "SESSIOND_ADMIN_ADDRESS=127.0.0.1:0",
			}, tt.environ...)
			p := startSessiond(t, environ, "serve")
			code := p.wait()
			var got []string
			for line := range strings.Lines(p.stderr.String()) {
				line = strings.TrimPrefix(line, "sessiond: ")
				before, _, _ := strings.Cut(line, ": ")
				got = append(got, before+": ")
			}
			if code != 1 {
				t.Errorf("exit code %d, want %d", code, 1)
			}
			if diff := cmp.Diff(tt.stderr, got); diff != "" {
				t.Errorf("settings that are named (-want +got):\n%s\n%s", diff, &p.stderr)
			}
		})
	}
}

// A Redis that is not there yet keeps nobody from starting, and one that comes
// is found without a restart.
func TestServeWaitsForRedis(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.redis.Kill()
	r := d.start()
	if status := r.probe("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d without Redis", status)
	}
	if status := r.probe("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d without Redis", status)
	}
	send(t, request{method: "GET", url: r.url("")}).is(t, http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
	send(t, request{method: "POST", url: r.url("/login"), body: loginBody("alice", password)}).
		is(t, http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")

	d.redis.Restart()
	r.awaitReady()
	d.addUser("alice")
	token := login(t, r.url(""), "alice")
	send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: token}).is(t, http.StatusOK, "")
	redistest.Eventually(t, "the log to tell", func() bool { return logLine(r.stderr.String(), "Redis answers") != nil })
	if n := len(logLines(r.stderr.String(), "waiting for Redis")); n != 1 {
		t.Errorf("%d log lines about waiting, want 1", n)
	}
}

// There is one line for each request: who, what, how long and what came of it.
// That none of them tells a secret is checked for each replica that tests start.
func TestRequestLog(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.addUser("alice")
	uid, _, _ := strings.Cut(d.command("", "users", "list"), "\t")
	r := d.start("SESSIOND_LOG_LEVEL=debug")
	token := login(t, r.url(""), "alice")
	for i, next := range []request{
		{method: "GET", url: r.url("/users/me/sessions/me"), token: token},
		{method: "POST", url: r.url("/login"), body: loginBody("alice", wrongPassword)},
		{method: "GET", url: r.url("/users/me/sessions"), token: token + "x"},
		{method: "DELETE", url: r.url("/users/" + uid + "/sessions/all?include-self=1"), token: token},
		{method: "GET", url: r.url("/nowhere?token=" + token)},
	} {
		send(t, next)
		// A line is written after its answer went out.
		redistest.Eventually(t, "a line for each request", func() bool {
			return len(logLines(r.stderr.String(), "request")) == i+2
		})
	}
	var got []string
	for _, entry := range logLines(r.stderr.String(), "request") {
		if took, ok := entry["duration_ms"].(float64); !ok || took <= 0 {
			t.Errorf("duration %v", entry["duration_ms"])
		}
		user, _ := entry["user"].(string)
		got = append(got, fmt.Sprintf("%v %v %v %s %v",
			entry["method"], entry["route"], entry["status"], strings.Replace(user, uid, "alice", 1), entry["ip"]))
	}
	want := []string{
		"POST /api/login 201 alice 127.0.0.1",
		"GET /api/users/{uid}/sessions/{sid} 200 alice 127.0.0.1",
		"POST /api/login 401  127.0.0.1",
		"GET /api/users/{uid}/sessions 401  127.0.0.1",
		"DELETE /api/users/{uid}/sessions/all 200 alice 127.0.0.1",
		"GET unknown 404  127.0.0.1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines of requests (-want +got):\n%s", diff)
	}
}
