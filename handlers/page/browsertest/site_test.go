package browsertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const password = "correct horse battery staple"

// site is an origin of a test's own in front of sessiond, with an account. It
// can answer in sessiond's place what is hard to bring about.
type site struct {
	t        *testing.T
	url      string
	username string

	mu       sync.Mutex
	override func(w http.ResponseWriter, r *http.Request) (answered bool)
}

var accounts atomic.Int64

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, username: fmt.Sprintf("user-%d", accounts.Add(1))}
	if output, err := sessiondCommand(t.Context(), password+"\n", "users", "add", s.username); err != nil {
		t.Fatalf("add an account: %v\n%s", err, output)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(sessiond.url) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		override := s.override
		s.mu.Unlock()
		if override == nil || !override(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// answer sets what comes in sessiond's place; nil is nothing.
func (s *site) answer(override func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.override = override
}

// fail answers one method and path of the API, or a path that begins with it,
// with an error.
func (s *site) fail(method, path string, status int, code string, headers ...string) {
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method || !strings.HasPrefix(r.URL.Path, "/api"+path) {
			return false
		}
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"code":%q,"message":"…"}`, code)
		return true
	})
}

// hold keeps one method and path of the API waiting until release is called.
func (s *site) hold(method, path string) (release func()) {
	held := make(chan struct{})
	s.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == method && strings.HasPrefix(r.URL.Path, "/api"+path) {
			select {
			case <-held:
			case <-r.Context().Done():
			}
		}
		return false
	})
	release = sync.OnceFunc(func() { close(held) })
	s.t.Cleanup(release)
	return release
}

// ban bans the account, or lifts its ban.
func (s *site) command(args ...string) {
	s.t.Helper()
	if output, err := sessiondCommand(s.t.Context(), "", args...); err != nil {
		s.t.Fatalf("sessiond %q: %v\n%s", args, err, output)
	}
}

// session is one that began elsewhere, with nothing but the API.
type session struct {
	ID        json.Number `json:"id"`
	Name      string      `json:"name"`
	Token     string      `json:"token"`
	Current   bool        `json:"current"`
	UserAgent *string     `json:"userAgent"`
}

// login starts a session with a name and returns it.
func (s *site) login(name, userAgent string) session {
	s.t.Helper()
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, s.username, password)
	var started session
	s.call(http.MethodPost, "/login", "", body, http.StatusCreated, &started, "X-Session-Name", name, "User-Agent", userAgent)
	token := started.Token
	s.call(http.MethodGet, "/users/me/sessions/me", token, "", http.StatusOK, &started)
	started.Token = token
	return started
}

// status is what the API answers to a token.
func (s *site) status(token string) int {
	s.t.Helper()
	resp := s.do(http.MethodGet, "/users/me/sessions/me", token, "")
	_ = resp.Body.Close()
	return resp.StatusCode
}

// sessions are all of the account, by any one of its tokens.
func (s *site) sessions(token string) []session {
	s.t.Helper()
	var list struct{ Items []session }
	s.call(http.MethodGet, "/users/me/sessions?full=true", token, "", http.StatusOK, &list)
	return list.Items
}

func (s *site) call(method, path, token, body string, status int, into any, headers ...string) {
	s.t.Helper()
	resp := s.do(method, path, token, body, headers...)
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != status {
		s.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, text)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(into); err != nil {
		s.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}

func (s *site) do(method, path, token, body string, headers ...string) *http.Response {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	// Past the origin of the test, which may be told to fail.
	req, err := http.NewRequestWithContext(ctx, method, sessiond.url.String()+"/api"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}
