package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
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
			t.Parallel()
			token := login(t, r.url(""), "alice")
			front := startNginx(t, freeAddress(t), r.address+" backup")
			w := writes(front.url(""), token)[name]
			if got := send(t, w); got.status >= 300 {
				t.Errorf("answered %d %s", got.status, got.text)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		front := startNginx(t, freeAddress(t), freeAddress(t), freeAddress(t))
		requests := writes(front.url(""), "x")
		requests["GET"] = request{method: "GET", url: front.url("")}
		for range 3 {
			for _, w := range requests {
				got := send(t, w)
				got.is(t, http.StatusBadGateway, "INTERNAL_SERVER_ERROR")
				isFromNginx(t, got)
			}
		}
	})
	t.Cleanup(func() {
		lines := make(map[string]int)
		for _, entry := range logLines(r.stderr.String(), "request") {
			lines[fmt.Sprint(entry["method"], " ", entry["route"], " ", entry["status"])]++
		}
		want := map[string]int{
			"POST /api/login 201":                        len(writes("", "")) + 1,
			"DELETE /api/users/{uid}/sessions/{sid} 200": 1,
			"DELETE /api/users/{uid}/sessions 200":       1,
			"DELETE /api/users/{uid}/sessions/all 200":   1,
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("requests that were served (-want +got):\n%s", diff)
		}
	})
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

// isFromNginx checks what every answer has that nginx gives by itself.
func isFromNginx(t *testing.T, a answer) {
	t.Helper()
	want := map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff", "Server": "nginx",
	}
	got := make(map[string]string)
	for name := range want {
		got[name] = strings.Join(a.header.Values(name), " and ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers of %d %s (-want +got):\n%s", a.status, a.text, diff)
	}
	if a.member("code") == "" || a.member("message") == "" {
		t.Errorf("answered %d %q; want a code and a message", a.status, a.text)
	}
}

// What nginx refuses by itself it refuses in the form of the API's errors.
func TestNginxErrors(t *testing.T) {
	t.Parallel()
	front := startNginx(t, freeAddress(t))
	long := strings.Repeat("x", 6000)
	tests := map[string]struct {
		request string
		status  int
		code    string
	}{
		"no HTTP":                  {"HELO x\r\n\r\n", 400, "BAD_REQUEST_ERROR"},
		"no Host":                  {"GET /api HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST_ERROR"},
		"bad escape":               {"GET /api/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BAD_REQUEST_ERROR"},
		"path out of the root":     {"GET /../etc HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BAD_REQUEST_ERROR"},
		"two lengths":              {"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "BAD_REQUEST_ERROR"},
		"length and chunks":        {"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "BAD_REQUEST_ERROR"},
		"bad chunk":                {"POST /api/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400, "BAD_REQUEST_ERROR"},
		"long path":                {"GET /" + long + " HTTP/1.1\r\nHost: x\r\n\r\n", 414, "BAD_REQUEST_ERROR"},
		"long header":              {"GET /api HTTP/1.1\r\nHost: x\r\nAuthorization: " + long + "\r\n\r\n", 431, "BAD_REQUEST_ERROR"},
		"many headers":             {"GET /api HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: "+long[:3000]+"\r\n", 10) + "\r\n", 431, "BAD_REQUEST_ERROR"},
		"unknown coding":           {"POST /api/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "BAD_REQUEST_ERROR"},
		"unknown version":          {"GET /api HTTP/3.0\r\nHost: x\r\n\r\n", 505, "BAD_REQUEST_ERROR"},
		"an error page":            {"GET /bad_request HTTP/1.1\r\nHost: x\r\n\r\n", 404, "INVALID_ENDPOINT_ERROR"},
		"TRACE":                    {"TRACE /api HTTP/1.1\r\nHost: x\r\n\r\n", 404, "INVALID_ENDPOINT_ERROR"},
		"great length":             {"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 131073\r\n\r\n", 413, "BODY_TOO_LARGE_ERROR"},
		"great chunk":              {"POST /api/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20001\r\nx", 413, "BODY_TOO_LARGE_ERROR"},
		"great length of a DELETE": {"DELETE /api/users/me/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 131073\r\n\r\n", 413, "BODY_TOO_LARGE_ERROR"},
		"no replica":               {"GET /api HTTP/1.1\r\nHost: x\r\n\r\n", 502, "INTERNAL_SERVER_ERROR"},
		"no replica, POST":         {"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 502, "INTERNAL_SERVER_ERROR"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := sendRaw(t, front.address, tt.request)
			got.is(t, tt.status, tt.code)
			isFromNginx(t, got)
		})
	}
}

// What nginx lets through is answered as sessiond alone would.
func TestNginxChangesNoRequest(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.addUser("alice")
	r := d.start("SESSIOND_HTTP_TRUSTED_PROXIES=127.0.0.1")
	front := startNginx(t, r.address)
	token := login(t, r.url(""), "alice")
	redistest.Eventually(t, "the first use to be noted, for a minute", func() bool {
		return send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: token}).member("usedAt") != ""
	})
	signed := "Host: x\r\nAuthorization: " + token + "\r\nConnection: close\r\n"
	wide := fmt.Sprintf(`{"username":"alice","password":"%s"}`, strings.Repeat("x", 102_400-39))
	for name, raw := range map[string]string{
		"GET":               "GET /api/users/me/sessions/me HTTP/1.1\r\n" + signed + "\r\n",
		"double slash":      "GET /api//users/me/sessions/me HTTP/1.1\r\n" + signed + "\r\n",
		"escaped slash":     "GET /api/users%2Fme/sessions/me HTTP/1.1\r\n" + signed + "\r\n",
		"escaped dots":      "GET /api/users/%2e%2e/sessions/me HTTP/1.1\r\n" + signed + "\r\n",
		"dots":              "GET /api/users/x/../me/sessions/me HTTP/1.1\r\n" + signed + "\r\n",
		"escaped question":  "GET /api/users/me/sessions/me%3Fx HTTP/1.1\r\n" + signed + "\r\n",
		"odd DELETE":        "DELETE /api//users/x/../me%2Fsessions HTTP/1.1\r\n" + signed + "\r\n",
		"odd query":         "GET /api/users/me/sessions?limit=%zz&&limit=;1 HTTP/1.1\r\n" + signed + "\r\n",
		"unknown method":    "BREW /api/login HTTP/1.1\r\n" + signed + "\r\n",
		"no such path":      "GET / HTTP/1.1\r\n" + signed + "\r\n",
		"name in UTF-8":     "POST /api/login HTTP/1.1\r\nHost: x\r\nX-Session-Name: Zoë\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
		"chunks":            "POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"greatest body":     fmt.Sprintf("POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(wide), wide),
		"body over that":    fmt.Sprintf("POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s ", len(wide)+1, wide),
		"body far over":     "POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 131072\r\n\r\n" + strings.Repeat("x", 131072),
		"headers that fit":  "GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + strings.Repeat("A: "+strings.Repeat("x", 3900)+"\r\n", 4) + "\r\n",
		"great session IDs": "DELETE /api/users/me/sessions HTTP/1.1\r\n" + signed + "Content-Length: 17\r\n\r\n{\"ids\":[1e99999]}",
	} {
		t.Run(name, func(t *testing.T) {
			straight, through := sendRaw(t, r.address, raw), sendRaw(t, front.address, raw)
			for _, a := range []answer{straight, through} {
				for _, name := range []string{"Date", "Server", "Ratelimit-Remaining", "Ratelimit-Reset", "Connection"} {
					a.header.Del(name)
				}
			}
			if diff := cmp.Diff(straight, through, cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("nginx changes the answer (-straight +through):\n%s", diff)
			}
		})
	}
}

// sendRaw sends bytes and reads one answer.
func sendRaw(t *testing.T, address, raw string) answer {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		// An answer may come before all is sent.
		defer close(sent)
		_, _ = io.WriteString(conn, raw)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var text bytes.Buffer
	_, err = text.ReadFrom(resp.Body)
	_ = conn.Close()
	<-sent
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, text.String()}
}
