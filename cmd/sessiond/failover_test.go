package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// writes are the requests that may write, to the API at base with alice's token.
func writes(base, token string) map[string]request {
	return map[string]request{
		"POST":               {method: "POST", url: base + "/login", body: loginBody("alice", password)},
		"DELETE":             {method: "DELETE", url: base + "/users/me/sessions/me", token: token},
		"DELETE with a body": {method: "DELETE", url: base + "/users/me/sessions", token: token, body: `{"ids":["me"]}`},
		"DELETE of all":      {method: "DELETE", url: base + "/users/me/sessions/all", token: token},
	}
}

// A write that reached a replica is never sent to another, whatever became of
// it at the first: it may have been done. A read is.
func TestNginxRepeatsNoWrite(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.addUser("alice")
	r := d.start()
	token := login(t, r.url(""), "alice")
	ends := map[string]func(net.Conn){
		"after it was read":  func(conn net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(conn)) },
		"before it was read": func(conn net.Conn) { _, _ = io.ReadFull(conn, make([]byte, 1)) },
		"in its answer": func(conn net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Le")
		},
	}
	for when, end := range ends {
		for name, w := range writes("", token) {
			t.Run(name+" lost "+when, func(t *testing.T) {
				t.Parallel()
				broken := brokenServer(t, end)
				front := startNginx(t, broken.address, r.address+" backup")
				w.url = front.url(w.url)
				got := send(t, w)
				got.is(t, http.StatusBadGateway, "INTERNAL_SERVER_ERROR")
				isFromNginx(t, got)
				if n := broken.connections(); n != 1 {
					t.Errorf("sent %d times", n)
				}
			})
		}
		t.Run("GET lost "+when, func(t *testing.T) {
			t.Parallel()
			front := startNginx(t, brokenServer(t, end).address, r.address+" backup")
			send(t, request{method: "GET", url: front.url("/users/me/sessions/me"), token: token}).is(t, http.StatusOK, "")
		})
	}
	t.Cleanup(func() {
		// The login above, and none of a subtest. The session still lives, too.
		if n := loginsOf(r); n != 1 {
			t.Errorf("%d logins were served, want 1", n)
		}
		send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: token}).is(t, http.StatusOK, "")
	})
}

// A write that no byte was sent of goes to another replica, once.
func TestNginxSendsWritesElsewhere(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.addUser("alice")
	r := d.start()
	for name := range writes("", "") {
		t.Run(name, func(t *testing.T) {
			token := login(t, r.url(""), "alice")
			front := startNginx(t, freeAddress(t), r.address+" backup")
			w := writes(front.url(""), token)[name]
			if got := send(t, w); got.status >= 300 {
				t.Errorf("answered %d %s", got.status, got.text)
			}
		})
	}

	want := map[string]int{
		"POST /api/login 201":                        len(writes("", "")) + 1,
		"DELETE /api/users/{uid}/sessions/{sid} 200": 1,
		"DELETE /api/users/{uid}/sessions 200":       1,
		"DELETE /api/users/{uid}/sessions/all 200":   1,
	}
	// A line is written after its answer went out.
	redistest.Eventually(t, "the last line", func() bool {
		return len(logLines(r.stderr.String(), "request")) >= 2*len(writes("", ""))
	})
	got := make(map[string]int)
	for _, entry := range logLines(r.stderr.String(), "request") {
		got[fmt.Sprint(entry["method"], " ", entry["route"], " ", entry["status"])]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests that were served (-want +got):\n%s", diff)
	}
}

// Nobody to send it to is told in the form of the API's errors, too.
func TestNginxWithoutReplicas(t *testing.T) {
	t.Parallel()
	front := startNginx(t, freeAddress(t), freeAddress(t), freeAddress(t))
	requests := writes(front.url(""), "x")
	requests["GET"] = request{method: "GET", url: front.url("")}
	// The first attempts are refused, and then nobody is left to try.
	for range 3 {
		for _, r := range requests {
			got := send(t, r)
			got.is(t, http.StatusBadGateway, "INTERNAL_SERVER_ERROR")
			isFromNginx(t, got)
		}
	}
}

// A replica that takes connections and says nothing keeps no read from being
// answered.
func TestNginxPassesOverAFrozenReplica(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	replicas, front := d.startBehindNginx()
	replicas[1].signal(syscall.SIGSTOP)
	answers := make(chan answer)
	for range replicas {
		go func() {
			got, err := trySend(request{method: "GET", url: front.url("")})
			got.text += fmt.Sprint(err)
			answers <- got
		}()
	}
	for range replicas {
		if got := <-answers; got.status != http.StatusOK {
			t.Errorf("answered %d %s", got.status, got.text)
		}
	}
}

// tcpServer is in the place of a replica.
type tcpServer struct {
	address  string
	accepted chan struct{}
}

// brokenServer takes connections, and cuts each off when serve is done with it.
func brokenServer(t *testing.T, serve func(net.Conn)) *tcpServer {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	s := &tcpServer{address: listener.Addr().String(), accepted: make(chan struct{}, 100)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.accepted <- struct{}{}
			_ = conn.SetDeadline(time.Now().Add(patience))
			serve(conn)
			_ = conn.Close()
		}
	}()
	return s
}

func (s *tcpServer) connections() int { return len(s.accepted) }
