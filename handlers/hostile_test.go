package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sessiond/sessiond/redisstore"
)

// hostile is text that would reach other keys, other lines or other fields if
// anything took it at its word.
var hostile = map[string]string{
	"brace":               "{",
	"closing brace":       "}",
	"hash tag":            "{1647015028626}",
	"ends the tag":        "1647015028626}:x{",
	"colon":               "1:2",
	"key of a user":       "user:{1647015028626}",
	"key of an index":     "sessions:{1647015028626}",
	"pattern":             "*",
	"patterns":            "session:*[0-9]?",
	"line feed":           "1647015028626\n",
	"line break":          "x\r\nSET user:{1} x\r\n",
	"forged log line":     "x\n{\"level\":\"INFO\",\"msg\":\"request\",\"user\":\"root\"}\n",
	"NUL":                 "1647015028626\x00",
	"NUL alone":           "\x00",
	"10 kB":               strings.Repeat("1647015028626", 800),
	"10 kB of braces":     strings.Repeat("{}:*", 2500),
	"broken UTF-8":        "\xff\xfe{\xc3",
	"quotes":              `"'\`,
	"escape sequence":     "\x1b[2J\x1b[1;1H",
	"slashes":             "../../me",
	"Arabic digits":       "١٦٤٧٠١٥٠٢٨٦٢٦",
	"white space":         " 1647015028626 ",
	"option of a command": "-1",
}

// Whatever a path names, nothing but what was meant is touched, and no line of
// the log (which the harness reads) is forged.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	r.addStaff("root")
	token, staff := r.login("ada"), r.login("root")
	r.login("ada")
	before := r.dump()

	sent := 3
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			r := r.as(t)
			escaped := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
			for _, c := range []struct {
				token, method, path, body string
				status                    int
				code                      string
			}{
				{token, "GET", "/users/" + escaped + "/sessions", "", 403, "INSUFFICIENT_PERMISSIONS_ERROR"},
				{staff, "GET", "/users/" + escaped + "/sessions", "", 404, "INVALID_USER_ERROR"},
				{staff, "GET", "/users/" + escaped + "/sessions/me", "", 404, "INVALID_USER_ERROR"},
				{staff, "DELETE", "/users/" + escaped + "/sessions/me", "", 404, "INVALID_USER_ERROR"},
				{staff, "DELETE", "/users/" + escaped + "/sessions", `{"ids":["me"]}`, 404, "INVALID_USER_ERROR"},
				{staff, "DELETE", "/users/" + escaped + "/sessions/all", "", 404, "INVALID_USER_ERROR"},
				{token, "GET", "/users/me/sessions/" + escaped, "", 404, "INVALID_SESSION_ERROR"},
				{token, "DELETE", "/users/me/sessions/" + escaped, "", 404, "INVALID_SESSION_ERROR"},
				{staff, "DELETE", "/users/" + ada.ID + "/sessions/" + escaped, "", 404, "INVALID_SESSION_ERROR"},
				{token, "GET", "/" + escaped, "", 404, "INVALID_ENDPOINT_ERROR"},
				{escaped, "GET", "/users/me/sessions", "", 401, "INVALID_SESSION_ERROR"},
			} {
				r.raw(rawBody(c.method, "/api"+c.path, c.body, "Authorization", c.token)).is(t, c.status, c.code)
				sent++
			}
		})
	}
	r.unchanged(t, before)
	r.requestLines(t, sent)
}

// As a user name, a password or a session's ID in a body it is nobody's.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	before := r.dump()

	sent := 1
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			r := r.as(t)
			quoted, err := json.Marshal(text) // Broken UTF-8 becomes U+FFFD.
			if err != nil {
				t.Fatal(err)
			}
			r.do(request{method: "POST", path: "/login", body: fmt.Sprintf(`{"username":%s,"password":"x"}`, quoted)}).
				is(t, 404, "INVALID_USER_ERROR")
			r.do(request{method: "POST", path: "/login", body: fmt.Sprintf(`{"username":"ada","password":%s}`, quoted)}).
				is(t, 401, "INVALID_PASSWORD_ERROR")
			r.deleteIDs(token, "/users/me/sessions", fmt.Sprintf(`["me",%s]`, quoted)).is(t, 400, "MISSING_FIELDS_ERROR")
			sent += 3
		})
	}
	r.unchanged(t, before)
	r.requestLines(t, sent)
}

// An account may bear a name that looks like a key or a pattern: it is one name
// and reaches nothing else.
func TestOddButHonestUserNames(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	token := r.login("ada")
	before := r.dump()

	odd := []string{
		"{", "}", "{}", "{" + ada.ID + "}", "user:{" + ada.ID + "}", "sessions:{" + ada.ID + "}", "*", "a*", "?da", "[a]da", ":", "-1", `\`,
		`"ada"`, "ada'; --", "%00", "${jndi:x}", "me", "all", "🦀", "a d a", strings.Repeat("x", 256),
	}
	tokens := map[string]string{}
	for _, name := range odd {
		r.addUser(name)
		tokens[name] = r.login(name)
	}
	for name, odd := range tokens {
		if count, _ := listOf(t, r.get(odd, "/users/me/sessions")); count != 1 {
			t.Errorf("%q has %d sessions", name, count)
		}
		r.get(odd, "/users/"+ada.ID+"/sessions").is(t, 403, "INSUFFICIENT_PERMISSIONS_ERROR")
		r.delete(odd, "/users/me/sessions/all?include-self=true").is(t, 200, "DELETE_SESSIONS_SUCCESS")
	}
	after := r.dump()
	for key, value := range before {
		if after[key] != value {
			t.Errorf("%s holds %q, before %q", key, after[key], value)
		}
	}
	r.get(token, "/users/me/sessions/me").is(t, 200, "")
}

// Names that can be nobody's can't be given to anybody.
func TestUserNamesThatAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	before := r.dump()
	for _, name := range []string{
		"", " ", " ada", "ada\n", "a\x00da", "a\r\nda", "\xff", "a\u202eda", "a\u0085b", "1647015028626", strings.Repeat("x", 257), "a\u2028b", "a\u200bb",
	} {
		if _, err := r.store.AddUser(t.Context(), redisstore.NewUser{Username: name, PasswordHash: testHash()}); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	r.unchanged(t, before)
}

// Session names go in and come out as they were sent, but for what could break
// out of its line or deceive its reader.
func TestHostileSessionNames(t *testing.T) {
	t.Parallel()
	const fromCurl = "curl v8 on an Unknown OS"
	r := start(t)
	ada := r.addUser("ada")
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"UTF-8", []string{"Grüße aus Zürich 👋🏽"}, "Grüße aus Zürich 👋🏽"},
		{"not normalised", []string{"Zoe\u0308"}, "Zoe\u0308"},
		{"markup", []string{`<script>alert("x")</script> & \u0041`}, `<script>alert("x")</script> & \u0041`},
		{"broken UTF-8", []string{"a\xff\xfeb"}, "a\ufffdb"},
		{"overlong slash", []string{"a\xc0\xafb"}, "a\ufffdb"},
		{"encoded surrogate", []string{"a\xed\xa0\x80b"}, "a\ufffdb"},
		{"cut off character", []string{"a\xf0\x9f\x91"}, "a\ufffd"},
		{"tab", []string{"a\tb"}, "ab"},
		{"control characters of Latin 1", []string{"a\u0085\u009bb"}, "ab"},
		{"bidirectional overrides", []string{"a\u202egpj.exe\u202c\u2066b\u2069"}, "agpj.exeb"},
		{"line separators", []string{"a\u2028b\u2029c"}, "abc"},
		{"nothing else", []string{"\u202e\u2028 \u0085"}, fromCurl},
		{"trimmed", []string{"  a\u00a0 "}, "a"},
		{"empty", []string{""}, fromCurl},
		{"sent twice", []string{"first", "second"}, "first"},
		{"keys and patterns", []string{"session:{" + ada.ID + "}:* user:{}"}, "session:{" + ada.ID + "}:* user:{}"},
		{"300 emoji", []string{strings.Repeat("😀", 300)}, strings.Repeat("😀", 256)},
		{"300 families", []string{strings.Repeat("👩‍👩‍👧‍👦", 300)}, strings.Repeat("👩‍👩‍👧‍👦", 256/7)},
		{"100 kB", []string{strings.Repeat("x", 100_000)}, strings.Repeat("x", 256)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := r.as(t)
			headers := append(headerLines("X-Session-Name", tt.lines), "User-Agent", "curl/8.4.0")
			login := r.raw(rawBody("POST", "/api/login", loginRequest("ada", password).body, headers...))
			login.is(t, 201, "")
			token := login.field(t, "token")
			session := r.get(token, "/users/me/sessions/me")
			if got := session.field(t, "name"); got != tt.want {
				t.Errorf("name %q, want %q", got, tt.want)
			}
			if list := r.get(token, "/users/me/sessions?limit=1"); !utf8.ValidString(list.text) || !strings.Contains(list.text, session.field(t, "id")) {
				t.Errorf("list %q", list.text)
			}
			stored, err := r.redis.Client().HGet(t.Context(), "session:{"+ada.ID+"}:"+session.field(t, "id"), "name").Result()
			if err != nil || stored != tt.want {
				t.Errorf("Redis holds %q, %v", stored, err)
			}
		})
	}
}

// What net/http itself refuses never reaches a session: it is a plain 400, and
// the connection ends.
func TestControlCharactersInHeaders(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	before := r.dump()
	for name, value := range map[string]string{"NUL": "a\x00b", "carriage return": "a\rb", "escape": "a\x1bb", "delete": "a\x7fb"} {
		t.Run(name, func(t *testing.T) {
			got := r.as(t).raw(rawBody("POST", "/api/login", loginRequest("ada", password).body, "X-Session-Name", value))
			if got.status != 400 {
				t.Errorf("status %d", got.status)
			}
		})
	}
	r.unchanged(t, before)
}
