package failover_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

// proxied is a service whose replicas reach Redis through proxies, while the
// test looks behind them.
type proxied struct {
	*replica
	t       *testing.T
	proxies []*redistest.Proxy
	direct  redis.UniversalClient
}

// startProxied runs a replica behind proxies, one for each server.
func startProxied(t *testing.T, r config.Redis, servers []*redistest.Server) *proxied {
	t.Helper()
	p := &proxied{t: t}
	byAddr := make(map[string]string)
	for _, server := range servers {
		proxy := redistest.StartProxy(t, server.Addr())
		p.proxies = append(p.proxies, proxy)
		byAddr[server.Addr()] = proxy.Addr()
	}
	service := newService(t, r, func(c *config.Config) {
		// It gives one back each hour, none of which a test runs for.
		c.Limits.Login = config.Limit{Requests: 1000, Window: 1000 * time.Hour}
	})
	// A cluster's nodes tell clients their own addresses, so it is the dialling
	// that has to be led astray. Clients of nodes are made when they are needed.
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, byAddr[addr])
	}
	service.connect = func(r config.Redis) redis.UniversalClient {
		rdb := redisstore.Connect(r)
		switch client := rdb.(type) {
		case *redis.ClusterClient:
			client.Options().Dialer = dial
		case *redis.Client:
			client.Options().Dialer = dial
		}
		return rdb
	}
	p.replica = service.replica()
	p.direct = redisstore.Connect(service.config.Redis)
	t.Cleanup(func() { _ = p.direct.Close() })
	return p
}

// loseReply loses the reply of the next of some commands that has a word with
// each of the prefixes. The function that it returns waits until that happened.
func (p *proxied) loseReply(commands []string, prefixes ...string) func() {
	p.t.Helper()
	matches := func(words []string) bool {
		if !slices.ContainsFunc(commands, func(c string) bool { return strings.EqualFold(c, words[0]) }) {
			return false
		}
		for _, prefix := range prefixes {
			if !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, prefix) }) {
				return false
			}
		}
		return true
	}
	var all []<-chan struct{}
	for _, proxy := range p.proxies {
		all = append(all, proxy.LoseReply(1, matches))
	}
	return func() {
		p.t.Helper()
		redistest.Eventually(p.t, "a reply to get lost", func() bool {
			return slices.ContainsFunc(all, func(lost <-chan struct{}) bool {
				select {
				case <-lost:
					return true
				default:
					return false
				}
			})
		})
		// A second one must not be lost: each call shall show whether it sends
		// again what ran already.
		for _, proxy := range p.proxies {
			proxy.LoseReply(1, func([]string) bool { return false })
		}
	}
}

// hashes are the IDs of the sessions that Redis holds of a user, whatever the
// index says.
func (p *proxied) hashes(uid string) []string {
	p.t.Helper()
	var sids []string
	keys := func(ctx context.Context, rdb redis.UniversalClient) error {
		found, err := rdb.Keys(ctx, "session:{"+uid+"}:*").Result()
		for _, key := range found {
			sids = append(sids, key[strings.LastIndex(key, ":")+1:])
		}
		return err
	}
	var err error
	if cluster, ok := p.direct.(*redis.ClusterClient); ok {
		var primary *redis.Client
		if primary, err = cluster.MasterForKey(p.t.Context(), userKey(uid)); err == nil {
			err = keys(p.t.Context(), primary)
		}
	} else {
		err = keys(p.t.Context(), p.direct)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return sids
}

// scripts are the commands that run one.
var scripts = []string{"evalsha", "eval"}

// user makes an account with sessions, on a server that knows all scripts: the
// first time, it answers a script's digest with an error and runs nothing.
func (p *proxied) user(n int) (redisstore.User, []session) {
	p.t.Helper()
	user := p.addUser()
	p.login(user.Username).is(p.t, "login to warm up", http.StatusCreated)
	warm := p.addSessions(user, 2)
	p.check(warm[0].token).is(p.t, "check to warm up", http.StatusOK)
	p.end(warm[0].token, warm[1].sid).is(p.t, "deletion to warm up", http.StatusOK)
	p.ask(http.MethodDelete, "/users/me/sessions/all?include-self=1", warm[0].token, "").is(p.t, "deletion of all to warm up", http.StatusOK)
	return user, p.addSessions(user, n)
}

func TestLostReplies(t *testing.T) {
	t.Parallel()
	t.Run("standalone", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		testLostReplies(t, config.Redis{Mode: config.ModeStandalone, Addresses: []string{server.Addr()}}, []*redistest.Server{server})
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		cluster := redistest.StartCluster(t)
		testLostReplies(t, config.Redis{Mode: config.ModeCluster, Addresses: cluster.Addrs()}, cluster.Nodes())
	})
}

// testLostReplies loses the reply of one command of one call after the other.
// That command ran, so the answer must be 500: anything else would be a lie, and
// a second attempt would do a second thing.
func testLostReplies(t *testing.T, r config.Redis, servers []*redistest.Server) {
	t.Helper()
	p := startProxied(t, r, servers)
	for name, test := range map[string]func(*testing.T, *proxied){
		"create":        testLostCreate,
		"delete":        testLostDelete,
		"delete some":   testLostDeleteSome,
		"delete all":    testLostDeleteAll,
		"login limiter": testLostLoginCharge,
		"API limiter":   testLostAPICharge,
		"touch":         testLostTouch,
	} {
		t.Run(name, func(t *testing.T) {
			own := *p
			own.t = t
			test(t, &own)
		})
	}
}

func testLostCreate(t *testing.T, p *proxied) {
	user, _ := p.user(1)
	// A login runs the script twice, to ask for the state and to create. Only the
	// second offers IDs.
	lost := p.loseReply(scripts, "sessions:{"+user.ID, "session:{"+user.ID)
	p.login(user.Username).is(t, "login whose reply got lost", http.StatusInternalServerError)
	lost()
	if got := p.hashes(user.ID); len(got) != 2 {
		t.Errorf("%d sessions after two logins: %v", len(got), got)
	}
	p.login(user.Username).is(t, "login again", http.StatusCreated)
	if got := p.hashes(user.ID); len(got) != 3 {
		t.Errorf("%d sessions after three logins: %v", len(got), got)
	}
}

func testLostDelete(t *testing.T, p *proxied) {
	user, sessions := p.user(2)
	lost := p.loseReply(scripts, sessionKey(sessions[1]))
	p.end(sessions[0].token, sessions[1].sid).is(t, "deletion whose reply got lost", http.StatusInternalServerError)
	lost()
	if got := p.hashes(user.ID); !slices.Equal(got, []string{sessions[0].sid}) {
		t.Errorf("sessions left: %v, want the caller's", got)
	}
	p.end(sessions[0].token, sessions[1].sid).is(t, "deletion again", http.StatusNotFound)
}

func testLostDeleteSome(t *testing.T, p *proxied) {
	_, sessions := p.user(4)
	some := func(s ...session) answer {
		return p.ask(http.MethodDelete, "/users/me/sessions", sessions[0].token, fmt.Sprintf(`{"ids":[%q,%q]}`, s[0].sid, s[1].sid))
	}
	lost := p.loseReply(scripts, sessionKey(sessions[1]))
	some(sessions[1], sessions[2]).is(t, "deletion whose reply got lost", http.StatusInternalServerError)
	lost()
	got := some(sessions[1], sessions[3])
	got.is(t, "deletion of one that is gone and one that is not", http.StatusOK)
	if got.count(t) != 1 {
		t.Errorf("deletion counts %s, want 1", got)
	}
}

func testLostDeleteAll(t *testing.T, p *proxied) {
	user, sessions := p.user(4)
	all := func() answer { return p.ask(http.MethodDelete, "/users/me/sessions/all", sessions[0].token, "") }
	// The call that deletes names the sessions; the one before asks for them.
	lost := p.loseReply(scripts, sessionKey(sessions[1]))
	all().is(t, "deletion of all whose reply got lost", http.StatusInternalServerError)
	lost()
	if got := p.hashes(user.ID); !slices.Equal(got, []string{sessions[0].sid}) {
		t.Errorf("sessions left: %v, want the caller's", got)
	}
	got := all()
	got.is(t, "deletion of all again", http.StatusOK)
	if got.count(t) != 0 {
		t.Errorf("deletion of all again: %s, want a count of 0", got)
	}
}

// remaining is what a limiter says is left.
func (a answer) remaining(t *testing.T) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(a.header.Get("RateLimit-Remaining"), &n); err != nil {
		t.Errorf("RateLimit-Remaining %q", a.header.Get("RateLimit-Remaining"))
	}
	return n
}

func testLostLoginCharge(t *testing.T, p *proxied) {
	user, _ := p.user(0)
	before := p.login(user.Username).remaining(t)
	lost := p.loseReply(scripts, "rate:login:")
	p.login(user.Username).is(t, "login whose charge got lost", http.StatusInternalServerError)
	lost()
	after := p.login(user.Username).remaining(t)
	if used := before - after; used != 2 {
		t.Errorf("%d charged for a lost reply and one login, want 2", used)
	}
	if got := p.hashes(user.ID); len(got) != 2 {
		t.Errorf("%d sessions, want 2: a login that could not be charged must not go on", len(got))
	}
}

func testLostAPICharge(t *testing.T, p *proxied) {
	user, sessions := p.user(1)
	token := sessions[0].token
	before := p.check(token).remaining(t)
	lost := p.loseReply([]string{"incr"}, "rate:api:user:{"+user.ID)
	p.check(token).is(t, "check whose charge got lost", http.StatusInternalServerError)
	lost()
	if used := before - p.check(token).remaining(t); used != 2 {
		t.Errorf("%d charged for a lost reply and one check, want 2", used)
	}
	// The reply that tells of the session is lost as well as the counter's.
	lost = p.loseReply([]string{"hmget"}, "session:{"+user.ID)
	p.check(token).is(t, "check whose session got lost", http.StatusInternalServerError)
	lost()
	if used := before - p.check(token).remaining(t); used > 4 {
		t.Errorf("%d charged for four requests", used)
	}
	// An address pays like a user.
	before = p.check("").remaining(t)
	lost = p.loseReply([]string{"incr"}, "rate:api:ip:")
	p.check("").is(t, "anonymous request whose charge got lost", http.StatusInternalServerError)
	lost()
	if used := before - p.check("").remaining(t); used != 2 {
		t.Errorf("%d charged to the address, want 2", used)
	}
}

// A note of a session's use is nobody's answer.
func testLostTouch(t *testing.T, p *proxied) {
	_, sessions := p.user(1)
	token := sessions[0].token
	lost := p.loseReply(scripts, sessionKey(sessions[0]))
	p.check(token).is(t, "check whose note got lost", http.StatusOK)
	lost()
	p.check(token).is(t, "check after that", http.StatusOK)
}
