package main_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

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
	if code := r.wait(); code != 1 || !strings.Contains(r.stderr.String(), "requests were still under way") {
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
