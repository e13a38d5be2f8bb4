package handlers_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
)

// loginLimit and apiLimit set limits whose windows outlast every test.
func loginLimit(requests int) func(*config.Config) {
	return func(c *config.Config) {
		c.Limits.Login = config.Limit{Requests: requests, Window: time.Duration(requests) * time.Hour}
	}
}

func apiLimit(requests int) func(*config.Config) {
	return func(c *config.Config) { c.Limits.API.Requests = requests }
}

// remaining is what an answer says is left of its limit.
func (a answer) remaining(t *testing.T) int {
	t.Helper()
	return a.number(t, "RateLimit-Remaining")
}

// number reads a header that is a whole number.
func (a answer) number(t *testing.T, header string) int {
	t.Helper()
	n, err := strconv.Atoi(a.header.Get(header))
	if err != nil {
		t.Fatalf("status %d, %s %q: %v", a.status, header, a.header.Get(header), err)
	}
	return n
}

// The login limit is one for all replicas, and outlives them.
func TestLoginLimitIsSharedByReplicas(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t), loginLimit(3))
	first, second := s.replica(), s.replica()
	s.addUser("ada")

	for i, r := range []*replica{first, second, first} {
		got := r.do(loginRequest("ada", password))
		got.is(t, 201, "")
		if limit, left := got.number(t, "RateLimit-Limit"), got.remaining(t); limit != 3 || left != 2-i {
			t.Errorf("login %d: limit %d, remaining %d", i, limit, left)
		}
		if reset := got.number(t, "RateLimit-Reset"); reset <= i*3600 || reset > (i+1)*3600 {
			t.Errorf("login %d: reset in %d s", i, reset)
		}
		if retry := got.header.Get("Retry-After"); retry != "" {
			t.Errorf("login %d: Retry-After %s", i, retry)
		}
	}
	for _, r := range []*replica{first, second, s.replica()} {
		got := r.do(loginRequest("ada", password))
		got.is(t, 429, "RATELIMITED_ERROR")
		if message := got.field(t, "message"); message != "You Have Been Ratelimited. Please Try Again Later." {
			t.Errorf("message %q", message)
		}
		if got.number(t, "RateLimit-Limit") != 3 || got.remaining(t) != 0 {
			t.Errorf("headers %v", got.header)
		}
		if retry := got.number(t, "Retry-After"); retry < 1 || retry > 3600 {
			t.Errorf("Retry-After %d s", retry)
		}
		if reset := got.number(t, "RateLimit-Reset"); reset <= 2*3600 || reset > 3*3600 {
			t.Errorf("reset in %d s", reset)
		}
	}
}

// Every login counts, whatever it is answered with.
func TestEveryLoginCounts(t *testing.T) {
	t.Parallel()
	r := start(t, loginLimit(8))
	banned := r.addUser("banned")
	r.addUser("ada")
	token := r.login("ada")
	if _, err := r.store.BanUser(t.Context(), banned.ID); err != nil {
		t.Fatal(err)
	}
	logins := []exchange{
		{"no body", request{method: "POST", path: "/login"}, 400, "MISSING_FIELDS_ERROR"},
		{"too large", request{method: "POST", path: "/login", body: strings.Repeat(" ", 102_401)}, 413, "BODY_TOO_LARGE_ERROR"},
		{"signed in", request{method: "POST", path: "/login", token: token}, 401, "INVALID_SESSION_ERROR"},
		{"unknown user", loginRequest("eve", password), 404, "INVALID_USER_ERROR"},
		{"wrong password", loginRequest("ada", wrongPassword), 401, "INVALID_PASSWORD_ERROR"},
		{"banned", loginRequest("banned", password), 403, "BANNED_ERROR"},
		{"right", loginRequest("ada", password), 201, ""},
		{"refused", loginRequest("ada", password), 429, "RATELIMITED_ERROR"},
	}
	for i, e := range logins {
		got := r.do(e.request)
		got.is(t, e.status, e.code)
		if left, want := got.remaining(t), max(6-i, 0); left != want {
			t.Errorf("%s: %d left, want %d", e.name, left, want)
		}
	}
	// The rest of the API has a limit of its own.
	r.get(token, "/users/me/sessions/me").is(t, 200, "")
}

// A refused login may be repeated after Retry-After, and by then one has its
// place: a burst of three, then one an hour.
func TestLoginRetryAfter(t *testing.T) {
	t.Parallel()
	r := start(t, loginLimit(3))
	r.addUser("ada")
	for range 3 {
		r.login("ada")
	}
	refused := r.do(loginRequest("ada", password))
	refused.is(t, 429, "RATELIMITED_ERROR")
	wait := time.Duration(refused.number(t, "Retry-After")) * time.Second

	r.passTime(t, wait/2)
	r.do(loginRequest("ada", password)).is(t, 429, "RATELIMITED_ERROR")
	r.passTime(t, wait-wait/2)
	r.login("ada")
	r.do(loginRequest("ada", password)).is(t, 429, "RATELIMITED_ERROR")

	r.passTime(t, 3*time.Hour)
	for range 3 {
		r.login("ada")
	}
	r.do(loginRequest("ada", password)).is(t, 429, "RATELIMITED_ERROR")
}

// passTime ages what the login limiter knows of the tests' own address, which
// is the time at which its whole allowance is there again.
func (r *replica) passTime(t *testing.T, d time.Duration) {
	t.Helper()
	ctx := context.Background()
	rdb := r.redis.Client()
	const key = "rate:login:127.0.0.1"
	full, err := rdb.Get(ctx, key).Float64()
	if err != nil {
		t.Fatal(err)
	}
	if err := rdb.Set(ctx, key, full-d.Seconds(), time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
}

// Which requests share an allowance: those of one client IP, as the trusted
// proxies tell it.
func TestLoginLimitByClientIP(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	trusting := startOn(t, server, loginLimit(1), trust).replica()
	trustingNobody := startOn(t, server, loginLimit(1)).replica()
	forwarded := func(lines ...string) []string { return headerLines("X-Forwarded-For", lines) }
	tests := []struct {
		name          string
		replica       *replica
		first, second []string
		shared        bool
	}{
		{"same address", trusting, forwarded("192.0.2.1"), forwarded("192.0.2.1"), true},
		{"another address", trusting, forwarded("192.0.2.2"), forwarded("192.0.2.3"), false},
		{"rightmost counts", trusting, forwarded("198.51.100.1, 192.0.2.4"), forwarded("198.51.100.2, 192.0.2.4"), true},
		{"lines are joined", trusting, forwarded("198.51.100.1", "192.0.2.5"), forwarded("198.51.100.2, 192.0.2.5"), true},
		{"trusted proxies are passed over", trusting, forwarded("192.0.2.6, 127.0.0.9"), forwarded("192.0.2.6", "127.0.0.8"), true},
		{"IPv4 written as IPv6", trusting, forwarded("::ffff:192.0.2.7"), forwarded("192.0.2.7"), true},
		{"with port", trusting, forwarded("192.0.2.8:1234"), forwarded("192.0.2.8:4321"), true},
		{"IPv6 with port", trusting, forwarded("[2001:db8:1::1]:1234"), forwarded("2001:db8:1::1"), true},
		{"zone", trusting, forwarded("fe80::1%eth0"), forwarded("fe80::1%eth1"), true},
		{"one IPv6 network", trusting, forwarded("2001:db8:2::1"), forwarded("2001:db8:2::ffff:ffff:ffff:ffff"), true},
		{"two IPv6 networks", trusting, forwarded("2001:db8:3:1::1"), forwarded("2001:db8:3:2::1"), false},
		{"rubbish ends the walk", trusting, forwarded("198.51.100.1, rubbish, 192.0.2.9"), forwarded("198.51.100.2, *, 192.0.2.9"), true},
		{"no trusted proxy", trustingNobody, forwarded("192.0.2.10"), forwarded("192.0.2.11"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.replica.as(t)
			r.do(loginRequest("eve", password, tt.first...)).is(t, 404, "INVALID_USER_ERROR")
			got := r.do(loginRequest("eve", password, tt.second...))
			if shared := got.status == 429; shared != tt.shared {
				t.Errorf("status %d: shared is %t, want %t", got.status, shared, tt.shared)
			}
		})
	}
}

// The API limit is one for all of a user's sessions and addresses, on all
// replicas.
func TestAPILimitOfAUser(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t), apiLimit(4), trust)
	first, second := s.replica(), s.replica()
	s.addUser("ada")
	s.addUser("bob")
	token, another, bobs := first.login("ada"), first.login("ada"), first.login("bob")
	get := func(token, address string) request {
		return request{method: "GET", path: "/users/me/sessions/me", token: token, headers: []string{"X-Forwarded-For", address}}
	}

	for i, got := range []answer{
		first.do(get(token, "192.0.2.1")), second.do(get(token, "192.0.2.1")),
		first.do(get(another, "192.0.2.1")), second.do(get(token, "192.0.2.2")),
	} {
		got.is(t, 200, "")
		if limit, left := got.number(t, "RateLimit-Limit"), got.remaining(t); limit != 4 || left != 3-i {
			t.Errorf("request %d: limit %d, remaining %d", i, limit, left)
		}
		if got.number(t, "RateLimit-Reset") < 1 || got.header.Get("Retry-After") != "" {
			t.Errorf("request %d: headers %v", i, got.header)
		}
	}
	for _, r := range []*replica{first, second} {
		got := r.do(get(another, "192.0.2.3"))
		got.is(t, 429, "RATELIMITED_ERROR")
		if got.remaining(t) != 0 || got.number(t, "Retry-After") != got.number(t, "RateLimit-Reset") {
			t.Errorf("headers %v", got.header)
		}
	}
	// Others at the same address have an allowance of their own.
	first.do(get(bobs, "192.0.2.1")).is(t, 200, "")
	first.do(get("", "192.0.2.1")).is(t, 401, "INVALID_SESSION_ERROR")
	// A login is never under this limit.
	first.login("ada")
}

// Without a valid token the client's address is charged.
func TestAPILimitOfAnAddress(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t), apiLimit(3), trust)
	first, second := s.replica(), s.replica()
	s.addUser("ada")
	token := first.login("ada")
	from := func(address, path string) request {
		return request{method: "GET", path: path, headers: []string{"X-Forwarded-For", address}}
	}
	first.do(from("192.0.2.1", "/users/me/sessions/me")).is(t, 401, "INVALID_SESSION_ERROR")
	second.do(from("192.0.2.1", "")).is(t, 200, "")
	first.do(from("::ffff:192.0.2.1", "/nothing")).is(t, 404, "INVALID_ENDPOINT_ERROR")
	for _, path := range []string{"/users/me/sessions/me", "", "/nothing"} {
		second.do(from("192.0.2.1", path)).is(t, 429, "RATELIMITED_ERROR")
	}
	first.do(from("192.0.2.2", "")).is(t, 200, "")
	// A user at that address is charged to himself.
	signedIn := from("192.0.2.1", "/users/me/sessions/me")
	signedIn.token = token
	first.do(signedIn).is(t, 200, "")
	// A login has a counter of its own.
	first.login("ada", "X-Forwarded-For", "192.0.2.1")
	// Nothing outside the base path counts.
	for range 5 {
		first.raw(rawRequest("GET", "/nothing", "X-Forwarded-For", "192.0.2.3")).is(t, 404, "INVALID_ENDPOINT_ERROR")
	}
	if left := first.do(from("192.0.2.3", "")).remaining(t); left != 2 {
		t.Errorf("%d left after requests outside the base path", left)
	}
}

// Every request under the base path but the login counts, once.
func TestEveryRequestCountsOnce(t *testing.T) {
	t.Parallel()
	r := start(t, apiLimit(1000))
	ada, bob := r.addUser("ada"), r.addUser("bob")
	r.addStaff("root")
	token := r.login("ada")
	left := r.get(token, "").remaining(t)
	for _, e := range []exchange{
		{"hello", request{method: "GET"}, 200, ""},
		{"head", request{method: "HEAD", path: "/users/me/sessions"}, 200, ""},
		{"session", request{method: "GET", path: "/users/me/sessions/me"}, 200, ""},
		{"another session", request{method: "GET", path: "/users/me/sessions/" + unknownSession}, 404, "INVALID_SESSION_ERROR"},
		{"list", request{method: "GET", path: "/users/" + ada.ID + "/sessions"}, 200, ""},
		{"forbidden", request{method: "GET", path: "/users/" + bob.ID + "/sessions"}, 403, "INSUFFICIENT_PERMISSIONS_ERROR"},
		{"bad body", request{method: "DELETE", path: "/users/me/sessions", body: "x"}, 400, "MISSING_FIELDS_ERROR"},
		{"large body", request{method: "DELETE", path: "/users/me/sessions", body: strings.Repeat(" ", 102_401)}, 413, "BODY_TOO_LARGE_ERROR"},
		{"unknown endpoint", request{method: "GET", path: "/nothing"}, 404, "INVALID_ENDPOINT_ERROR"},
		{"unknown method", request{method: "PUT", path: "/login"}, 404, "INVALID_ENDPOINT_ERROR"},
		{"delete all", request{method: "DELETE", path: "/users/me/sessions/all"}, 200, "DELETE_SESSIONS_SUCCESS"},
		{"delete", request{method: "DELETE", path: "/users/me/sessions/me"}, 200, "DELETE_SESSION_SUCCESS"},
	} {
		e.token = token
		got := r.do(e.request)
		if e.method == "HEAD" {
			got.is(t, e.status, "")
		} else {
			got.is(t, e.status, e.code)
		}
		if now := got.remaining(t); now != left-1 {
			t.Errorf("%s: %d left after %d", e.name, now, left)
		}
		left--
	}
}

// A banned user's requests are his own to pay.
func TestBannedUserIsCharged(t *testing.T) {
	t.Parallel()
	r := start(t, apiLimit(2))
	ada := r.addUser("ada")
	token := r.login("ada")
	if _, err := r.store.BanUser(t.Context(), ada.ID); err != nil {
		t.Fatal(err)
	}
	r.get(token, "/users/me/sessions").is(t, 403, "BANNED_ERROR")
	r.get(token, "/users/me/sessions").is(t, 403, "BANNED_ERROR")
	r.get(token, "/users/me/sessions").is(t, 429, "RATELIMITED_ERROR")
	r.get("", "").is(t, 200, "")
}

// A token that is refused is charged to the client's address and never to the
// user whom it names: nobody can spend another's allowance.
func TestRefusedTokensAreChargedToTheAddress(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	r := startOn(t, server, apiLimit(100), trust).replica()
	user := r.addUser("ada")
	token, revoked, expired := r.login("ada"), r.login("ada"), r.login("ada")
	sid := r.session(expired)
	r.delete(revoked, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
	r.redis.CLI("DEL", "session:{"+user.ID+"}:"+sid)
	forged := startOn(t, server).replica().login("ada")

	counter := func() string {
		keys := r.keys("rate:api:user:*")
		if len(keys) != 1 {
			t.Fatalf("counters %q", keys)
		}
		return r.redis.CLI("GET", keys[0])
	}
	before := counter()
	for name, bad := range map[string]string{"revoked": revoked, "gone": expired, "forged": forged, "malformed": token + "A"} {
		t.Run(name, func(t *testing.T) {
			r := r.as(t)
			for i := range 5 {
				got := r.do(request{method: "GET", path: "/users/me/sessions", token: bad, headers: []string{"X-Forwarded-For", "192.0.2.1"}})
				got.is(t, 401, "INVALID_SESSION_ERROR")
				if i > 0 {
					continue
				}
				again := r.do(request{method: "GET", headers: []string{"X-Forwarded-For", "192.0.2.1"}})
				if got.remaining(t) != again.remaining(t)+1 {
					t.Errorf("%d left of the address' allowance, then %d", got.remaining(t), again.remaining(t))
				}
			}
			if after := counter(); after != before {
				t.Errorf("the user was charged: %s requests, before %s", after, before)
			}
		})
	}
	for address := range 100 {
		got := r.do(request{method: "GET", path: "/users/me/sessions", token: revoked, headers: []string{"X-Forwarded-For", "198.51.100." + strconv.Itoa(address)}})
		got.is(t, 401, "INVALID_SESSION_ERROR")
	}
	r.get(token, "/users/me/sessions").is(t, 200, "")

	spent := request{method: "GET", path: "/users/me/sessions", token: revoked, headers: []string{"X-Forwarded-For", "192.0.2.2"}}
	for range 100 {
		r.do(spent).is(t, 401, "INVALID_SESSION_ERROR")
	}
	r.do(spent).is(t, 429, "RATELIMITED_ERROR")
	spent.token = token
	r.do(spent).is(t, 200, "")
}

// A user's counter that a refused token was charged to and given back does not
// stay for ever.
func TestCountersExpire(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	r.delete(token, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
	r.redis.CLI("DEL", r.keys("rate:api:user:*")[0])
	r.get(token, "").is(t, 200, "")
	keys := r.keys("rate:*")
	if len(keys) < 3 {
		t.Errorf("counters %q", keys)
	}
	for _, key := range keys {
		if ttl := r.redis.CLI("TTL", key); strings.HasPrefix(ttl, "-") {
			t.Errorf("%s has the TTL %s", key, ttl)
		}
	}
}

// The API's windows follow one another: a new one brings the whole allowance.
func TestAPIWindowEnds(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Limits.API = config.Limit{Requests: 1, Window: time.Second} })
	eventually(t, "a refusal", func() bool {
		got := r.get("", "")
		if got.status == 429 && (got.header.Get("Retry-After") != "1" || got.header.Get("RateLimit-Reset") != "1") {
			t.Errorf("headers %v", got.header)
		}
		return got.status == 429
	})
	eventually(t, "the next window", func() bool { return r.get("", "").status == 200 })
}
