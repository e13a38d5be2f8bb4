package handlers_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

// patience is within which every answer comes, whatever Redis does. With the
// timeout that hasty sets it is no measure of the machine's speed.
const patience = 2 * time.Second

// hasty is one more replica, which gives up on Redis early. Accounts and
// sessions are made through the patient ones.
func (s *service) hasty() *replica {
	hasty := *s
	hasty.config.Redis.Timeout = 200 * time.Millisecond
	return hasty.replica()
}

// outage is what the tests of outages begin with: a user with a live and a
// revoked token, and a replica whose connections to Redis are open.
type outage struct {
	*replica
	live, revoked, staff string
	uid                  string
	before               map[string]string
}

func beforeOutage(t *testing.T, args ...string) *outage {
	t.Helper()
	s := startOn(t, redistest.Start(t, args...))
	patient := s.replica()
	ada := s.addUser("ada")
	s.addStaff("root")
	o := &outage{
		replica: s.hasty(), uid: ada.ID,
		live: patient.login("ada"), revoked: patient.login("ada"), staff: patient.login("root"),
	}
	patient.delete(o.revoked, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
	o.recovers(t)
	o.before = s.dump()
	return o
}

// everything is a request of each kind that needs Redis.
func (o *outage) everything() []request {
	login := loginRequest("ada", password)
	signedIn := login
	signedIn.token = o.live
	again := login
	again.token = o.revoked
	return []request{
		{method: "GET", path: "/users/me/sessions/me", token: o.live},
		{method: "HEAD", path: "/users/me/sessions/me", token: o.live},
		{method: "GET", path: "/users/me/sessions", token: o.live},
		{method: "GET", path: "/users/" + o.uid + "/sessions", token: o.staff},
		{method: "DELETE", path: "/users/me/sessions/me", token: o.live},
		{method: "DELETE", path: "/users/me/sessions", token: o.live, body: `{"ids":["me"]}`},
		{method: "DELETE", path: "/users/me/sessions/all?include-self=1", token: o.live},
		{method: "DELETE", path: "/users/" + o.uid + "/sessions/all", token: o.staff},
		{method: "GET", path: "/users/me/sessions/me", token: o.revoked},
		{method: "GET", path: "/users/me/sessions/me"},
		{method: "GET", path: ""},
		{method: "GET", path: "/nothing"},
		login, signedIn, again,
	}
}

// fails checks that whatever needs Redis is a 500 in time, one by one and all
// at once.
func (o *outage) fails(t *testing.T) {
	t.Helper()
	check := func(req request, got answer, took time.Duration) {
		t.Helper()
		code := "INTERNAL_SERVER_ERROR"
		if req.method == "HEAD" {
			code = ""
		}
		got.is(t, 500, code)
		if took >= patience {
			t.Errorf("%s %s took %v", req.method, req.path, took)
		}
		if code != "" && got.text != `{"code":"INTERNAL_SERVER_ERROR","message":"Internal Server Error"}`+"\n" {
			t.Errorf("body %s", got.text)
		}
	}
	type timed struct {
		answer
		took time.Duration
	}
	send := func(req request) (timed, error) {
		start := time.Now()
		got, err := o.try(req)
		return timed{got, time.Since(start)}, err
	}
	all := o.everything()
	for _, req := range all {
		got, err := send(req)
		if err != nil {
			t.Fatal(err)
		}
		check(req, got.answer, got.took)
	}
	for i, got := range together(t, 2*len(all), func(i int) (timed, error) { return send(all[i%len(all)]) }) {
		check(all[i%len(all)], got.answer, got.took)
	}
	// What needs no Redis goes on.
	o.raw(rawRequest("GET", "/outside")).is(t, 404, "INVALID_ENDPOINT_ERROR")
}

// recovers waits until the same replica serves again. On the way a live session
// may be unavailable, but is never taken for a dead one.
func (o *outage) recovers(t *testing.T) {
	t.Helper()
	eventually(t, "the live session to be served", func() bool {
		got := o.get(o.live, "/users/me/sessions/me")
		if got.status != 200 && got.status != 500 {
			t.Fatalf("status %d for a live session; body %s", got.status, got.text)
		}
		return got.status == 200
	})
	eventually(t, "the revoked session to be refused", func() bool {
		got := o.get(o.revoked, "/users/me/sessions/me")
		if got.status != 401 && got.status != 500 {
			t.Fatalf("status %d for a revoked session; body %s", got.status, got.text)
		}
		return got.status == 401
	})
}

// worksAgain checks that an outage changed nothing and is over.
func (o *outage) worksAgain(t *testing.T) {
	t.Helper()
	o.recovers(t)
	o.unchanged(t, o.before)
	var got answer
	eventually(t, "a login", func() bool {
		got = o.do(loginRequest("ada", password))
		return got.status != 500
	})
	got.is(t, 201, "")
	eventually(t, "a deletion", func() bool {
		got = o.delete(o.live, "/users/me/sessions/me")
		return got.status != 500
	})
	got.is(t, 200, "DELETE_SESSION_SUCCESS")
}

// Redis stands still with its connections open: nothing is answered.
func TestRedisFrozen(t *testing.T) {
	t.Parallel()
	o := beforeOutage(t)
	o.redis.Freeze()
	o.fails(t)
	o.redis.Thaw()
	o.worksAgain(t)
}

// Redis dies, and comes back with what it had written down.
func TestRedisKilledAndRestarted(t *testing.T) {
	t.Parallel()
	o := beforeOutage(t, "--appendonly", "yes", "--appendfsync", "always")
	o.redis.Kill()
	o.fails(t)
	o.redis.Restart()
	o.worksAgain(t)
}

// Redis has no memory left: what can't be counted is not let in, and no session
// is half made.
func TestRedisOutOfMemory(t *testing.T) {
	t.Parallel()
	o := beforeOutage(t)
	o.redis.CLI("CONFIG", "SET", "maxmemory", "1")
	o.fails(t)
	o.redis.CLI("CONFIG", "SET", "maxmemory", "0")
	o.worksAgain(t)
}

// Redis has become a replica and refuses to write.
func TestRedisReadOnly(t *testing.T) {
	t.Parallel()
	o := beforeOutage(t)
	o.redis.CLI("REPLICAOF", "127.0.0.1", "1")
	o.fails(t)
	o.redis.CLI("REPLICAOF", "NO", "ONE")
	o.worksAgain(t)
}

// Redis no longer lets the service do anything.
func TestRedisRefusesTheService(t *testing.T) {
	t.Parallel()
	o := beforeOutage(t)
	o.redis.CLI("ACL", "SETUSER", "default", "-@all", "+acl", "+ping", "+client")
	o.fails(t)
	o.redis.CLI("ACL", "SETUSER", "default", "+@all")
	o.worksAgain(t)
}

// All that befalls Redis in the middle of traffic: a live session is served or
// unavailable, never refused; a revoked one is never let in.
func TestSessionsThroughOutages(t *testing.T) {
	t.Parallel()
	o := beforeOutage(t, "--appendonly", "yes", "--appendfsync", "always")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var traffic sync.WaitGroup
	answers := make(chan struct{}, 1000)
	for _, c := range []struct {
		request
		status int
	}{
		{request{method: "GET", path: "/users/me/sessions/me", token: o.live}, 200},
		{request{method: "GET", path: "/users/me/sessions", token: o.live}, 200},
		{request{method: "DELETE", path: "/users/me/sessions", token: o.live, body: `{"ids":[]}`}, 404},
		{request{method: "DELETE", path: "/users/me/sessions/all", token: o.live}, 200},
		{request{method: "GET", path: "/users/me/sessions/me", token: o.revoked}, 401},
	} {
		traffic.Go(func() {
			for ctx.Err() == nil {
				got, err := o.try(c.request)
				if err != nil || (got.status != c.status && got.status != 500) {
					t.Errorf("%s %s: status %d, want %d or 500: %v", c.method, c.path, got.status, c.status, err)
				}
				select {
				case answers <- struct{}{}:
				default:
				}
			}
		})
	}
	goOn := func() {
		for len(answers) > 0 {
			<-answers
		}
		for range 30 {
			<-answers
		}
	}
	for _, event := range []func(){
		o.redis.Freeze, o.redis.Thaw,
		func() { o.redis.CLI("CLIENT", "KILL", "TYPE", "normal") },
		func() { o.redis.CLI("SCRIPT", "FLUSH") },
		o.redis.Kill, o.redis.Restart,
	} {
		goOn()
		event()
	}
	goOn()
	stop()
	traffic.Wait()
	o.worksAgain(t)
}

// Scripts that Redis forgets, again and again, are sent again: nobody notices.
func TestScriptFlushUnderLoad(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	replicas := []*replica{s.replica(), s.replica()}
	s.addUser("ada")

	ctx, stop := context.WithCancel(t.Context())
	var flushing sync.WaitGroup
	flushing.Go(func() {
		rdb := s.redis.Client()
		for ctx.Err() == nil {
			if err := rdb.ScriptFlush(context.Background()).Err(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	together(t, 4, func(i int) (struct{}, error) {
		r := replicas[i%2]
		for range 10 {
			token, err := r.tryLogin()
			if err != nil {
				return struct{}{}, err
			}
			for _, c := range []request{
				{method: "GET", path: "/users/me/sessions", token: token},
				{method: "DELETE", path: "/users/me/sessions", token: token, body: `{"ids":["me"]}`},
			} {
				if got, err := r.try(c); err != nil || got.status != 200 {
					return struct{}{}, fmt.Errorf("%s: status %d, body %s, %w", c.method, got.status, got.text, err)
				}
			}
		}
		return struct{}{}, nil
	})
	stop()
	flushing.Wait()
}

// A key that holds something else than it should, of each kind: what needs it
// is a 500, changes nothing and lets nobody in; what does not need it goes on.
func TestKeysOfTheWrongType(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	token, other, revoked := r.login("ada"), r.login("ada"), r.login("ada")
	own, another := r.session(token), r.session(other)
	r.delete(revoked, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
	r.get("", "").is(t, 200, "")
	only := func(pattern string) string {
		keys := r.keys(pattern)
		if len(keys) != 1 {
			t.Fatalf("keys %q match %s", keys, pattern)
		}
		return keys[0]
	}

	fail := func(name string, req request) exchange { return exchange{name, req, 500, "INTERNAL_SERVER_ERROR"} }
	get := request{method: "GET", path: "/users/me/sessions/me", token: token}
	getOther := request{method: "GET", path: "/users/me/sessions/" + another, token: token}
	list := request{method: "GET", path: "/users/me/sessions", token: token}
	del := request{method: "DELETE", path: "/users/me/sessions/me", token: token}
	bulk := request{method: "DELETE", path: "/users/me/sessions", token: token, body: `{"ids":["me",` + another + `]}`}
	all := request{method: "DELETE", path: "/users/me/sessions/all?include-self=1", token: token}
	login := loginRequest("ada", password)
	signedIn := login
	signedIn.token = token
	dead := request{method: "GET", path: "/users/me/sessions", token: revoked}
	hello := request{method: "GET"}

	tests := []struct {
		name, key string
		wrong     []string // The command that fills the key, without the key.
		exchanges []exchange
	}{
		{"account", "user:{" + ada.ID + "}", []string{"SET", "x"}, []exchange{
			fail("get", get), fail("list", list), fail("delete", del), fail("delete several", bulk), fail("delete all", all),
			fail("login", login), fail("login while signed in", signedIn),
		}},
		{"session", "session:{" + ada.ID + "}:" + own, []string{"RPUSH", "x"}, []exchange{
			fail("get", get), fail("list", list), fail("delete", del), fail("delete all", all), fail("login while signed in", signedIn),
		}},
		{"session without numbers", "session:{" + ada.ID + "}:" + own, []string{"HSET", "name", "x", "exp", "never"}, []exchange{
			fail("get", get), fail("delete", del), fail("login while signed in", signedIn),
		}},
		{"another session", "session:{" + ada.ID + "}:" + another, []string{"SET", "x"}, []exchange{
			{"get own", get, 200, ""}, fail("get", getOther), fail("list", list),
		}},
		{"index", "sessions:{" + ada.ID + "}", []string{"SET", "x"}, []exchange{
			{"get", get, 200, ""},
			fail("list", list), fail("delete", del), fail("delete several", bulk), fail("delete all", all),
			fail("login", login),
		}},
		{"user name", "username:ada", []string{"HSET", "x", "y"}, []exchange{
			{"get", get, 200, ""}, fail("login", login),
		}},
		{"user's counter", only("rate:api:user:*"), []string{"RPUSH", "x"}, []exchange{
			fail("get", get), fail("list", list), fail("delete", del), fail("delete all", all), {"without a token", hello, 200, ""},
		}},
		{"address' counter", only("rate:api:ip:*"), []string{"HSET", "x", "y"}, []exchange{
			{"get", get, 200, ""}, fail("without a token", hello), fail("revoked", dead),
		}},
		{"login's counter", only("rate:login:*"), []string{"RPUSH", "x"}, []exchange{
			{"get", get, 200, ""}, fail("login", login),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.redis.CLI("RENAME", tt.key, "aside")
			r.redis.CLI(slices.Insert(slices.Clone(tt.wrong), 1, tt.key)...)
			before := r.dump()
			r.exchanges(t, tt.exchanges)
			r.unchanged(t, before)

			r.redis.CLI("RENAME", "aside", tt.key)
			r.do(get).is(t, 200, "")
			r.do(dead).is(t, 401, "INVALID_SESSION_ERROR")
			fresh := r.login("ada")
			if count, _ := listOf(t, r.get(fresh, "/users/me/sessions")); count != 3 {
				t.Errorf("%d sessions", count)
			}
			r.delete(fresh, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
		})
	}
}

// What an operator does by hand acts on the next request.
func TestKeysDeletedByHand(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	token, other := r.login("ada"), r.login("ada")
	own := r.session(other)

	r.redis.CLI("DEL", "sessions:{"+ada.ID+"}")
	r.get(token, "/users/me/sessions/me").is(t, 200, "")
	r.redis.CLI("DEL", "session:{"+ada.ID+"}:"+own)
	r.get(other, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	r.redis.CLI("FLUSHALL")
	r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	r.do(loginRequest("ada", password)).is(t, 404, "INVALID_USER_ERROR")
	if _, err := r.store.AddUser(t.Context(), redisstore.NewUser{Username: "ada", PasswordHash: testHash()}); err != nil {
		t.Fatal(err)
	}
	r.login("ada")
}
