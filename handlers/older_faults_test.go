package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

// The tests of this file hold what the system before this one got wrong, one
// for each fault that was seen.

// Two logins of one user in the same second shared a session ID: deleting one
// killed both.
func TestOlderFaultLoginsOfOneSecondSharedAnID(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	first, second := r.sameSecond(t, "ada")
	a, b := r.session(first), r.session(second)
	if a == b {
		t.Fatalf("both sessions are %s", a)
	}
	r.delete(first, "/users/me/sessions/"+a).is(t, 200, "DELETE_SESSION_SUCCESS")
	r.get(first, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	r.get(second, "/users/me/sessions/me").is(t, 200, "")
}

// A revoked token came back to life at the next login in that second.
func TestOlderFaultRevokedTokenRevivedByALogin(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	// By whichever request a session ended, its ID is never given again.
	for _, deletion := range []request{
		{method: "DELETE", path: "/users/me/sessions/me"},
		{method: "DELETE", path: "/users/me/sessions", body: `{"ids":["me"]}`},
		{method: "DELETE", path: "/users/me/sessions/all?include-self=true"},
	} {
		var revoked, next string
		eventually(t, "a deletion and a login within a second", func() bool {
			revoked = r.login("ada")
			deletion.token = revoked
			r.do(deletion).is(t, 200, "")
			next = r.login("ada")
			return issuedAt(t, revoked) == issuedAt(t, next)
		})
		r.get(revoked, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
		r.get(next, "/users/me/sessions/me").is(t, 200, "")
	}
}

// Nor is the ID given again within the millisecond, or by a clock that was set
// back: the account remembers the greatest.
func TestOlderFaultRevokedTokenRevivedByTheClock(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	last := time.Now().Add(time.Hour).UnixMilli()
	r.redis.CLI("HSET", "user:{"+ada.ID+"}", "lastSession", strconv.FormatInt(last, 10))
	revoked := []string{}
	for i := range int64(5) {
		token := r.login("ada")
		if sid := r.session(token); sid != strconv.FormatInt(last+1+i, 10) {
			t.Errorf("session %s after %d", sid, last+i)
		}
		r.delete(token, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
		revoked = append(revoked, token)
		for _, token := range revoked {
			r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
		}
	}
}

// sameSecond logs in twice within one second.
func (r *replica) sameSecond(t *testing.T, name string) (first, second string) {
	t.Helper()
	eventually(t, "two logins within a second", func() bool {
		first, second = r.login(name), r.login(name)
		return issuedAt(t, first) == issuedAt(t, second)
	})
	return first, second
}

func issuedAt(t *testing.T, token string) string {
	t.Helper()
	_, claims := decodeToken(t, token)
	return fmt.Sprint(claims["iat"])
}

// A login that overlapped a deletion wrote the deleted session back.
func TestOlderFaultLoginWroteADeletedSessionBack(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	replicas := []*replica{s.replica(), s.replica()}
	s.addUser("ada")
	for range 10 {
		doomed := replicas[0].login("ada")
		answers := together(t, 2, func(i int) (answer, error) {
			if i == 0 {
				return replicas[0].try(request{method: "DELETE", path: "/users/me/sessions/me", token: doomed})
			}
			return replicas[1].try(loginRequest("ada", password))
		})
		answers[0].is(t, 200, "DELETE_SESSION_SUCCESS")
		answers[1].is(t, 201, "")
		for _, r := range replicas {
			r.get(doomed, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
		}
	}
	if live := s.keys("session:*"); len(live) != 10 {
		t.Errorf("%d sessions after 10 logins", len(live))
	}
}

// Of two logins that overlapped, one token was dead on arrival.
func TestOlderFaultOverlappingLoginDeadOnArrival(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	replicas := []*replica{s.replica(), s.replica()}
	s.addUser("ada")
	for range 10 {
		for _, token := range together(t, 2, func(i int) (string, error) { return replicas[i].tryLogin() }) {
			for _, r := range replicas {
				r.get(token, "/users/me/sessions/me").is(t, 200, "")
			}
		}
	}
}

// `DELETE /users/me/sessions` with one of these bodies ended the process.
func TestOlderFaultBodyEndedTheProcess(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	for _, body := range []string{``, `{"x":1}`, `{"ids":"me"}`, `null`, `5`} {
		t.Run(body, func(t *testing.T) {
			r := r.as(t)
			got := r.do(request{method: "DELETE", path: "/users/me/sessions", token: token, body: body})
			got.is(t, 400, "MISSING_FIELDS_ERROR")
			if !strings.Contains(got.text, `"fields":["ids"]`) {
				t.Errorf("body %s", got.text)
			}
			r.get(token, "/users/me/sessions/me").is(t, 200, "")
		})
	}
}

// `ids` given as a string deleted by substring.
func TestOlderFaultIDsDeletedBySubstring(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	own, other := r.session(token), r.session(r.login("ada"))
	for _, ids := range []string{`"` + own + `"`, `"` + own + "," + other + `"`, `"` + own[:10] + `"`, `"` + own + other + `"`} {
		r.deleteIDs(token, "/users/me/sessions", ids).is(t, 400, "MISSING_FIELDS_ERROR")
	}
	// Part of an ID names another session or none.
	for _, ids := range []string{`["` + own[:10] + `"]`, `["` + own[3:] + `"]`, `[` + own[:12] + `]`} {
		r.deleteIDs(token, "/users/me/sessions", ids).is(t, 404, "INVALID_SESSION_ERROR")
	}
	if count, _ := listOf(t, r.get(token, "/users/me/sessions")); count != 2 {
		t.Errorf("%d sessions are left", count)
	}
}

// A new X-Forwarded-For value was a new login bucket.
func TestOlderFaultForwardedForGaveANewLoginBucket(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	for name, changes := range map[string][]func(*config.Config){
		"sent to us":       {loginLimit(3)},
		"through a proxy":  {loginLimit(3), trust},
		"longer and wrong": {loginLimit(3), trust},
	} {
		t.Run(name, func(t *testing.T) {
			server.CLI("FLUSHALL")
			r := startOn(t, server, changes...).replica()
			for i := range 6 {
				invented := "203.0.113." + strconv.Itoa(i)
				// A trusted proxy adds what it saw, on the right.
				forwarded := map[string]string{
					"sent to us":       invented,
					"through a proxy":  invented + ", 192.0.2.1",
					"longer and wrong": invented + ", x" + strings.Repeat(", 127.0.0.1", i) + ", 192.0.2.1",
				}[name]
				got := r.do(loginRequest("eve", password, "X-Forwarded-For", forwarded))
				if want := map[bool]int{true: 404, false: 429}[i < 3]; got.status != want {
					t.Errorf("login %d: status %d, want %d", i, got.status, want)
				}
			}
		})
	}
}

// The limit was counted per process and reset at restart.
func TestOlderFaultLoginLimitPerProcess(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t), loginLimit(3))
	first, second := s.replica(), s.replica()
	for i := range 3 {
		[]*replica{first, second}[i%2].do(loginRequest("eve", password)).is(t, 404, "INVALID_USER_ERROR")
	}
	first.do(loginRequest("eve", password)).is(t, 429, "RATELIMITED_ERROR")
	second.do(loginRequest("eve", password)).is(t, 429, "RATELIMITED_ERROR")
	first.stop()
	second.stop()
	s.replica().do(loginRequest("eve", password)).is(t, 429, "RATELIMITED_ERROR")
}

// A fixed window let 6 logins through around its edge.
func TestOlderFaultSixLoginsAroundAWindowsEdge(t *testing.T) {
	t.Parallel()
	r := start(t, loginLimit(3)) // Three in three hours.
	admitted := 0
	try := func() {
		for range 4 {
			if got := r.do(loginRequest("eve", password)); got.status != 429 {
				got.is(t, 404, "INVALID_USER_ERROR")
				admitted++
			}
		}
	}
	// Wherever a window's edge may lie: four tries every quarter of an hour, for
	// three hours less a minute.
	try()
	for range 11 {
		r.passTime(t, 15*time.Minute)
		try()
	}
	r.passTime(t, 14*time.Minute)
	try()
	// A burst of three, and one after each hour.
	if admitted != 5 {
		t.Errorf("%d logins in a window of 3", admitted)
	}
}

// `limit=2` gave the oldest two, and pages did not follow the order of the
// whole list.
func TestOlderFaultPagesOutOfOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	var token string
	newestFirst := make([]string, 7)
	for i := range newestFirst {
		token = r.login("ada")
		newestFirst[len(newestFirst)-1-i] = r.session(token)
	}
	_, two := listOf(t, r.get(token, "/users/me/sessions?limit=2"))
	if fmt.Sprint(two) != fmt.Sprint(newestFirst[:2]) {
		t.Errorf("limit=2 shows %v, want %v", two, newestFirst[:2])
	}
	var pages []string
	for offset := 0; offset < 8; offset += 3 {
		_, page := listOf(t, r.get(token, fmt.Sprintf("/users/me/sessions?limit=3&offset=%d", offset)))
		pages = append(pages, page...)
	}
	if _, whole := listOf(t, r.get(token, "/users/me/sessions")); fmt.Sprint(pages) != fmt.Sprint(whole) || fmt.Sprint(whole) != fmt.Sprint(newestFirst) {
		t.Errorf("pages %v, whole list %v, want %v", pages, whole, newestFirst)
	}
}

// A banned user's live token still worked.
func TestOlderFaultBannedUsersTokenWorked(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	token := r.login("ada")
	r.get(token, "/users/me/sessions/me").is(t, 200, "")
	if _, err := r.store.BanUser(t.Context(), ada.ID); err != nil {
		t.Fatal(err)
	}
	for _, req := range []request{
		{method: "GET", path: "/users/me/sessions/me"},
		{method: "GET", path: "/users/me/sessions"},
		{method: "DELETE", path: "/users/me/sessions/me"},
		{method: "DELETE", path: "/users/me/sessions", body: `{"ids":["me"]}`},
		{method: "DELETE", path: "/users/me/sessions/all?include-self=1"},
	} {
		req.token = token
		r.do(req).is(t, 403, "BANNED_ERROR")
	}
	// A ban ends no session: those that still live go on when it is lifted.
	if _, err := r.store.UnbanUser(t.Context(), ada.ID); err != nil {
		t.Fatal(err)
	}
	r.get(token, "/users/me/sessions/me").is(t, 200, "")
}

// Wrong passwords did not count towards the limit.
func TestOlderFaultWrongPasswordsDidNotCount(t *testing.T) {
	t.Parallel()
	r := start(t, loginLimit(3))
	r.addUser("ada")
	for range 3 {
		r.do(loginRequest("ada", wrongPassword)).is(t, 401, "INVALID_PASSWORD_ERROR")
	}
	r.do(loginRequest("ada", password)).is(t, 429, "RATELIMITED_ERROR")
}

// Unknown `include-self` values meant yes.
func TestOlderFaultUnknownIncludeSelfMeantYes(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	for _, value := range []string{"no", "FALSE", "off", "0", "null", "undefined", ""} {
		r.delete(token, "/users/me/sessions/all?include-self="+value).is(t, 200, "DELETE_SESSIONS_SUCCESS")
		r.get(token, "/users/me/sessions/me").is(t, 200, "")
	}
}

// No user agent, bad JSON or a bad `%` escape gave an HTML page with a stack
// trace.
func TestOlderFaultHTMLWithAStackTrace(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	body := loginRequest("ada", password).body
	tests := []struct {
		name, text string
		status     int
		code       string
	}{
		{"no user agent", rawBody("POST", "/api/login", body), 201, ""},
		{"bad JSON", rawBody("POST", "/api/login", `{"username":`, "Content-Type", "application/json"), 400, "MISSING_FIELDS_ERROR"},
		{"bad JSON in a deletion", rawBody("DELETE", "/api/users/me/sessions", `{"ids":[`, "Authorization", token, "Content-Type", "application/json"), 400, "MISSING_FIELDS_ERROR"},
		{"bad escape in a query", rawRequest("GET", "/api/users/me/sessions?limit=%", "Authorization", token), 200, ""},
		{"bad UTF-8 in a path", rawRequest("GET", "/api/users/%ff/sessions", "Authorization", token), 403, "INSUFFICIENT_PERMISSIONS_ERROR"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.as(t).raw(tt.text).is(t, tt.status, tt.code)
		})
	}
	// A bad escape in a path is refused before any handler runs.
	got := r.raw(rawRequest("GET", "/api/users/%zz/sessions", "Authorization", token))
	if got.status != http.StatusBadRequest || strings.Contains(got.text, "<") || strings.Contains(got.text, ".go:") {
		t.Errorf("status %d, body %s", got.status, got.text)
	}
}

// Session names had no bound.
func TestOlderFaultUnboundedSessionNames(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada", "X-Session-Name", strings.Repeat("n", 60_000))
	if name := r.get(token, "/users/me/sessions/me").field(t, "name"); name != strings.Repeat("n", 256) {
		t.Errorf("a name of %d bytes", len(name))
	}
}

// The number of sessions had no bound.
func TestOlderFaultUnboundedSessions(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	first := r.login("ada")
	// 99 more, without the work of comparing passwords.
	for range r.config.Sessions.MaxPerUser - 1 {
		_, outcome, err := r.store.CreateSession(t.Context(), redisstore.NewSession{
			UserID: ada.ID, PasswordHash: testHash(), Name: "one of many", TTL: time.Hour,
		})
		if err != nil || outcome != redisstore.Created {
			t.Fatal(outcome, err)
		}
	}
	r.get(first, "/users/me/sessions/me").is(t, 200, "")
	last := r.login("ada")
	r.get(first, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	if count, _ := listOf(t, r.get(last, "/users/me/sessions")); count != 100 {
		t.Errorf("%d sessions", count)
	}
	held, err := r.redis.Client().ZCard(context.Background(), r.keys("sessions:*")[0]).Result()
	if err != nil || held != 100 || len(r.keys("session:*")) != 100 {
		t.Errorf("the index holds %d, Redis %d sessions, %v", held, len(r.keys("session:*")), err)
	}
}
