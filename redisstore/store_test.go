package redisstore_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

// topologies are the ways to run Redis.
var topologies = map[string]func(t *testing.T) config.Redis{
	"standalone": func(t *testing.T) config.Redis {
		t.Helper()
		return config.Redis{Mode: config.ModeStandalone, Addresses: []string{redistest.Start(t).Addr()}}
	},
	"sentinel": func(t *testing.T) config.Redis {
		t.Helper()
		setup := redistest.StartSentinel(t)
		return config.Redis{Mode: config.ModeSentinel, Addresses: setup.Addrs(), MasterName: setup.MasterName()}
	},
	"cluster": func(t *testing.T) config.Redis {
		t.Helper()
		return config.Redis{Mode: config.ModeCluster, Addresses: redistest.StartCluster(t).Addrs()}
	},
}

// TestStore runs the suite on every way to run Redis. On a cluster it shows,
// too, that no script touches a key that it was not given.
func TestStore(t *testing.T) {
	t.Parallel()
	for name, start := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testStore(t, start(t))
		})
	}
}

func testStore(t *testing.T, c config.Redis) {
	t.Helper()
	tests := map[string]func(*fixture){}
	for _, part := range []map[string]func(*fixture){sessionTests, endTests, userTests, usernameTests, importTests, checkTests, limitTests, faultTests, keyUsageTests, idleTests, eventTests} {
		maps.Copy(tests, part)
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tests[name](newFixture(t, c))
		})
	}
}

// fixture is what each test has of a Redis that it shares with others: a store,
// a plain client to look behind it, and accounts of its own.
type fixture struct {
	*testing.T
	redis config.Redis
	rdb   redis.UniversalClient
	store *redisstore.Store
}

// testTimeout is generous to slow machines: only a failing test spends it.
const testTimeout = 30 * time.Second

func newFixture(t *testing.T, c config.Redis) *fixture {
	t.Helper()
	c.Timeout = testTimeout
	f := &fixture{T: t, redis: c, rdb: redisstore.Connect(c)}
	t.Cleanup(func() { _ = f.rdb.Close() })
	f.store = f.newStore()
	return f
}

// newStore connects one more store to the same Redis, with limits that no test
// reaches by accident.
func (f *fixture) newStore(changes ...func(*redisstore.Options)) *redisstore.Store {
	f.Helper()
	options := redisstore.Options{
		Timeout:     testTimeout,
		MaxSessions: 1000,
		LoginLimit:  config.Limit{Requests: 3, Window: 3 * time.Minute},
		// A window that no test run is long enough to leave.
		APILimit: config.Limit{Requests: 1_000_000, Window: 100 * 365 * 24 * time.Hour},
	}
	for _, change := range changes {
		change(&options)
	}
	store := redisstore.New(redisstore.Connect(f.redis), options)
	f.Cleanup(func() { _ = store.Close() })
	return store
}

func maxSessions(n int) func(*redisstore.Options) {
	return func(o *redisstore.Options) { o.MaxSessions = n }
}

var nameCounter atomic.Int64

// uniqueName is nobody's yet on any server.
func uniqueName() string {
	return fmt.Sprintf("User-%d", nameCounter.Add(1))
}

// uniqueID is the ID of no account yet. AddUser gives later ones.
func uniqueID() string {
	return fmt.Sprintf("%013d", 1_000_000_000_000+nameCounter.Add(1))
}

// hash stands for a bcrypt hash: the store compares hashes as texts.
const hash = "$2b$04$hash"

func (f *fixture) user() redisstore.User {
	f.Helper()
	for {
		user, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: uniqueName(), PasswordHash: hash})
		f.must(err)
		// The ID, a millisecond, may have been that of an account that another
		// test has just removed. Its trail is none of this one's.
		if f.rdb.Exists(f.Context(), "events:{"+user.ID+"}").Val() == 0 {
			return user
		}
	}
}

// byUser stands for whoever ends sessions, where that is of no account.
var byUser = redisstore.Ending{Actor: "user:1", Reason: redisstore.ReasonRevoked}

func newSession(uid string, ttl time.Duration) redisstore.NewSession {
	return redisstore.NewSession{UserID: uid, PasswordHash: hash, Name: "a name", TTL: ttl}
}

func (f *fixture) login(uid string) redisstore.Session {
	f.Helper()
	return f.loginOn(f.store, uid, time.Hour)
}

func (f *fixture) loginOn(store *redisstore.Store, uid string, ttl time.Duration) redisstore.Session {
	f.Helper()
	session, outcome, err := store.CreateSession(f.Context(), newSession(uid, ttl))
	f.must(err)
	if outcome != redisstore.Created {
		f.Fatalf("outcome %d, want Created", outcome)
	}
	return session
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// listed returns the IDs of a user's sessions as the store lists them.
func (f *fixture) listed(uid string) []string {
	f.Helper()
	sessions, err := f.store.Sessions(f.Context(), uid)
	f.must(err)
	ids := []string{}
	for _, session := range sessions {
		ids = append(ids, session.ID)
	}
	return ids
}

// bearer is whom the token of a session stands for that has an hour to live.
func bearer(uid, sid string) redisstore.Bearer {
	return redisstore.Bearer{UserID: uid, SessionID: sid, ExpiresAt: time.Now().Add(time.Hour)}
}

// live tells whether the token check admits a session.
func (f *fixture) live(uid, sid string) bool {
	f.Helper()
	access, err := f.store.Authenticate(f.Context(), bearer(uid, sid), "192.0.2.1")
	f.must(err)
	return access.Live
}

// Keys as an operator would type them.

func userKey(uid string) string         { return "user:{" + uid + "}" }
func indexKey(uid string) string        { return "sessions:{" + uid + "}" }
func sessionKey(uid, sid string) string { return "session:{" + uid + "}:" + sid }

// primaries calls visit for each server that takes writes, one after the other.
func (f *fixture) primaries(visit func(redis.UniversalClient)) {
	f.Helper()
	cluster, ok := f.rdb.(*redis.ClusterClient)
	if !ok {
		visit(f.rdb)
		return
	}
	var mu sync.Mutex
	f.must(cluster.ForEachMaster(f.Context(), func(_ context.Context, primary *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		visit(primary)
		return nil
	}))
}

// keys are all that match a pattern.
func (f *fixture) keys(pattern string) []string {
	f.Helper()
	var all []string
	f.primaries(func(primary redis.UniversalClient) {
		keys, err := primary.Keys(f.Context(), pattern).Result()
		f.must(err)
		all = append(all, keys...)
	})
	return all
}

// dump is all that Redis holds of a user, but for counters: what a call that
// failed must have left as it was.
func (f *fixture) dump(uid string) map[string]string {
	f.Helper()
	dump := make(map[string]string)
	for _, key := range f.keys("*{" + uid + "}*") {
		if strings.HasPrefix(key, "rate:") {
			continue
		}
		value, err := f.rdb.Dump(f.Context(), key).Result()
		f.must(err)
		bounded := f.rdb.TTL(f.Context(), key).Val() > 0
		dump[key] = fmt.Sprintf("%q, expires: %v", value, bounded)
	}
	return dump
}

// flushScripts makes every server forget all scripts.
func (f *fixture) flushScripts() {
	f.Helper()
	f.primaries(func(primary redis.UniversalClient) {
		f.must(primary.ScriptFlush(f.Context()).Err())
	})
}

// atOnce runs n calls at the same time and waits for them.
func atOnce(n int, call func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	all.Wait()
}
