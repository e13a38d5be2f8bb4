package client_test

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/handlers/client"
)

// asked is what a service behind the middleware answered.
type asked struct {
	status   int
	header   http.Header
	body     string
	reached  bool
	identity client.Identity
	passed   http.Header
}

// ask sends a request with a token through the middleware; headers are pairs of
// name and value.
func ask(tb testing.TB, c *client.Client, token string, headers ...string) asked {
	tb.Helper()
	var got asked
	h := c.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got.reached, got.passed = true, r.Header
		var ok bool
		if got.identity, ok = client.IdentityFrom(r.Context()); !ok {
			tb.Error("the request has no identity")
		}
	}))
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/orders", http.NoBody)
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	got.status, got.header, got.body = w.Code, w.Result().Header, w.Body.String()
	return got
}

// TestRequire asks the real service both ways, which differ where the comment of
// Verify says so.
func TestRequire(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		prefix string // of the accounts' names
		opts   []client.Option
		// staff and bare tell what is known of staff and of a session without
		// flags.
		staff, bare bool
	}{
		{"of the API", "api-", nil, false, false},
		{"of the verify endpoint", "verify-", []client.Option{client.WithVerifyURL(shared.verifyURL)}, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			user := shared.addUser(t, test.prefix+"erin")
			shared.addStaff(t, test.prefix+"grace")
			c := shared.client(t, test.opts...)
			token := login(t, c, test.prefix+"erin")
			erin := c.As(token)
			session, err := erin.Current(ctx)
			if err != nil {
				t.Fatal(err)
			}

			got := ask(t, c, "bEARER  "+token)
			want := client.Identity{UserID: user.ID, SessionID: session.ID}
			if diff := cmp.Diff(want, got.identity); diff != "" || got.status != http.StatusOK {
				t.Fatalf("status %d, identity (-want +got):\n%s", got.status, diff)
			}
			if staff := ask(t, c, login(t, c, test.prefix+"grace")); !staff.reached || staff.identity.Staff != test.staff {
				t.Errorf("staff got %+v", staff)
			}

			scoped := func(flags client.Flags) string {
				got, err := erin.CreateScoped(ctx, client.ScopedRequest{Name: "script", PermissionFlags: flags, Password: password})
				if err != nil {
					t.Fatal(err)
				}
				return got.Token
			}
			reader := ask(t, c, scoped(client.FlagReadSessions|1<<40))
			if i := reader.identity; !reader.reached || !i.May(1<<40) || i.May(1<<41) || i.UserID != user.ID {
				t.Errorf("a scoped session got %+v", reader)
			}
			bare := ask(t, c, scoped(0))
			if !test.bare {
				refused(t, bare, http.StatusForbidden, "INSUFFICIENT_PERMISSIONS_ERROR")
			} else if !bare.reached || bare.identity.PermissionFlags == nil || bare.identity.May(1) {
				t.Errorf("a session without flags got %+v", bare)
			}

			if _, err := shared.store.BanUser(ctx, user.ID); err != nil {
				t.Fatal(err)
			}
			refused(t, ask(t, c, token), http.StatusForbidden, "BANNED_ERROR")
			if _, err := shared.store.UnbanUser(ctx, user.ID); err != nil {
				t.Fatal(err)
			}
			if got := ask(t, c, token); !got.reached {
				t.Fatalf("after the ban: %+v", got)
			}
			if err := erin.Logout(ctx); err != nil {
				t.Fatal(err)
			}
			refused(t, ask(t, c, token), http.StatusUnauthorized, "INVALID_SESSION_ERROR")
		})
	}
}

// refused checks an answer that the middleware gave itself.
func refused(t *testing.T, got asked, status int, code string) {
	t.Helper()
	if got.reached || got.status != status || !strings.HasPrefix(got.body, `{"code":"`+code+`","message":"`) {
		t.Errorf("status %d, reached %t, body %s; want %d %s", got.status, got.reached, got.body, status, code)
	}
	challenge := ""
	if status == http.StatusUnauthorized {
		challenge = "Bearer"
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store",
		"X-Content-Type-Options": "nosniff", "WWW-Authenticate": challenge,
	} {
		if got := got.header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
}

func TestRequirePassesTheLimitOn(t *testing.T) {
	t.Parallel()
	limited := start(t, func(c *config.Config) { c.Limits.API.Requests = 1 })
	limited.addUser(t, "frank")
	// A request in a handler does not wait, whatever the client does otherwise.
	c := limited.client(t, client.WithRetries(3, math.MaxInt64))
	token := login(t, c, "frank")
	if got := ask(t, c, token); !got.reached {
		t.Fatalf("first request: %+v", got)
	}
	got := ask(t, c, token)
	refused(t, got, http.StatusTooManyRequests, "RATELIMITED_ERROR")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestRequireAsksNobody(t *testing.T) {
	t.Parallel()
	c := newClient(t, "http://example.com", offline(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("asked %s about %q", r.URL, r.Header.Get("Authorization"))
	}))
	for name, got := range map[string]asked{
		"no header":    ask(t, c, ""),
		"two headers":  ask(t, c, "a", "Authorization", "b"),
		"other scheme": ask(t, c, "Basic YWxpY2U6"),
		"empty":        ask(t, c, "Bearer "),
		"not ASCII":    ask(t, c, "Bearer é"),
		"too long":     ask(t, c, strings.Repeat("a", 10_000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, got, http.StatusUnauthorized, "INVALID_SESSION_ERROR")
		})
	}
}

// TestRequireGivesUp runs on the clock of synctest: sessiond hangs, and the
// request has no deadline.
func TestRequireGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := offline(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		c := newClient(t, "http://example.com", hang, client.WithLogger(slog.New(slog.DiscardHandler)))
		start := time.Now()
		refused(t, ask(t, c, "x"), http.StatusServiceUnavailable, "INTERNAL_SERVER_ERROR")
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestRequireLogsNothingOfClientsThatLeave(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	c := newClient(t, "http://example.com", client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		offline(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
	r.Header.Set("Authorization", "x")
	w := httptest.NewRecorder()
	c.Require(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || log.Len() > 0 {
		t.Errorf("status %d, log %s", w.Code, log.String())
	}
}

func TestIdentityInTests(t *testing.T) {
	t.Parallel()
	if _, ok := client.IdentityFrom(t.Context()); ok {
		t.Error("an identity out of nothing")
	}
	want := client.Identity{UserID: "1647015028626"}
	if got, ok := client.IdentityFrom(client.NewContext(t.Context(), want)); !ok || got != want {
		t.Errorf("identity %+v", got)
	}
}

// TestRequireKeepsTheBody also sees that the request itself is left alone.
func TestRequireKeepsTheBody(t *testing.T) {
	t.Parallel()
	c := newClient(t, "http://example.com", client.WithVerifyURL("http://example.com/verify"),
		offline(func(w http.ResponseWriter, _ *http.Request) {
			verified(w, "X-User-Id", "1647015028626", "X-Session-Id", "1687067614", "X-User-Staff", "false", "X-Session-Permissions", "")
		}))
	h := c.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("an order"))
	r.Header.Set("Authorization", "x")
	r.Header.Set("X-User-Id", "1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Body.String() != "an order" {
		t.Errorf("body %q", w.Body.String())
	}
	if r.Header.Get("X-User-Id") != "1" {
		t.Error("the server's request was changed")
	}
}
