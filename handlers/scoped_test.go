package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/config"
)

// Permission flags, as the documentation has them.
const (
	flagAll         = 1
	flagRead        = 32
	flagModify      = 64
	flagStaffRead   = 8192
	flagStaffModify = 16384
)

// scope makes a scoped session with the test password and returns its token and
// its ID.
func (r *replica) scope(token string, flags int64) (scoped, sid string) {
	r.t.Helper()
	got := r.do(scopeRequest(token, fmt.Sprintf(`{"name":"script","permissionFlags":%d,"password":%q}`, flags, password)))
	got.is(r.t, 201, "")
	return got.field(r.t, "token"), got.field(r.t, "id")
}

func scopeRequest(token, body string) request {
	return request{method: "POST", path: "/users/me/sessions", token: token, body: body}
}

func TestScopedSessionBody(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	got := r.do(scopeRequest(token, `{"name":" Backup script ","permissionFlags":33,"longLived":true,"password":"`+password+`"}`))
	got.is(t, 201, "")
	var body map[string]any
	if err := json.Unmarshal([]byte(got.text), &body); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"name": "Backup script", "permissionFlags": 33.0, "usedAt": nil, "current": false, "userAgent": "Go-http-client/1.1",
	} {
		if body[name] != want {
			t.Errorf("%s is %v, want %v", name, body[name], want)
		}
	}
	seen := r.get(got.field(t, "token"), "/users/me/sessions/me")
	seen.is(t, 200, "")
	for _, name := range []string{"id", "exp", "createdAt"} {
		if fmt.Sprint(seen.object(t)[name]) != fmt.Sprint(got.object(t)[name]) {
			t.Errorf("%s is %v when made, %v when seen", name, got.object(t)[name], seen.object(t)[name])
		}
	}
	var times struct{ ID, Exp int64 }
	if err := json.Unmarshal([]byte(got.text), &times); err != nil {
		t.Fatal(err)
	}
	// Both are Redis' clock's, rounded down to what they count.
	if life := times.Exp - times.ID/1000; life != 315_576_000 {
		t.Errorf("a long life of %d s", life)
	}
}

func TestScopedSessionRefusals(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	bob := r.addUser("bob")
	r.addStaff("root")
	token := r.login("ada")
	good := `{"name":"x","permissionFlags":1,"password":"` + password + `"}`
	tests := []struct {
		name, path, token, body string
		status                  int
		code, fields            string
	}{
		{"no token", "/users/me/sessions", "", good, 401, "INVALID_SESSION_ERROR", ""},
		{"another user's", "/users/" + bob.ID + "/sessions", token, good, 403, "INSUFFICIENT_PERMISSIONS_ERROR", ""},
		{"another user's as staff", "/users/" + bob.ID + "/sessions", r.login("root"), good, 403, "INSUFFICIENT_PERMISSIONS_ERROR", ""},
		{"wrong password", "/users/me/sessions", token, strings.Replace(good, password, "no", 1), 401, "INVALID_PASSWORD_ERROR", ""},
		{"no body", "/users/me/sessions", token, "", 400, "MISSING_FIELDS_ERROR", "[name permissionFlags password]"},
		{"a list", "/users/me/sessions", token, "[]", 400, "MISSING_FIELDS_ERROR", "[name permissionFlags password]"},
		{"empty name", "/users/me/sessions", token, strings.Replace(good, `"x"`, `" \u0000 "`, 1), 400, "MISSING_FIELDS_ERROR", "[name]"},
		{"negative flags", "/users/me/sessions", token, strings.Replace(good, ":1,", ":-1,", 1), 400, "MISSING_FIELDS_ERROR", "[permissionFlags]"},
		{"flags with a fraction", "/users/me/sessions", token, strings.Replace(good, ":1,", ":1.0,", 1), 400, "MISSING_FIELDS_ERROR", "[permissionFlags]"},
		{"flags as text", "/users/me/sessions", token, strings.Replace(good, ":1,", `:"1",`, 1), 400, "MISSING_FIELDS_ERROR", "[permissionFlags]"},
		{"flags past 2^53", "/users/me/sessions", token, strings.Replace(good, ":1,", ":9007199254740992,", 1), 400, "MISSING_FIELDS_ERROR", "[permissionFlags]"},
		{"null flags", "/users/me/sessions", token, strings.Replace(good, ":1,", ":null,", 1), 400, "MISSING_FIELDS_ERROR", "[permissionFlags]"},
		{"long life as text", "/users/me/sessions", token, strings.Replace(good, "{", `{"longLived":"yes",`, 1), 400, "MISSING_FIELDS_ERROR", "[longLived]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.do(request{method: "POST", path: tt.path, token: tt.token, body: tt.body})
			got.is(t, tt.status, tt.code)
			if tt.fields != "" && fmt.Sprint(got.object(t)["fields"]) != tt.fields {
				t.Errorf("fields %v, want %s", got.object(t)["fields"], tt.fields)
			}
		})
	}
}

// What a scoped session reaches, by its flags.
func TestScopedSessionReachesWhatItsFlagsAllow(t *testing.T) {
	t.Parallel()
	r := start(t)
	bob := r.addUser("bob")
	r.addUser("ada")
	r.addStaff("root")
	bobs := r.session(r.login("bob"))
	const no = "INSUFFICIENT_PERMISSIONS_ERROR"

	type reach struct{ read, modify, staffRead, staffModify bool }
	tests := []struct {
		name, user string
		flags      int64
		reach      reach
	}{
		{"none", "ada", 0, reach{}},
		{"read", "ada", flagRead, reach{read: true}},
		{"modify", "ada", flagModify, reach{modify: true}},
		{"all", "ada", flagAll, reach{read: true, modify: true}},
		{"other services'", "ada", 2 | 4 | 8 | 16 | 1<<40, reach{}},
		{"staff flags without a staff account", "ada", flagStaffRead | flagStaffModify, reach{}},
		{"all of staff", "root", flagAll, reach{true, true, true, true}},
		{"staff reading", "root", flagStaffRead, reach{staffRead: true}},
		{"staff modifying", "root", flagStaffModify, reach{staffModify: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			full := r.login(tt.user)
			scoped, sid := r.scope(full, tt.flags)
			own := r.session(full)
			check := func(allowed bool, what request, status int) {
				t.Helper()
				what.token = scoped
				if got := r.do(what); allowed {
					got.is(t, status, "")
				} else {
					got.is(t, 403, no)
				}
			}
			check(tt.reach.read, request{method: "GET", path: "/users/me/sessions"}, 200)
			check(tt.reach.read, request{method: "GET", path: "/users/me/sessions?full=true"}, 200)
			check(tt.reach.read, request{method: "GET", path: "/users/me/sessions/me"}, 200)
			check(tt.reach.read, request{method: "GET", path: "/users/me/sessions/" + own}, 200)
			check(tt.reach.modify, request{method: "PUT", path: "/users/me/sessions/" + own + "/name", body: `{"name":"n"}`}, 200)
			check(tt.reach.modify, request{method: "DELETE", path: "/users/me/sessions/1700000000000"}, 404)
			check(tt.reach.modify, request{method: "DELETE", path: "/users/me/sessions", body: `{"ids":[]}`}, 404)
			check(tt.reach.modify, request{method: "DELETE", path: "/users/me/sessions/all?dry-run=1"}, 200)
			check(tt.reach.staffRead, request{method: "GET", path: "/users/" + bob.ID + "/sessions"}, 200)
			check(tt.reach.staffRead, request{method: "GET", path: "/users/" + bob.ID + "/sessions/" + bobs}, 200)
			check(tt.reach.staffModify, request{method: "DELETE", path: "/users/" + bob.ID + "/sessions/1700000000000"}, 404)
			check(tt.reach.staffModify, request{method: "DELETE", path: "/users/" + bob.ID + "/sessions/all?dry-run=1"}, 200)
			// None makes another, each may end itself.
			r.do(scopeRequest(scoped, `{"name":"x","permissionFlags":0,"password":"`+password+`"}`)).is(t, 403, no)
			r.delete(scoped, "/users/me/sessions/"+sid).is(t, 200, "DELETE_SESSION_SUCCESS")
			r.get(scoped, "/users/me/sessions").is(t, 401, "INVALID_SESSION_ERROR")
			r.get(full, "/users/me/sessions/"+sid).is(t, 404, "INVALID_SESSION_ERROR")
		})
	}
}

// Attempts to make scoped sessions have the login's limit, each user its own,
// wrong passwords included, and leave that of the login alone.
func TestScopedSessionsAreLimitedLikeLogins(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Limits.Login.Requests = 3 })
	r.addUser("ada")
	r.addUser("bob")
	ada, bob := r.login("ada"), r.login("bob")
	for i := range 3 {
		got := r.do(scopeRequest(ada, `{"name":"x","permissionFlags":0,"password":"wrong"}`))
		got.is(t, 401, "INVALID_PASSWORD_ERROR")
		if left := got.header.Get("RateLimit-Remaining"); left != fmt.Sprint(2-i) {
			t.Errorf("attempt %d leaves %s", i, left)
		}
	}
	refused := r.do(scopeRequest(ada, `{"name":"x","permissionFlags":0,"password":"`+password+`"}`))
	refused.is(t, 429, "RATELIMITED_ERROR")
	if refused.header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After %q", refused.header.Get("Retry-After"))
	}
	r.scope(bob, 0)
	r.login("ada")
}

func TestRenameSession(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	r.addUser("bob")
	r.addStaff("root")
	token, bob, staff := r.login("ada"), r.login("bob"), r.login("root")
	sid := r.session(token)
	own := "/users/me/sessions/" + sid + "/name"
	tests := []struct {
		name, token, path, body string
		status                  int
		code, want              string
	}{
		{"own by ID", token, own, `{"name":"Laptop"}`, 200, "", "Laptop"},
		{"own by me", token, "/users/me/sessions/me/name", `{"name":" Phone "}`, 200, "", "Phone"},
		{"cleaned", token, own, `{"name":"a\u202eb\u0007c"}`, 200, "", "abc"},
		{"cut", token, own, `{"name":"` + strings.Repeat("é", 300) + `"}`, 200, "", strings.Repeat("é", 256)},
		{"by staff", staff, "/users/" + ada.ID + "/sessions/" + sid + "/name", `{"name":"Seen by staff"}`, 200, "", "Seen by staff"},
		{"by another", bob, "/users/" + ada.ID + "/sessions/" + sid + "/name", `{"name":"Mine"}`, 403, "INSUFFICIENT_PERMISSIONS_ERROR", ""},
		{"without a name", token, own, `{}`, 400, "MISSING_FIELDS_ERROR", ""},
		{"an empty name", token, own, `{"name":" \t"}`, 400, "MISSING_FIELDS_ERROR", ""},
		{"a number", token, own, `{"name":5}`, 400, "MISSING_FIELDS_ERROR", ""},
		{"unknown session", token, "/users/me/sessions/1700000000000/name", `{"name":"x"}`, 404, "INVALID_SESSION_ERROR", ""},
		{"no session ID", token, "/users/me/sessions/all/name", `{"name":"x"}`, 404, "INVALID_SESSION_ERROR", ""},
		{"no token", "", own, `{"name":"x"}`, 401, "INVALID_SESSION_ERROR", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.do(request{method: "PUT", path: tt.path, token: tt.token, body: tt.body})
			got.is(t, tt.status, tt.code)
			if tt.status == 200 && (got.field(t, "name") != tt.want || r.get(token, "/users/me/sessions/"+sid).field(t, "name") != tt.want) {
				t.Errorf("name %q, want %q", got.field(t, "name"), tt.want)
			}
		})
	}
	if count := r.get(token, "/users/me/sessions").field(t, "count"); count != "1" {
		t.Errorf("%s sessions", count)
	}
}

// A list of whole sessions has the order, pages and count of the plain one.
func TestFullList(t *testing.T) {
	t.Parallel()
	r := start(t, trust)
	r.addUser("ada")
	old := r.login("ada", "X-Forwarded-For", "192.0.2.7", "User-Agent", strings.Repeat("é", 40))
	token := r.login("ada", "X-Forwarded-For", "2001:db8::7", "User-Agent", "curl/8.4.0")
	got := r.get(token, "/users/me/sessions?full=true&limit=50")
	got.is(t, 200, "")
	var list struct {
		Count int              `json:"count"`
		Items []map[string]any `json:"items"`
	}
	if err := json.Unmarshal([]byte(got.text), &list); err != nil || list.Count != 2 || len(list.Items) != 2 {
		t.Fatalf("%s: %v", got.text, err)
	}
	for i, want := range []map[string]any{
		{"ip": "2001:db8::7", "userAgent": "curl/8.4.0", "current": true, "name": "curl v8 on an Unknown OS"},
		// Cut to 64 bytes, which is what stays compact in Redis.
		{"ip": "192.0.2.7", "userAgent": strings.Repeat("é", 32), "current": false, "name": "Unknown Browser on an Unknown OS"},
	} {
		for name, value := range want {
			if list.Items[i][name] != value {
				t.Errorf("item %d: %s is %v, want %v", i, name, list.Items[i][name], value)
			}
		}
		if _, ok := list.Items[i]["usedAt"]; !ok {
			t.Errorf("item %d has no usedAt", i)
		}
	}
	if second := r.get(token, "/users/me/sessions?full=1&limit=1&offset=1"); second.field(t, "count") != "2" || !strings.Contains(second.text, r.session(old)) {
		t.Errorf("second page %s", second.text)
	}
	if plain := r.get(token, "/users/me/sessions?full=no"); strings.Contains(plain.text, "usedAt") {
		t.Errorf("plain list %s", plain.text)
	}
}

// A dry run names what would end, and ends nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	first, token := r.session(r.login("ada")), r.login("ada")
	own := r.session(token)
	dry := "?dry-run=true"
	tests := []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"all others", "/users/me/sessions/all" + dry, "", 200, `{"count":1,"ids":[` + first + `]}`},
		{"all", "/users/me/sessions/all" + dry + "&include-self=true", "", 200, `{"count":2,"ids":[` + own + `,` + first + `]}`},
		{"some", "/users/me/sessions" + dry, `{"ids":["me",` + first + `,1700000000000]}`, 200, `{"count":2,"ids":[` + own + `,` + first + `]}`},
		{"unknown ones", "/users/me/sessions" + dry, `{"ids":[1700000000000]}`, 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.do(request{method: "DELETE", path: tt.path, token: token, body: tt.body})
			got.is(t, tt.status, "")
			if tt.want != "" && strings.TrimSpace(got.text) != tt.want {
				t.Errorf("%s, want %s", got.text, tt.want)
			}
			if count := r.get(token, "/users/me/sessions").field(t, "count"); count != "2" {
				t.Errorf("%s sessions are left", count)
			}
		})
	}
	r.delete(token, "/users/me/sessions/all?dry-run=yes").is(t, 200, "DELETE_SESSIONS_SUCCESS")
}
