package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

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
