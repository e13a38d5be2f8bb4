package main_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// sockets are ways to hold a connection without ever sending a whole request.
// What each sends, it sends at once; drip goes on a byte at a time.
var sockets = map[string]struct {
	n           int
	first, drip string
	halfClose   bool
}{
	"idle": {n: 1000},
	"slow headers": {
		n: 50, first: "GET /api/users/me/sessions/me HTTP/1.1\r\nHost: sessiond\r\nX-Slow: ", drip: "a",
	},
	"slow bodies": {
		n: 50, first: "POST /api/login HTTP/1.1\r\nHost: sessiond\r\nContent-Length: 10000\r\n\r\n{\"username\":\"", drip: "a",
	},
	"silent bodies": {
		n: 50, first: "DELETE /api/users/me/sessions HTTP/1.1\r\nHost: sessiond\r\nContent-Length: 100\r\n\r\n",
	},
	"half closed": {
		n: 50, first: "GET /api/users/me/sessions/me HTTP/1.1\r\nHost: sessiond\r\n", halfClose: true,
	},
	"half closed in the body": {
		n: 50, first: "POST /api/login HTTP/1.1\r\nHost: sessiond\r\nContent-Length: 100\r\n\r\n{", halfClose: true,
	},
}

// However many connections are held by those who send nothing, or slowly, others
// are served meanwhile, and the server ends each of them by itself.
func TestSlowSockets(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.addUser("alice")
	r := d.start()
	token := login(t, r.url(""), "alice")
	before := r.openFiles()

	var held sync.WaitGroup
	var failures sync.Map
	for kind, s := range sockets {
		for range s.n {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.address)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if _, err := io.WriteString(conn, s.first); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if s.halfClose {
				tcp, _ := conn.(*net.TCPConn)
				if err := tcp.CloseWrite(); err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
			}
			held.Go(func() {
				defer func() { _ = conn.Close() }()
				if s.drip != "" {
					drip(conn, s.drip)
				}
				if err := readToEnd(conn); err != nil {
					failures.Store(conn, fmt.Errorf("%s: %w", kind, err))
				}
			})
		}
	}
	for range 30 {
		send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: token}).is(t, http.StatusOK, "")
		login(t, r.url(""), "alice")
	}

	held.Wait()
	failures.Range(func(_, err any) bool {
		t.Error(err)
		return true
	})
	// Connections to Redis, of which there are more now, are no tenth of those.
	redistest.Eventually(t, "the server to give the sockets back", func() bool { return r.openFiles() <= before+100 })
	send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: token}).is(t, http.StatusOK, "")
}

// drip sends a byte now and then until the other side has enough.
func drip(conn net.Conn, text string) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
		// An answer means that the server has stopped waiting for more.
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		<-ticker.C
	}
}

// readToEnd fails where the server does not end the connection in time.
func readToEnd(conn net.Conn) error {
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("not ended within %v: %w", patience, err)
	}
	// A reset ends it, too: the server has not read all that was sent.
	return nil
}

// openFiles is how many files and sockets the process has open.
func (r *replica) openFiles() int {
	got, err := trySend(request{method: "GET", url: "http://" + r.admin + "/metrics"})
	if err != nil {
		r.t.Error(err)
		return 0
	}
	for line := range strings.Lines(got.text) {
		if value, found := strings.CutPrefix(line, "process_open_fds "); found {
			var n float64
			if _, err := fmt.Sscan(value, &n); err == nil {
				return int(n)
			}
		}
	}
	r.t.Error("no process_open_fds in the metrics")
	return 0
}
