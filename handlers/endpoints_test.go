package handlers_test

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
)

const (
	unknownUser    = "1000000000000"
	unknownSession = "1000000000001"
)

// Whose sessions a caller may see and end is one rule for all endpoints.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada, bob, root := r.addUser("ada"), r.addUser("bob"), r.addStaff("root")
	banned := r.addStaff("banned")
	bannedToken := r.login("banned")
	if _, err := r.store.BanUser(t.Context(), banned.ID); err != nil {
		t.Fatal(err)
	}

	// Each endpoint with what it answers to who may use it. The sessions that
	// they name are unknown, so that every row starts from the same.
	endpoints := []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"get", "GET", "/sessions/" + unknownSession, "", 404, "INVALID_SESSION_ERROR"},
		{"list", "GET", "/sessions", "", 200, ""},
		{"delete", "DELETE", "/sessions/" + unknownSession, "", 404, "INVALID_SESSION_ERROR"},
		{"delete several", "DELETE", "/sessions", `{"ids":["` + unknownSession + `"]}`, 404, "INVALID_SESSION_ERROR"},
		{"delete all", "DELETE", "/sessions/all", "", 200, "DELETE_SESSIONS_SUCCESS"},
	}
	const allowed = 0 // The endpoint's own answer.
	rows := []struct {
		name, caller, uid string
		status            int
		code              string
	}{
		{"nobody's me", "", "me", 401, "INVALID_SESSION_ERROR"},
		{"nobody to a user", "", ada.ID, 401, "INVALID_SESSION_ERROR"},
		{"nobody to an unknown user", "", unknownUser, 401, "INVALID_SESSION_ERROR"},
		{"me", "ada", "me", allowed, ""},
		{"own ID", "ada", ada.ID, allowed, ""},
		{"another", "ada", bob.ID, 403, "INSUFFICIENT_PERMISSIONS_ERROR"},
		{"staff's", "ada", root.ID, 403, "INSUFFICIENT_PERMISSIONS_ERROR"},
		{"unknown user", "ada", unknownUser, 403, "INSUFFICIENT_PERMISSIONS_ERROR"},
		{"no user ID", "ada", "bob", 403, "INSUFFICIENT_PERMISSIONS_ERROR"},
		{"staff's me", "root", "me", allowed, ""},
		{"staff's own ID", "root", root.ID, allowed, ""},
		{"staff to another", "root", bob.ID, allowed, ""},
		{"staff to an unknown user", "root", unknownUser, 404, "INVALID_USER_ERROR"},
		{"staff to a name", "root", "bob", 404, "INVALID_USER_ERROR"},
		{"staff to ME", "root", "ME", 404, "INVALID_USER_ERROR"},
		{"staff to 14 digits", "root", "0" + bob.ID, 404, "INVALID_USER_ERROR"},
		{"banned staff's me", "banned", "me", 403, "BANNED_ERROR"},
		{"banned staff to another", "banned", bob.ID, 403, "BANNED_ERROR"},
	}
	for _, endpoint := range endpoints {
		for _, row := range rows {
			t.Run(endpoint.name+"/"+row.name, func(t *testing.T) {
				r := r.as(t)
				var token string
				switch row.caller {
				case "":
				case "banned":
					token = bannedToken
				default:
					token = r.login(row.caller)
				}
				status, code := row.status, row.code
				if status == allowed {
					status, code = endpoint.status, endpoint.code
				}
				r.do(request{
					method: endpoint.method, path: "/users/" + row.uid + endpoint.path, token: token, body: endpoint.body,
				}).is(t, status, code)
			})
		}
	}
}

func TestGetSession(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	r.addUser("bob")
	r.addStaff("root")
	token, other, bobs, staff := r.login("ada"), r.login("ada"), r.login("bob"), r.login("root")
	own, another, bobsID := r.session(token), r.session(other), r.session(bobs)

	get := func(token, path string) request { return request{method: "GET", path: path, token: token} }
	r.exchanges(t, []exchange{
		{"me", get(token, "/users/me/sessions/me"), 200, ""},
		{"with Bearer", get("Bearer "+token, "/users/me/sessions/me"), 200, ""},
		{"with bearer", get("bearer  "+token, "/users/me/sessions/me"), 200, ""},
		{"by ID", get(token, "/users/me/sessions/"+own), 200, ""},
		{"another of one's own", get(token, "/users/me/sessions/"+another), 200, ""},
		{"under the user's ID", get(token, "/users/"+ada.ID+"/sessions/me"), 200, ""},
		{"of another user", get(token, "/users/me/sessions/"+bobsID), 404, "INVALID_SESSION_ERROR"},
		{"unknown", get(token, "/users/me/sessions/"+unknownSession), 404, "INVALID_SESSION_ERROR"},
		{"no ID", get(token, "/users/me/sessions/mine"), 404, "INVALID_SESSION_ERROR"},
		{"all is no ID", get(token, "/users/me/sessions/all"), 404, "INVALID_SESSION_ERROR"},
		{"another's as staff", get(staff, "/users/"+ada.ID+"/sessions/"+own), 200, ""},
		{"staff's me on another", get(staff, "/users/"+ada.ID+"/sessions/me"), 404, "INVALID_SESSION_ERROR"},
		{"one of another's under one's own", get(staff, "/users/me/sessions/"+own), 404, "INVALID_SESSION_ERROR"},
	})
	for _, sid := range []string{"me", own} {
		if got := r.get(token, "/users/me/sessions/"+sid).field(t, "id"); got != own {
			t.Errorf("session %s has the ID %s, want %s", sid, got, own)
		}
	}
}

// The shape of a session, and that of another seen by staff is the same.
func TestSessionBody(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	r.addStaff("root")
	token, staff := r.login("ada", "X-Session-Name", `<b>"Ada's" & laptop`), r.login("root")

	first := r.get(token, "/users/me/sessions/me")
	first.is(t, 200, "")
	shape := regexp.MustCompile(`^\{"id":\d{13},"name":"<b>\\"Ada's\\" & laptop","exp":\d{10},"permissionFlags":null,` +
		`"usedAt":null,"createdAt":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)","updatedAt":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)",` +
		`"ip":"127\.0\.0\.1","userAgent":"Go-http-client/1\.1","current":true\}\n$`)
	match := shape.FindStringSubmatch(first.text)
	if match == nil {
		t.Fatalf("body %s", first.text)
	}
	created, err := time.Parse(time.RFC3339, match[1])
	if err != nil {
		t.Fatal(err)
	}
	if id := first.field(t, "id"); id != strconv.FormatInt(created.UnixMilli(), 10) {
		t.Errorf("the session %s was created at %d ms", id, created.UnixMilli())
	}
	if match[1] != match[2] {
		t.Errorf("createdAt %s, updatedAt %s", match[1], match[2])
	}
	if exp := first.field(t, "exp"); exp != strconv.FormatInt(created.Unix()+24*60*60, 10) {
		t.Errorf("exp %s is no 24 hours after %d", exp, created.Unix())
	}

	var seen answer
	eventually(t, "the use of the session to be noted", func() bool {
		seen = r.get(token, "/users/me/sessions/me")
		return seen.object(t)["usedAt"] != nil
	})
	used, err := time.Parse(time.RFC3339, seen.field(t, "usedAt"))
	if err != nil || used.Before(created) {
		t.Errorf("usedAt %v, created at %v: %v", used, created, err)
	}
	byStaff := r.get(staff, "/users/"+ada.ID+"/sessions/"+first.field(t, "id"))
	notCurrent := strings.Replace(seen.text, `"current":true`, `"current":false`, 1)
	if diff := cmp.Diff(notCurrent, byStaff.text); diff != "" {
		t.Errorf("as staff sees it (-own +staff):\n%s", diff)
	}
}

func TestHello(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	r.exchanges(t, []exchange{
		{"base path", request{method: "GET"}, 200, ""},
		{"with a slash", request{method: "GET", path: "/"}, 200, ""},
		{"with a query", request{method: "GET", path: "?x=%zz"}, 200, ""},
		{"signed in", request{method: "GET", token: token}, 200, ""},
		{"with a bad token", request{method: "GET", token: "x"}, 200, ""},
		{"POST", request{method: "POST"}, 404, "INVALID_ENDPOINT_ERROR"},
	})
	if got := r.get("", ""); got.text != `{"hello":"world","version":"test"}`+"\n" {
		t.Errorf("body %s", got.text)
	}
}

// HEAD is GET without the body.
func TestHead(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	bob := r.addUser("bob")
	token := r.login("ada")
	sid := r.session(token)
	for _, path := range []string{
		"", "/", "/users/me/sessions", "/users/me/sessions/me", "/users/" + ada.ID + "/sessions/" + sid,
		"/users/me/sessions/all", "/users/me/sessions/" + unknownSession, "/users/" + bob.ID + "/sessions", "/login", "/nothing",
	} {
		t.Run(path, func(t *testing.T) {
			r := r.as(t)
			// usedAt changes the length of a session once, some time.
			eventually(t, "HEAD and GET to agree", func() bool {
				get, head := r.get(token, path), r.do(request{method: "HEAD", path: path, token: token})
				head.is(t, get.status, "")
				if head.text != "" {
					t.Fatalf("HEAD has a body: %s", head.text)
				}
				return head.header.Get("Content-Length") == get.header.Get("Content-Length")
			})
		})
	}
	if got := r.do(request{method: "HEAD", path: "/users/me/sessions"}); got.status != 401 {
		t.Errorf("status %d without a token", got.status)
	}
}

// Whatever is no endpoint is the same 404, whether under the base path, where
// it counts towards the limit, or outside.
func TestUnknownEndpoints(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	tests := []struct {
		method, path string
		counts       bool
	}{
		{"GET", "/api/nothing", true},
		{"GET", "/api/login", true},
		{"PUT", "/api/login", true},
		{"DELETE", "/api/login", true},
		{"POST", "/api/login/", true},
		{"POST", "/api//login", true},
		{"POST", "/api/./login", true},
		{"POST", "/api/x/../login", true},
		{"POST", "/api/LOGIN", true},
		{"POST", "/api/login%2F", true},
		{"POST", "/api%2Flogin", false},
		{"PUT", "/api/users/me/sessions", true},
		{"PATCH", "/api/users/me/sessions/me", true},
		{"OPTIONS", "/api/users/me/sessions", true},
		{"BREW", "/api/users/me/sessions", true},
		{"GET", "/api/users", true},
		{"GET", "/api/users/me", true},
		{"GET", "/api/users//sessions", true},
		{"GET", "/api/users/me/sessions/", true},
		{"GET", "/api/users/me//sessions", true},
		{"GET", "/api//users/me/sessions", true},
		{"GET", "//api/users/me/sessions", false},
		{"GET", "/api/users/me/sessions/me/", true},
		{"GET", "/api/users/me/sessions/me/x", true},
		{"GET", "/api/users/me%2Fsessions", true},
		{"GET", "/api/users/me/../me/sessions", true},
		{"GET", "/api/users/me/sessions/../sessions", true},
		{"GET", "/api/me/sessions/me", true},
		{"GET", "/", false},
		{"GET", "//", false},
		{"GET", "/API", false},
		{"GET", "/apis", false},
		{"GET", "/..", false},
		{"GET", "/../api/users/me/sessions", false},
		{"GET", "/metrics", false},
		{"GET", "/healthz", false},
		{"POST", "/login", false},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			got := r.as(t).raw(rawRequest(tt.method, tt.path, "Authorization", token))
			got.is(t, 404, "INVALID_ENDPOINT_ERROR")
			if message := got.field(t, "message"); message != "Invalid Endpoint" {
				t.Errorf("message %q", message)
			}
			if counted := got.header.Get("RateLimit-Limit") != ""; counted != tt.counts {
				t.Errorf("counts: %t, want %t", counted, tt.counts)
			}
		})
	}
}

// Odd paths that do match a route name users and sessions that do not exist:
// an encoded slash or dot never reaches into another route.
func TestOddPathsNameNobody(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addStaff("root")
	token := r.login("root")
	tests := []struct {
		path   string
		status int
		code   string
	}{
		{"/users/me%2Fsessions%2Fme/sessions", 404, "INVALID_USER_ERROR"},
		{"/users/%2E%2E/sessions", 404, "INVALID_USER_ERROR"},
		{"/users/../sessions", 404, "INVALID_USER_ERROR"},
		{"/users/./sessions", 404, "INVALID_USER_ERROR"},
		{"/users/me/sessions/..", 404, "INVALID_SESSION_ERROR"},
		{"/users/me/sessions/%2e%2e", 404, "INVALID_SESSION_ERROR"},
		{"/users/me/sessions/me%2F", 404, "INVALID_SESSION_ERROR"},
		{"/users/me/sessions/%00", 404, "INVALID_SESSION_ERROR"},
		{"/users/me/sessions/me;x=1", 404, "INVALID_SESSION_ERROR"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			r.as(t).raw(rawRequest("GET", "/api"+tt.path, "Authorization", token)).is(t, tt.status, tt.code)
		})
	}
}

func TestRequestsOfOddClients(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	tests := []struct {
		name, text string
		status     int
		code       string
	}{
		{"HTTP/1.0", "GET /api/users/me/sessions/me HTTP/1.0\r\nAuthorization: " + token + "\r\n\r\n", 200, ""},
		{"no user agent", rawRequest("GET", "/api/users/me/sessions/me", "Authorization", token), 200, ""},
		{"absolute form", rawRequest("GET", "http://elsewhere.test/api/users/me/sessions/me", "Authorization", token), 200, ""},
		{"two tokens", rawRequest("GET", "/api/users/me/sessions/me", "Authorization", token, "Authorization", token), 401, "INVALID_SESSION_ERROR"},
		{"two tokens, one empty", rawRequest("GET", "/api/users/me/sessions/me", "Authorization", token, "Authorization", ""), 401, "INVALID_SESSION_ERROR"},
		{"broken UTF-8 in the token", rawRequest("GET", "/api/users/me/sessions/me", "Authorization", "\xff\xfe"), 401, "INVALID_SESSION_ERROR"},
		{"malformed query", rawRequest("GET", "/api/users/me/sessions?limit=%zz", "Authorization", token), 200, ""},
		{"a body on GET", rawBody("GET", "/api/users/me/sessions/me", "{", "Authorization", token), 200, ""},
		{"no JSON", rawBody("DELETE", "/api/users/me/sessions", "<xml/>", "Authorization", token), 400, "MISSING_FIELDS_ERROR"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.as(t).raw(tt.text).is(t, tt.status, tt.code)
		})
	}
}

func TestTokensThatAdmitNobody(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	gone := r.addUser("gone")
	token, revoked, orphan, byHand := r.login("ada"), r.login("ada"), r.login("gone"), r.login("ada")
	r.delete(revoked, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
	if removed, err := r.store.RemoveUser(t.Context(), gone.ID); err != nil || !removed {
		t.Fatal(removed, err)
	}
	r.redis.CLI("DEL", r.keys("session:*:" + r.session(byHand))[0])
	forger := startOn(t, r.redis).replica() // Another keyring on the same Redis.
	forged := forger.login("ada")

	tests := map[string]string{
		"none":                    "",
		"revoked":                 revoked,
		"of a removed user":       orphan,
		"ended in redis-cli":      byHand,
		"signed by another key":   forged,
		"no token":                "me",
		"scheme alone":            "Bearer",
		"scheme twice":            "Bearer Bearer " + token,
		"another scheme":          "Basic " + token,
		"cut off":                 token[:len(token)-1],
		"with a tail":             token + "A",
		"unsigned":                token[:strings.LastIndexByte(token, '.')+1],
		"two in one line":         token + "," + token,
		"10 kB":                   strings.Repeat("x", 10_000),
		"with the claims of none": "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + strings.Split(token, ".")[1] + ".",
	}
	for name, bad := range tests {
		t.Run(name, func(t *testing.T) {
			got := r.as(t).get(bad, "/users/me/sessions")
			got.is(t, 401, "INVALID_SESSION_ERROR")
			if got.field(t, "message") != "Invalid Session" || got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("headers %v, body %s", got.header, got.text)
			}
		})
	}
	r.get(token, "/users/me/sessions").is(t, 200, "")
}

// A ban and its end act on the very next request, and so do the staff flag and
// a removal.
func TestAccountChangesActAtOnce(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	r, second := s.replica(), s.replica()
	ada, bob := r.addUser("ada"), r.addUser("bob")
	token := r.login("ada")
	ctx := t.Context()
	bobs := request{method: "GET", path: "/users/" + bob.ID + "/sessions", token: token}
	own := request{method: "GET", path: "/users/me/sessions", token: token}

	steps := []struct {
		name   string
		change func() (bool, error)
		request
		status int
		code   string
	}{
		{"before", func() (bool, error) { return true, nil }, bobs, 403, "INSUFFICIENT_PERMISSIONS_ERROR"},
		{"staff", func() (bool, error) { return s.store.SetStaff(ctx, ada.ID, true) }, bobs, 200, ""},
		{"staff no more", func() (bool, error) { return s.store.SetStaff(ctx, ada.ID, false) }, bobs, 403, "INSUFFICIENT_PERMISSIONS_ERROR"},
		{"banned", func() (bool, error) { return s.store.BanUser(ctx, ada.ID) }, own, 403, "BANNED_ERROR"},
		{"unbanned", func() (bool, error) { return s.store.UnbanUser(ctx, ada.ID) }, own, 200, ""},
		{"removed", func() (bool, error) { return s.store.RemoveUser(ctx, ada.ID) }, own, 401, "INVALID_SESSION_ERROR"},
	}
	for _, step := range steps {
		if changed, err := step.change(); err != nil || !changed {
			t.Fatalf("%s: %t, %v", step.name, changed, err)
		}
		for _, replica := range []*replica{r, second} {
			replica.do(step.request).is(t, step.status, step.code)
		}
	}
}

func TestBasePath(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	for _, base := range []string{"", "/v2/api"} {
		t.Run(base, func(t *testing.T) {
			r := startOn(t, server, func(c *config.Config) { c.HTTP.BasePath = base }).replica()
			name := "ada" + strconv.Itoa(len(base))
			r.addUser(name)
			token := r.login(name)
			r.get(token, "/users/me/sessions/me").is(t, 200, "")
			r.get("", "/").is(t, 200, "")
			r.raw(rawRequest("GET", "/other")).is(t, 404, "INVALID_ENDPOINT_ERROR")
			r.raw(rawRequest("GET", "/api/users/me/sessions/me", "Authorization", token)).is(t, 404, "INVALID_ENDPOINT_ERROR")
		})
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const origin = "https://app.example"
	server := startRedis(t)
	s := startOn(t, server, func(c *config.Config) { c.HTTP.CORSOrigins = []string{origin} })
	r := s.replica()
	closed := startOn(t, server).replica()

	preflight := func(r *replica, origin, method, path string) answer {
		return r.do(request{method: "OPTIONS", path: path, headers: []string{
			"Origin", origin, "Access-Control-Request-Method", method,
			"Access-Control-Request-Headers", "authorization,content-type,x-session-name",
		}})
	}
	t.Run("preflight", func(t *testing.T) {
		for method, path := range map[string]string{"POST": "/login", "DELETE": "/users/me/sessions/all", "GET": "/users/me/sessions"} {
			got := preflight(r.as(t), origin, method, path)
			if got.status != 204 || got.text != "" || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("status %d, headers %v, body %q", got.status, got.header, got.text)
			}
			if allowed := got.header.Get("Access-Control-Allow-Origin"); allowed != origin {
				t.Errorf("allows origin %q", allowed)
			}
			if allowed := got.header.Get("Access-Control-Allow-Methods"); allowed != method {
				t.Errorf("allows method %q, want %q", allowed, method)
			}
			if allowed := got.header.Get("Access-Control-Allow-Headers"); !strings.EqualFold(allowed, "authorization,content-type,x-session-name") {
				t.Errorf("allows headers %q", allowed)
			}
		}
	})
	t.Run("refused preflight", func(t *testing.T) {
		for _, got := range []answer{
			preflight(r.as(t), "https://evil.example", "GET", "/users/me/sessions"),
			preflight(r.as(t), "null", "GET", "/users/me/sessions"),
			preflight(r.as(t), origin+".evil.example", "GET", "/users/me/sessions"),
			preflight(closed.as(t), origin, "GET", "/users/me/sessions"),
		} {
			if allowed := got.header.Get("Access-Control-Allow-Origin"); allowed != "" {
				t.Errorf("allows origin %q", allowed)
			}
		}
	})
	t.Run("answers", func(t *testing.T) {
		for _, path := range []string{"", "/users/me/sessions", "/nothing"} {
			got := r.as(t).do(request{method: "GET", path: path, headers: []string{"Origin", origin}})
			if allowed := got.header.Get("Access-Control-Allow-Origin"); allowed != origin {
				t.Errorf("%s allows origin %q", path, allowed)
			}
			exposed := strings.Split(strings.ToLower(strings.ReplaceAll(got.header.Get("Access-Control-Expose-Headers"), " ", "")), ",")
			slices.Sort(exposed)
			want := []string{"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"}
			if diff := cmp.Diff(want, exposed); diff != "" {
				t.Errorf("exposed headers (-want +got):\n%s", diff)
			}
			if !slices.Contains(got.header.Values("Vary"), "Origin") {
				t.Errorf("Vary %q", got.header.Values("Vary"))
			}
			for _, foreign := range []answer{
				r.as(t).do(request{method: "GET", path: path, headers: []string{"Origin", "https://evil.example"}}),
				closed.as(t).do(request{method: "GET", path: path, headers: []string{"Origin", origin}}),
			} {
				foreign.is(t, got.status, "")
				if allowed := foreign.header.Get("Access-Control-Allow-Origin"); allowed != "" {
					t.Errorf("%s allows origin %q", path, allowed)
				}
			}
		}
	})
}

// One line for each request tells who did what, by which route and from where.
func TestRequestLog(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	token := r.login("ada")
	r.do(loginRequest("ada", wrongPassword)).is(t, 401, "INVALID_PASSWORD_ERROR")
	r.get(token, "/users/me/sessions?limit=1").is(t, 200, "")
	r.get(token, "/users/1234567890123/sessions").is(t, 403, "INSUFFICIENT_PERMISSIONS_ERROR")
	r.get("", "/secret/path").is(t, 404, "INVALID_ENDPOINT_ERROR")
	r.do(request{method: "BREW", path: "/coffee"}).is(t, 404, "INVALID_ENDPOINT_ERROR")

	type line struct{ Method, Route, User, IP, Status string }
	got := []line{}
	for _, entry := range r.requestLines(t, 6) {
		text := func(name string) string { s, _ := entry[name].(string); return s }
		status, _ := entry["status"].(float64)
		got = append(got, line{text("method"), text("route"), text("user"), text("ip"), http.StatusText(int(status))})
	}
	want := []line{
		{"POST", "/api/login", ada.ID, "127.0.0.1", "Created"},
		{"POST", "/api/login", "", "127.0.0.1", "Unauthorized"},
		{"GET", "/api/users/{uid}/sessions", ada.ID, "127.0.0.1", "OK"},
		{"GET", "/api/users/{uid}/sessions", ada.ID, "127.0.0.1", "Forbidden"},
		{"GET", "unknown", "", "127.0.0.1", "Not Found"},
		{"other", "unknown", "", "127.0.0.1", "Not Found"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request lines (-want +got):\n%s", diff)
	}
}
