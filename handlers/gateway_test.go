package handlers_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
)

const verifySecret = "gateway secret"

// gateway starts what gateways ask.
func (r *replica) gateway(secret string) *replica {
	r.t.Helper()
	server := httptest.NewServer(r.api.Gateway(secret))
	r.t.Cleanup(server.Close)
	return &replica{service: r.service, url: strings.TrimSuffix(server.URL, "/"), api: r.api}
}

func startAtRoot(t *testing.T) *replica {
	t.Helper()
	return start(t, func(c *config.Config) { c.HTTP.BasePath = "" })
}

var identityHeaders = []string{"X-User-Id", "X-Session-Id", "X-User-Staff", "X-Session-Permissions"}

func TestVerifyTellsWhoseTheTokenIs(t *testing.T) {
	t.Parallel()
	r := startAtRoot(t)
	ada, root := r.addUser("ada"), r.addStaff("root")
	token, staff := r.login("ada"), r.login("root")
	scoped, scopedID := r.scope(token, 0)
	g := r.gateway("")
	tests := []struct {
		name, method, path, token string
		want                      []string
	}{
		{"a user's", "GET", "/verify", token, []string{ada.ID, r.session(token), "false", ""}},
		{"staff's", "GET", "/verify", "Bearer " + staff, []string{root.ID, r.session(staff), "true", ""}},
		{"one without permissions", "GET", "/verify", scoped, []string{ada.ID, scopedID, "false", "0"}},
		{"by HEAD", "HEAD", "/verify", token, []string{ada.ID, r.session(token), "false", ""}},
		{"as Envoy asks", "DELETE", "/verify/orders/..//7?x=%zz", token, []string{ada.ID, r.session(token), "false", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := g.do(request{method: tt.method, path: tt.path, token: tt.token, headers: []string{
				"X-User-Id", "1", "X-User-Staff", "true", "X-Session-Permissions", "1",
			}})
			if got.status != 204 || got.text != "" || got.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %q %v", got.status, got.text, got.header)
			}
			for i, name := range identityHeaders {
				// One line each, an empty one too, or the client's would pass.
				if lines := got.header.Values(name); len(lines) != 1 || lines[0] != tt.want[i] {
					t.Errorf("%s %q, want %q", name, lines, tt.want[i])
				}
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	r := startAtRoot(t)
	r.addUser("ada")
	bob := r.addUser("bob")
	ended, banned := r.login("ada"), r.login("bob")
	r.delete(ended, "/users/me/sessions/me").is(t, 200, "")
	if _, err := r.store.BanUser(t.Context(), bob.ID); err != nil {
		t.Fatal(err)
	}
	g := r.gateway("")
	for _, tt := range []struct {
		name, token string
		status      int
		code        string
	}{
		{"no token", "", 401, "INVALID_SESSION_ERROR"},
		{"no token of ours", "x.y.z", 401, "INVALID_SESSION_ERROR"},
		{"an ended session", ended, 401, "INVALID_SESSION_ERROR"},
		{"a banned user", banned, 403, "BANNED_ERROR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := g.get(tt.token, "/verify")
			got.is(t, tt.status, tt.code)
			if challenge := got.header.Get("WWW-Authenticate"); (tt.status == 401) != (challenge == "Bearer") {
				t.Errorf("WWW-Authenticate %q", challenge)
			}
			for _, name := range identityHeaders {
				if lines := got.header.Values(name); lines != nil {
					t.Errorf("%s %q", name, lines)
				}
			}
		})
	}
	g.get("", "/users/me/sessions").is(t, 404, "INVALID_ENDPOINT_ERROR")
	g.get("", "/verifying").is(t, 404, "INVALID_ENDPOINT_ERROR")
}

// Gateways ask about everybody: no allowance is spent, the address's neither.
func TestVerifySpendsNoAllowance(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.HTTP.BasePath, c.Limits.API.Requests = "", 2 })
	r.addUser("ada")
	token := r.login("ada")
	g := r.gateway("")
	for range 5 {
		if got := g.get(token, "/verify"); got.status != 204 || got.header.Get("RateLimit-Limit") != "" {
			t.Fatalf("%d %v", got.status, got.header)
		}
		g.get("", "/verify").is(t, 401, "INVALID_SESSION_ERROR")
	}
	if left := r.get(token, "/users/me/sessions/me").header.Get("RateLimit-Remaining"); left != "1" {
		t.Errorf("%s requests are left", left)
	}
}

func TestGatewayWithoutRedis(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.HTTP.BasePath, c.Redis.Timeout = "", 500*time.Millisecond })
	r.addUser("ada")
	token := r.login("ada")
	g := r.gateway(verifySecret)
	r.redis.Kill()
	g.get(token, "/verify").is(t, 503, "INTERNAL_SERVER_ERROR")
	g.introspect(verifySecret, "token="+token).is(t, 503, "INTERNAL_SERVER_ERROR")
	// What no key signed admits nobody, Redis or not.
	g.get("x.y.z", "/verify").is(t, 401, "INVALID_SESSION_ERROR")
}

func (r *replica) introspect(secret, form string) answer {
	r.t.Helper()
	headers := []string{"Content-Type", "application/x-www-form-urlencoded"}
	if secret != "" {
		headers = append(headers, "Authorization", "Bearer "+secret)
	}
	return r.do(request{method: "POST", path: "/introspect", body: form, headers: headers})
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	r := startAtRoot(t)
	ada := r.addUser("ada")
	bob := r.addUser("bob")
	token, ended, banned := r.login("ada"), r.login("ada"), r.login("bob")
	scoped, _ := r.scope(token, 33)
	r.delete(ended, "/users/me/sessions/me").is(t, 200, "")
	if _, err := r.store.BanUser(t.Context(), bob.ID); err != nil {
		t.Fatal(err)
	}
	g := r.gateway(verifySecret)

	live := g.introspect(verifySecret, url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode())
	live.is(t, 200, "")
	body := live.object(t)
	if body["active"] != true || body["sub"] != ada.ID || body["sid"] != r.session(token) ||
		body["token_type"] != "Bearer" || body["staff"] != false || body["permission_flags"] != nil {
		t.Errorf("live: %s", live.text)
	}
	if exp := r.get(token, "/users/me/sessions/me").field(t, "exp"); live.field(t, "exp") != exp {
		t.Errorf("exp %s, want %s", live.field(t, "exp"), exp)
	}
	if flags := g.introspect(verifySecret, "token="+scoped).field(t, "permission_flags"); flags != "33" {
		t.Errorf("flags %s", flags)
	}

	for name, bad := range map[string]string{"ended": ended, "banned": banned, "no token of ours": "x.y.z"} {
		if got := g.introspect(verifySecret, "token="+bad); got.status != 200 || strings.TrimSpace(got.text) != `{"active":false}` {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	for name, form := range map[string]string{
		"nothing": "", "no token": "a=b", "an empty one": "token=", "two": "token=a&token=b", "a bad escape": "token=%zz",
	} {
		got := g.introspect(verifySecret, form)
		if got.status != 400 || got.field(t, "code") != "MISSING_FIELDS_ERROR" {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	g.introspect(verifySecret, "token="+strings.Repeat("x", 102_400)).is(t, 413, "BODY_TOO_LARGE_ERROR")
	// In the query a token would end up in logs: it does not count there.
	g.do(request{
		method: "POST", path: "/introspect?token=" + token, body: "a=b",
		headers: []string{"Authorization", "Bearer " + verifySecret, "Content-Type", "application/x-www-form-urlencoded"},
	}).is(t, 400, "MISSING_FIELDS_ERROR")
}

func TestIntrospectionTakesTheSecret(t *testing.T) {
	t.Parallel()
	r := startAtRoot(t)
	r.addUser("ada")
	token := r.login("ada")
	g := r.gateway(verifySecret)
	for _, secret := range []string{"", "x", verifySecret + "x", strings.ToUpper(verifySecret), token} {
		got := g.introspect(secret, "token="+token)
		got.is(t, 401, "INVALID_SESSION_ERROR")
		if got.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("with %q: WWW-Authenticate %q", secret, got.header.Get("WWW-Authenticate"))
		}
	}
	// Without a secret there is nothing to guess.
	off := r.gateway("")
	off.introspect("", "token="+token).is(t, 404, "INVALID_ENDPOINT_ERROR")
	g.get(verifySecret, "/introspect").is(t, 404, "INVALID_ENDPOINT_ERROR")
}
