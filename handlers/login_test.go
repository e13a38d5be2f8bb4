package handlers_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

// What a login may and may not send. Whatever is refused leaves nothing behind.
func TestLoginBodies(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	before := r.dump()

	good := `{"username":"ada","password":"` + password + `"}`
	with := func(member string) string { return good[:len(good)-1] + "," + member + "}" }
	filled := func(size int) string { return good + strings.Repeat(" ", size-len(good)) }
	both := []string{"username", "password"}
	refused := []struct {
		name, body string
		status     int
		code       string
		fields     []string
	}{
		{"null", `null`, 400, "MISSING_FIELDS_ERROR", both},
		{"array", `[]`, 400, "MISSING_FIELDS_ERROR", both},
		{"array of the object", `[` + good + `]`, 400, "MISSING_FIELDS_ERROR", both},
		{"number", `5`, 400, "MISSING_FIELDS_ERROR", both},
		{"string", `"ada"`, 400, "MISSING_FIELDS_ERROR", both},
		{"empty", ``, 400, "MISSING_FIELDS_ERROR", both},
		{"white space", ` `, 400, "MISSING_FIELDS_ERROR", both},
		{"empty object", `{}`, 400, "MISSING_FIELDS_ERROR", both},
		{"form", `username=ada&password=x`, 400, "MISSING_FIELDS_ERROR", both},
		{"cut off", good[:len(good)-1], 400, "MISSING_FIELDS_ERROR", both},
		{"cut off in a text", good[:len(good)-5], 400, "MISSING_FIELDS_ERROR", both},
		{"object behind it", good + `{}`, 400, "MISSING_FIELDS_ERROR", both},
		{"junk behind it", good + `x`, 400, "MISSING_FIELDS_ERROR", both},
		{"NUL behind it", good + "\x00", 400, "MISSING_FIELDS_ERROR", both},
		{"byte order mark", "\ufeff" + good, 400, "MISSING_FIELDS_ERROR", both},
		{"broken UTF-8", strings.Replace(good, "ada", "ad\xff", 1), 400, "MISSING_FIELDS_ERROR", both},
		{"lone surrogate", strings.Replace(good, "ada", `ada\ud800`, 1), 400, "MISSING_FIELDS_ERROR", both},
		{"control character in a text", strings.Replace(good, "ada", "ada\n", 1), 400, "MISSING_FIELDS_ERROR", both},
		{"repeated name", with(`"username":"ada"`), 400, "MISSING_FIELDS_ERROR", both},
		{"repeated name, escaped", with(`"\u0075sername":"ada"`), 400, "MISSING_FIELDS_ERROR", both},
		{"repeated name of no field", with(`"x":1,"x":2`), 400, "MISSING_FIELDS_ERROR", both},
		{"wrongly cased name", strings.Replace(good, "username", "USERNAME", 1), 400, "MISSING_FIELDS_ERROR", []string{"username"}},
		{"wrongly cased password", strings.Replace(good, "password", "Password", 1), 400, "MISSING_FIELDS_ERROR", []string{"password"}},
		{"no user name", `{"password":"x"}`, 400, "MISSING_FIELDS_ERROR", []string{"username"}},
		{"no password", `{"username":"ada"}`, 400, "MISSING_FIELDS_ERROR", []string{"password"}},
		{"empty user name", `{"username":"","password":"x"}`, 400, "MISSING_FIELDS_ERROR", []string{"username"}},
		{"blank user name", `{"username":" \t\n ","password":"x"}`, 400, "MISSING_FIELDS_ERROR", []string{"username"}},
		{"empty password", `{"username":"ada","password":""}`, 400, "MISSING_FIELDS_ERROR", []string{"password"}},
		{"user name is null", `{"username":null,"password":"x"}`, 400, "MISSING_FIELDS_ERROR", []string{"username"}},
		{"user name is a number", `{"username":5,"password":"x"}`, 400, "MISSING_FIELDS_ERROR", []string{"username"}},
		{"password is a list", `{"username":"ada","password":["x"]}`, 400, "MISSING_FIELDS_ERROR", []string{"password"}},
		{"both wrong", `{"username":{},"password":true}`, 400, "MISSING_FIELDS_ERROR", both},
		{"rememberMe is text", with(`"rememberMe":"true"`), 400, "MISSING_FIELDS_ERROR", []string{"rememberMe"}},
		{"rememberMe is a number", with(`"rememberMe":1`), 400, "MISSING_FIELDS_ERROR", []string{"rememberMe"}},
		{"all wrong", `{"username":1,"password":2,"rememberMe":3}`, 400, "MISSING_FIELDS_ERROR", []string{"username", "password", "rememberMe"}},
		{"one byte over the limit", filled(102_401), 413, "BODY_TOO_LARGE_ERROR", nil},
		{"far over the limit", filled(1 << 20), 413, "BODY_TOO_LARGE_ERROR", nil},
		{"deep", strings.Repeat(`{"a":`, 17_000), 400, "MISSING_FIELDS_ERROR", both},
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			got := r.as(t).do(request{method: "POST", path: "/login", body: tt.body})
			got.is(t, tt.status, tt.code)
			var body struct {
				Fields []string `json:"fields"`
			}
			if err := json.Unmarshal([]byte(got.text), &body); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.fields, body.Fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
	r.unchanged(t, before)

	accepted := map[string]string{
		"plain":                    good,
		"white space around":       "\r\n\t " + good + " \n",
		"more members":             with(`"x":{"username":5},"USERNAME":"eve"`),
		"escaped":                  strings.Replace(good, "username", `\u0075sername`, 1),
		"rememberMe is false":      with(`"rememberMe":false`),
		"rememberMe is null":       with(`"rememberMe":null`),
		"as long as a body can be": filled(102_400),
	}
	for name, body := range accepted {
		t.Run(name, func(t *testing.T) {
			r.as(t).do(request{method: "POST", path: "/login", body: body}).is(t, 201, "")
		})
	}
}

// How a body is sent makes no difference to what it may hold.
func TestLoginBodiesInPieces(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	good := `{"username":"ada","password":"` + password + `"}`
	chunked := func(pieces ...string) string {
		text := rawRequest("POST", "/api/login", "Transfer-Encoding", "chunked")
		for _, piece := range append(pieces, "") {
			text += fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
		}
		return text
	}
	tests := []struct {
		name, text string
		status     int
		code       string
	}{
		{"chunked", chunked(good[:7], good[7:]), 201, ""},
		{"chunked to the limit", chunked(good, strings.Repeat(" ", 102_400-len(good))), 201, ""},
		{"chunked, one byte over", chunked(good, strings.Repeat(" ", 102_400-len(good)), " "), 413, "BODY_TOO_LARGE_ERROR"},
		{"chunked, broken off", strings.TrimSuffix(chunked(good), "0\r\n\r\n") + "zz\r\n", 400, "MISSING_FIELDS_ERROR"},
		{"another content type", rawBody("POST", "/api/login", good, "Content-Type", "text/plain"), 201, ""},
		{"HTTP/1.0", fmt.Sprintf("POST /api/login HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", len(good), good), 201, ""},
		{"no length", rawRequest("POST", "/api/login") + good, 400, "MISSING_FIELDS_ERROR"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.as(t).raw(tt.text).is(t, tt.status, tt.code)
		})
	}
}

// Names do not depend on case, on white space around them, nor on how an accent
// is written.
func TestLoginNames(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("Ada Lovelace")
	r.addUser("Zoë")
	r.addUser("Straße")
	tests := []struct {
		username string
		status   int
		code     string
	}{
		{"Ada Lovelace", 201, ""},
		{"ada lovelace", 201, ""},
		{"ADA LOVELACE", 201, ""},
		{" \t\nAda Lovelace \r\n", 201, ""},
		{"zoë", 201, ""},
		{"ZOE\u0308", 201, ""},
		{"STRASSE", 201, ""},
		{"Ada  Lovelace", 404, "INVALID_USER_ERROR"},
		{"AdaLovelace", 404, "INVALID_USER_ERROR"},
		{"Zoe", 404, "INVALID_USER_ERROR"},
		{"eve", 404, "INVALID_USER_ERROR"},
		{ada.ID, 404, "INVALID_USER_ERROR"},
		{"me", 404, "INVALID_USER_ERROR"},
		{"Ada Lovelace\x00", 404, "INVALID_USER_ERROR"},
		{"*", 404, "INVALID_USER_ERROR"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%q", tt.username), func(t *testing.T) {
			r.as(t).do(loginRequest(tt.username, password)).is(t, tt.status, tt.code)
		})
	}
}

// A password is right byte for byte, over its whole length, or wrong.
func TestLoginPasswords(t *testing.T) {
	t.Parallel()
	r := start(t)
	longest := strings.Repeat("0123456789ab", 6)
	r.addUser("ada")
	r.addAccount(redisstore.NewUser{Username: "long", PasswordHash: hashOf(t, longest)})
	r.addAccount(redisstore.NewUser{Username: "blank", PasswordHash: hashOf(t, "  ")})
	r.addAccount(redisstore.NewUser{Username: "php", PasswordHash: strings.Replace(testHash(), "$2a$", "$2y$", 1)})
	tests := []struct {
		name, username, password string
		status                   int
	}{
		{"right", "ada", password, 201},
		{"72 bytes", "long", longest, 201},
		{"white space", "blank", "  ", 201},
		{"hashed by another implementation", "php", password, 201},
		{"wrong", "ada", wrongPassword, 401},
		{"space before", "ada", " " + password, 401},
		{"space behind", "ada", password + " ", 401},
		{"other case", "ada", strings.ToUpper(password), 401},
		{"less", "ada", password[1:], 401},
		{"NUL behind", "ada", password + "\x00", 401},
		{"NUL and junk behind", "ada", password + "\x00" + "junk", 401},
		{"NUL alone", "ada", "\x00", 401},
		{"72 right bytes and one more", "long", longest + "!", 401},
		{"72 right bytes and a NUL", "long", longest + "\x00", 401},
		{"71 of 72 bytes", "long", longest[:71], 401},
		{"100 kB", "long", strings.Repeat(longest, 1400), 401},
		{"the hash itself", "ada", testHash(), 401},
		{"less white space", "blank", " ", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code := ""
			if tt.status == 401 {
				code = "INVALID_PASSWORD_ERROR"
			}
			r.as(t).do(loginRequest(tt.username, tt.password)).is(t, tt.status, code)
		})
	}
}

// The rules are applied in their order: each request here breaks several, and
// the first decides.
func TestLoginRulesInOrder(t *testing.T) {
	t.Parallel()
	r := start(t, trust, func(c *config.Config) {
		c.Limits.Login = config.Limit{Requests: 1, Window: 1000 * time.Hour}
	})
	from := func(address string, req request) request {
		req.headers = append(req.headers, "X-Forwarded-For", address)
		return req
	}
	as := func(token string, req request) request {
		req.token = token
		return req
	}
	r.addUser("ada")
	token := r.login("ada", "X-Forwarded-For", "192.0.2.1")
	banned := r.addUser("banned")
	bannedToken := r.login("banned", "X-Forwarded-For", "192.0.2.2")
	if _, err := r.store.BanUser(t.Context(), banned.ID); err != nil {
		t.Fatal(err)
	}
	bad := request{method: "POST", path: "/login", body: "{"}
	large := request{method: "POST", path: "/login", body: strings.Repeat(" ", 102_401)}

	r.exchanges(t, []exchange{
		{"limit before session", from("192.0.2.1", as(token, bad)), 429, "RATELIMITED_ERROR"},
		{"limit before size", from("192.0.2.1", large), 429, "RATELIMITED_ERROR"},
		{"session before body", from("192.0.2.3", as(token, bad)), 401, "INVALID_SESSION_ERROR"},
		{"session before size", from("192.0.2.4", as(token, large)), 401, "INVALID_SESSION_ERROR"},
		{"session before user", from("192.0.2.5", as(token, loginRequest("eve", password))), 401, "INVALID_SESSION_ERROR"},
		{"session before ban", from("192.0.2.6", as(bannedToken, loginRequest("banned", password))), 401, "INVALID_SESSION_ERROR"},
		{"body before user", from("192.0.2.7", request{method: "POST", path: "/login", body: `{"username":"eve"}`}), 400, "MISSING_FIELDS_ERROR"},
		{"user before password", from("192.0.2.8", loginRequest("eve", wrongPassword)), 404, "INVALID_USER_ERROR"},
		{"password before ban", from("192.0.2.9", loginRequest("banned", wrongPassword)), 401, "INVALID_PASSWORD_ERROR"},
		{"ban", from("192.0.2.10", loginRequest("banned", password)), 403, "BANNED_ERROR"},
	})
}

// A live session is refused, whoever's it is; any other token is no obstacle,
// so that a client can log in again.
func TestLoginWithAuthorization(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	r.addUser("bob")
	gone := r.addUser("gone")
	live, bobs, revoked, orphan := r.login("ada"), r.login("bob"), r.login("ada"), r.login("gone")
	r.delete(revoked, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
	if _, err := r.store.RemoveUser(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	forged := startOn(t, r.redis).replica().login("ada")

	refused := map[string][]string{
		"live":                 {live},
		"live, with Bearer":    {"Bearer " + live},
		"live, with bearer":    {"bearer " + live},
		"another user's, live": {bobs},
	}
	for name, lines := range refused {
		t.Run(name, func(t *testing.T) {
			got := r.as(t).do(loginRequest("ada", password, headerLines("Authorization", lines)...))
			got.is(t, 401, "INVALID_SESSION_ERROR")
			if got.header.Get("RateLimit-Limit") == "" {
				t.Errorf("headers %v", got.header)
			}
		})
	}
	ignored := map[string][]string{
		"revoked":             {revoked},
		"of a removed user":   {orphan},
		"of another key":      {forged},
		"malformed":           {"x"},
		"empty":               {""},
		"scheme alone":        {"Bearer"},
		"another scheme":      {"Basic YWRhOng="},
		"two lines":           {live, live},
		"cut off":             {live[:len(live)-1]},
		"stale beside a live": {live + "," + revoked},
		"10 kB":               {strings.Repeat("x", 10_000)},
	}
	for name, lines := range ignored {
		t.Run(name, func(t *testing.T) {
			r.as(t).do(loginRequest("ada", password, headerLines("Authorization", lines)...)).is(t, 201, "")
		})
	}
}

// A session that has expired is no obstacle either.
func TestLoginWithExpiredSession(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Sessions.TTL = time.Second })
	r.addUser("ada")
	token := r.login("ada")
	eventually(t, "the session to expire", func() bool {
		return r.get(token, "/users/me/sessions/me").status == 401
	})
	r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	r.do(loginRequest("ada", password, "Authorization", token)).is(t, 201, "")
}

// The answer, the token and the session say the same.
func TestLoginAnswer(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	tests := []struct {
		name, username, body, issuer string
		lives                        int64
	}{
		{"24 hours", "ada", `{}`, "", 86_400},
		{"remembered for 10 years", "bob", `{"rememberMe":true}`, "", 315_576_000},
		{"not remembered", "eve", `{"rememberMe":false}`, "", 86_400},
		{"with an issuer", "joe", `{}`, "https://sessiond.test", 86_400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := startOn(t, server, func(c *config.Config) { c.Tokens.Issuer = tt.issuer }).replica()
			user := r.addUser(tt.username)
			login := loginRequest(tt.username, password)
			if members := tt.body[1:]; members != "}" {
				login.body = login.body[:len(login.body)-1] + "," + members
			}
			got := r.do(login)
			got.is(t, 201, "")
			if diff := cmp.Diff([]string{"exp", "token"}, names(got.object(t))); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
			token := got.field(t, "token")
			session := r.get(token, "/users/me/sessions/me")
			session.is(t, 200, "")
			created, err := time.Parse(time.RFC3339, session.field(t, "createdAt"))
			if err != nil {
				t.Fatal(err)
			}
			exp := strconv.FormatInt(created.Unix()+tt.lives, 10)
			if got.field(t, "exp") != exp || session.field(t, "exp") != exp {
				t.Errorf("exp %s and %s, want %s", got.field(t, "exp"), session.field(t, "exp"), exp)
			}

			header, claims := decodeToken(t, token)
			wantHeader := map[string]any{"alg": "ES256", "typ": "JWT", "kid": r.keyring.Keys()[0].ID}
			if diff := cmp.Diff(wantHeader, header); diff != "" {
				t.Errorf("token header (-want +got):\n%s", diff)
			}
			wantClaims := map[string]any{
				"sub": user.ID, "sid": session.field(t, "id"),
				"iat": json.Number(strconv.FormatInt(created.Unix(), 10)), "exp": json.Number(exp),
			}
			if tt.issuer != "" {
				wantClaims["iss"] = tt.issuer
			}
			if diff := cmp.Diff(wantClaims, claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

// A session is named by its client or after its user agent.
func TestLoginSessionName(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	tests := []struct {
		name    string
		headers []string
		want    string
	}{
		{"custom", []string{"X-Session-Name", "Way Cool Cumulonimbus Session", "User-Agent", "curl/8.4.0"}, "Way Cool Cumulonimbus Session"},
		{"user agent", []string{"User-Agent", "curl/8.4.0"}, "curl v8 on an Unknown OS"},
		{"Go's own user agent", nil, "Go-http-client v1 on an Unknown OS"},
		{"blank name", []string{"X-Session-Name", "  ", "User-Agent", "curl/8.4.0"}, "curl v8 on an Unknown OS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := r.as(t)
			token := r.login("ada", tt.headers...)
			if got := r.get(token, "/users/me/sessions/me").field(t, "name"); got != tt.want {
				t.Errorf("name %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("no user agent", func(t *testing.T) {
		r := r.as(t)
		got := r.raw(rawBody("POST", "/api/login", loginRequest("ada", password).body))
		got.is(t, 201, "")
		session := r.get(got.field(t, "token"), "/users/me/sessions/me")
		if name := session.field(t, "name"); name != "Unknown Browser on an Unknown OS" {
			t.Errorf("name %q", name)
		}
	})
}

// A hash weaker than new ones is replaced by the first login that can.
func TestLoginStrengthensTheHash(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Passwords.BcryptCost = bcrypt.MinCost + 1 })
	ada := r.addUser("ada")
	cost := func() int {
		user, _, err := r.store.User(t.Context(), ada.ID)
		if err != nil {
			t.Fatal(err)
		}
		cost, err := bcrypt.Cost([]byte(user.PasswordHash))
		if err != nil {
			t.Fatal(err)
		}
		return cost
	}
	r.do(loginRequest("ada", wrongPassword)).is(t, 401, "INVALID_PASSWORD_ERROR")
	if got := cost(); got != bcrypt.MinCost {
		t.Errorf("cost %d after a wrong password", got)
	}
	token := r.login("ada")
	if got := cost(); got != bcrypt.MinCost+1 {
		t.Errorf("cost %d after a login", got)
	}
	r.get(token, "/users/me/sessions/me").is(t, 200, "")
	r.login("ada")
}

func hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// headerLines are header lines of one name, as pairs.
func headerLines(name string, values []string) []string {
	var lines []string
	for _, value := range values {
		lines = append(lines, name, value)
	}
	return lines
}

// decodeToken reads a token's header and claims without checking anything.
func decodeToken(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token of %d parts", len(parts))
	}
	read := func(part string) map[string]any {
		text, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		return answer{text: string(text)}.object(t)
	}
	return read(parts[0]), read(parts[1])
}
