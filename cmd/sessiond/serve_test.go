package main_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// Readiness fails first, and until the drain is over everything is served. A
// second signal ends the drain.
func TestDrain(t *testing.T) {
	t.Parallel()
	d := deploy(t, "SESSIOND_HTTP_DRAIN_DELAY=10m")
	r := d.start()
	r.awaitReady()
	r.signal(syscall.SIGTERM)
	redistest.Eventually(t, "readiness to fail", func() bool { return r.probe("/readyz") == http.StatusServiceUnavailable })

	send(t, request{method: "GET", url: r.url("")}).is(t, http.StatusOK, "")
	if status := r.probe("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d while draining", status)
	}
	if r.exited() {
		t.Error("ended before the drain was over")
	}

	r.signal(syscall.SIGTERM)
	r.wait()
}

// A login that is under way when the drain ends is finished.
func TestStopLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	const drain = 300 * time.Millisecond
	d := deploy(t, "SESSIOND_HTTP_SHUTDOWN_TIMEOUT=1h", fmt.Sprintf("SESSIOND_HTTP_DRAIN_DELAY=%v", drain))
	d.addUser("alice")
	r := d.start()
	pending := d.beginLogin(r, "alice")
	r.signal(syscall.SIGTERM)
	r.awaitRefusal()
	if r.exited() {
		t.Fatal("ended with a login under way")
	}
	token := pending.finish()

	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	log := r.stderr.String()
	if took := logTime(t, log, "stopped").Sub(logTime(t, log, "stopping")); took < drain {
		t.Errorf("stopped after %v, before the drain was over", took)
	}
	next := d.start()
	send(t, request{method: "GET", url: next.url("/users/me/sessions/me"), token: token}).is(t, http.StatusOK, "")
}

func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	d := deploy(t, "SESSIOND_HTTP_SHUTDOWN_TIMEOUT=100ms")
	r := d.start()
	pending := d.beginLogin(r, "alice")
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != 1 || !strings.Contains(r.stderr.String(), "sessiond: requests were still under way") {
		t.Errorf("exit code %d; want %d and a reason:\n%s", code, 1, &r.stderr)
	}
	if _, err := bufio.NewReader(pending.conn).ReadByte(); err == nil {
		t.Error("the request that was cut off was answered")
	}
}

// The second signal cuts off what the first one waits for, also where they are
// not the same.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for _, signals := range [][2]syscall.Signal{{syscall.SIGTERM, syscall.SIGTERM}, {syscall.SIGINT, syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGINT}} {
		t.Run(fmt.Sprint(signals), func(t *testing.T) {
			t.Parallel()
			d := deploy(t, "SESSIOND_HTTP_SHUTDOWN_TIMEOUT=1h")
			r := d.start()
			d.beginLogin(r, "alice")
			r.signal(signals[0])
			r.awaitRefusal()
			r.signal(signals[1])
			// Left alone, the request would time out and the exit code be 0.
			if code := r.wait(); code != 1 {
				t.Errorf("exit code %d; want %d", code, 1)
			}
		})
	}
}

// awaitRefusal waits until nobody listens any more.
func (r *replica) awaitRefusal() {
	r.t.Helper()
	redistest.Eventually(r.t, "connections to be refused", func() bool {
		conn, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", r.address)
		if err != nil {
			return true
		}
		_ = conn.Close()
		return false
	})
}

// pendingLogin is a login of whose body a part is on its way.
type pendingLogin struct {
	t    *testing.T
	conn net.Conn
	rest string
}

// beginLogin sends a login but for the end of its body, and returns once a
// handler waits for that.
func (d *deployment) beginLogin(r *replica, name string) *pendingLogin {
	d.t.Helper()
	conn, err := new(net.Dialer).DialContext(d.t.Context(), "tcp", r.address)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		d.t.Fatal(err)
	}
	body := loginBody(name, password)
	_, err = fmt.Fprintf(conn, "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:1])
	if err != nil {
		d.t.Fatal(err)
	}
	// A login is counted before its body is read.
	redistest.Eventually(d.t, "the login to be counted", func() bool { return d.redis.CLI("KEYS", "rate:*") != "" })
	return &pendingLogin{d.t, conn, body[1:]}
}

// finish sends what is missing and returns the token.
func (p *pendingLogin) finish() string {
	p.t.Helper()
	if _, err := fmt.Fprint(p.conn, p.rest); err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(p.conn), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var text strings.Builder
	if err := resp.Write(&text); err != nil {
		p.t.Fatal(err)
	}
	_, body, _ := strings.Cut(text.String(), "\r\n\r\n")
	got := answer{resp.StatusCode, resp.Header, body}
	got.is(p.t, http.StatusCreated, "")
	if !resp.Close {
		p.t.Error("the connection is kept, though nobody is left to serve it")
	}
	return got.member("token")
}

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
	send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: token})
	send(t, request{method: "POST", url: r.url("/login"), body: loginBody("alice", wrongPassword)})
	send(t, request{method: "GET", url: r.url("/users/me/sessions"), token: token + "x"})
	send(t, request{method: "DELETE", url: r.url("/users/" + uid + "/sessions/all?include-self=1"), token: token})
	send(t, request{method: "GET", url: r.url("/nowhere?token=" + token)})

	// A line is written after its answer went out.
	const requests = 6
	redistest.Eventually(t, "a line for each request", func() bool { return len(logLines(r.stderr.String(), "request")) >= requests })
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
