package redisstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

var checkTests = map[string]func(*fixture){
	"the token check tells what it should":         testAccess,
	"a dead token is charged to the address":       testDeadToken,
	"a refund of an expired counter does not stay": testRefundOfExpired,
}

var limitTests = map[string]func(*fixture){
	"the login limit admits a burst":  testLoginLimit,
	"the API limit counts to the end": testAPILimit,
	"every counter expires":           testCountersExpire,
}

func testAccess(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	_, err := f.store.SetStaff(f.Context(), user.ID, true)
	f.must(err)
	access, err := f.store.Authenticate(f.Context(), bearer(user.ID, session.ID), "192.0.2.1")
	f.must(err)
	if !access.Live || !access.Staff || access.Banned || access.Session.Name != "a name" || !access.Session.ExpiresAt.Equal(session.ExpiresAt) {
		f.Errorf("%+v", access)
	}
	if access, err := f.store.Lookup(f.Context(), bearer(user.ID, session.ID)); !access.Live || err != nil {
		f.Errorf("Lookup = %v, %v", access.Live, err)
	}
	// Deleted by hand: a session whose account is gone admits nobody.
	f.must(f.rdb.Del(f.Context(), userKey(user.ID)).Err())
	if f.live(user.ID, session.ID) {
		f.Error("a session without an account is live")
	}
	if access, err := f.store.Lookup(f.Context(), bearer(user.ID, session.ID)); access.Live || err != nil {
		f.Errorf("Lookup = %v, %v", access.Live, err)
	}
}

// uniqueAddress is charged by no other test.
func uniqueAddress() string { return "address-" + uniqueName() }

func testDeadToken(f *fixture) {
	user, address := f.user(), uniqueAddress()
	session := f.login(user.ID)
	check := func(sid string) redisstore.Access {
		f.Helper()
		access, err := f.store.Authenticate(f.Context(), bearer(user.ID, sid), address)
		f.must(err)
		return access
	}
	before := check(session.ID).Quota
	for i := range 3 {
		access := check("1700000000000")
		if access.Live || access.Quota.Remaining != before.Limit-1-i {
			f.Errorf("dead token %d: %+v; want the address charged", i, access)
		}
	}
	if after := check(session.ID).Quota; after.Remaining != before.Remaining-1 {
		f.Errorf("remaining %d, then %d: the user paid for dead tokens", before.Remaining, after.Remaining)
	}
}

// afterPipeline is called when a pipeline has run.
type afterPipeline func()

func (afterPipeline) DialHook(next redis.DialHook) redis.DialHook { return next }

func (afterPipeline) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (after afterPipeline) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		after()
		return err
	}
}

func testRefundOfExpired(f *fixture) {
	uid := uniqueID()
	rdb := redisstore.Connect(f.redis)
	var once atomic.Bool
	rdb.AddHook(afterPipeline(func() {
		// Between the charge and the refund the window ends.
		if once.CompareAndSwap(false, true) {
			for _, key := range f.keys("rate:api:user:{" + uid + "}:*") {
				f.rdb.Del(context.Background(), key)
			}
		}
	}))
	store := redisstore.New(rdb, redisstore.Options{
		Timeout: testTimeout, MaxSessions: 1,
		LoginLimit: config.Limit{Requests: 3, Window: time.Minute}, APILimit: config.Limit{Requests: 3, Window: time.Hour},
	})
	defer func() { _ = store.Close() }()
	_, err := store.Authenticate(f.Context(), bearer(uid, "1700000000000"), uniqueAddress())
	f.must(err)
	keys := f.keys("rate:api:user:{" + uid + "}:*")
	if !once.Load() || len(keys) != 1 {
		f.Fatalf("keys %q", keys)
	}
	if lives := f.rdb.TTL(f.Context(), keys[0]).Val(); lives <= 0 || lives > time.Hour+2*time.Second {
		f.Errorf("TTL %v", lives)
	}
}

func testLoginLimit(f *fixture) {
	address := uniqueAddress()
	for i := range 6 {
		quota, err := f.store.AllowLogin(f.Context(), address)
		f.must(err)
		if quota.Limit != 3 || quota.Allowed != (i < 3) || quota.Remaining != max(2-i, 0) {
			f.Errorf("login %d: %+v", i, quota)
		}
		if quota.Reset <= 0 || quota.Reset > 3*time.Minute {
			f.Errorf("login %d: reset in %v", i, quota.Reset)
		}
		// One more is admitted each minute.
		if wait := quota.RetryAfter; quota.Allowed != (wait == 0) || wait > time.Minute {
			f.Errorf("login %d: allowed %v, retry after %v", i, quota.Allowed, wait)
		}
	}
	if quota, err := f.store.AllowLogin(f.Context(), uniqueAddress()); !quota.Allowed || err != nil {
		f.Errorf("another address: %+v, %v", quota, err)
	}
	// A hundred at once, on two replicas, are no way around it.
	shared, other := uniqueAddress(), f.newStore()
	var allowed atomic.Int32
	atOnce(100, func(i int) {
		store := f.store
		if i%2 == 0 {
			store = other
		}
		quota, err := store.AllowLogin(f.Context(), shared)
		if err != nil {
			f.Error(err)
		}
		if quota.Allowed {
			allowed.Add(1)
		}
	})
	if got := allowed.Load(); got != 3 {
		f.Errorf("%d of 100 logins at once were admitted, want 3", got)
	}
}

func testAPILimit(f *fixture) {
	store := f.newStore(func(o *redisstore.Options) { o.APILimit.Requests = 2 })
	user, address := f.user(), uniqueAddress()
	session := f.login(user.ID)
	for i := range 4 {
		access, err := store.Authenticate(f.Context(), bearer(user.ID, session.ID), address)
		f.must(err)
		quota, err := store.ChargeAddress(f.Context(), address)
		f.must(err)
		for _, quota := range []redisstore.Quota{access.Quota, quota} {
			if quota.Allowed != (i < 2) || quota.Limit != 2 || quota.Remaining != max(1-i, 0) || quota.Reset <= 0 {
				f.Errorf("request %d: %+v", i, quota)
			}
			if !quota.Allowed && quota.RetryAfter != quota.Reset {
				f.Errorf("request %d: retry after %v, reset %v", i, quota.RetryAfter, quota.Reset)
			}
		}
	}
}

func testCountersExpire(f *fixture) {
	user, address := f.user(), uniqueAddress()
	session := f.login(user.ID)
	for _, sid := range []string{session.ID, "1700000000000"} {
		_, err := f.store.Authenticate(f.Context(), bearer(user.ID, sid), address)
		f.must(err)
	}
	_, err := f.store.AllowLogin(f.Context(), address)
	f.must(err)
	keys := slices.Concat(f.keys("rate:*{"+user.ID+"}*"), f.keys("rate:*"+address+"*"))
	if len(keys) != 3 {
		f.Errorf("counters %q, want three", keys)
	}
	for _, key := range keys {
		if lives := f.rdb.TTL(f.Context(), key).Val(); lives <= 0 {
			f.Errorf("%s: TTL %v", key, lives)
		}
	}
}

var faultTests = map[string]func(*fixture){
	"an index of the wrong type changes nothing": testWrongIndex,
	"an account of the wrong type is an error":   testWrongUser,
	"a session of the wrong type is not dead":    testWrongSession,
	"a number that is none is an error":          testWrongNumber,
	"scripts that are forgotten go unnoticed":    testScriptFlush,
	"a context that is over is an error":         testContext,
}

func testWrongIndex(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	f.must(f.rdb.Set(f.Context(), indexKey(user.ID), "x", 0).Err())
	before := f.dump(user.ID)
	f.expectErrors(map[string]func() error{
		"CreateSession": func() error {
			_, _, err := f.store.CreateSession(f.Context(), newSession(user.ID, time.Hour))
			return err
		},
		"Sessions": func() error { _, err := f.store.Sessions(f.Context(), user.ID); return err },
		"EndSessions": func() error {
			_, err := f.store.EndSessions(f.Context(), user.ID, []string{session.ID}, byUser)
			return err
		},
		"EndAllSessions": func() error {
			_, err := f.store.EndAllSessions(f.Context(), user.ID, "", byUser)
			return err
		},
		"RemoveUser": func() error { _, err := f.store.RemoveUser(f.Context(), user.ID); return err },
		"ImportUsers": func() error {
			user.PasswordHash = "another"
			return f.store.ImportUsers(f.Context(), []redisstore.ImportedUser{{User: user}})[0].Err
		},
	}, "WRONGTYPE")
	if diff := cmp.Diff(before, f.dump(user.ID)); diff != "" {
		f.Errorf("something changed:\n%s", diff)
	}
	if !f.live(user.ID, session.ID) {
		f.Error("the session is not live any more")
	}
}

// expectErrors checks that every call fails, and that it fails for the reason
// given.
func (f *fixture) expectErrors(calls map[string]func() error, reason string) {
	f.Helper()
	for name, call := range calls {
		if err := call(); err == nil || !strings.Contains(err.Error(), reason) {
			f.Errorf("%s: %v, want an error with %q", name, err, reason)
		}
	}
}

func testWrongUser(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	f.must(f.rdb.Set(f.Context(), userKey(user.ID), "x", 0).Err())
	before := f.dump(user.ID)
	f.expectErrors(map[string]func() error{
		"CreateSession": func() error {
			_, _, err := f.store.CreateSession(f.Context(), newSession(user.ID, time.Hour))
			return err
		},
		"Authenticate": func() error {
			_, err := f.store.Authenticate(f.Context(), bearer(user.ID, session.ID), "192.0.2.1")
			return err
		},
		"Lookup":      func() error { _, err := f.store.Lookup(f.Context(), bearer(user.ID, session.ID)); return err },
		"User":        func() error { _, _, err := f.store.User(f.Context(), user.ID); return err },
		"UserByName":  func() error { _, _, err := f.store.UserByName(f.Context(), user.Username); return err },
		"BanUser":     func() error { _, err := f.store.BanUser(f.Context(), user.ID); return err },
		"SetStaff":    func() error { _, err := f.store.SetStaff(f.Context(), user.ID, true); return err },
		"RemoveUser":  func() error { _, err := f.store.RemoveUser(f.Context(), user.ID); return err },
		"ImportUsers": func() error { return f.store.ImportUsers(f.Context(), []redisstore.ImportedUser{{User: user}})[0].Err },
	}, "WRONGTYPE")
	if diff := cmp.Diff(before, f.dump(user.ID)); diff != "" {
		f.Errorf("something changed:\n%s", diff)
	}
}

func testWrongSession(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	f.must(f.rdb.Set(f.Context(), sessionKey(user.ID, session.ID), "x", time.Hour).Err())
	f.expectErrors(map[string]func() error{
		"Authenticate": func() error {
			_, err := f.store.Authenticate(f.Context(), bearer(user.ID, session.ID), "192.0.2.1")
			return err
		},
		"Lookup":       func() error { _, err := f.store.Lookup(f.Context(), bearer(user.ID, session.ID)); return err },
		"Session":      func() error { _, _, err := f.store.Session(f.Context(), user.ID, session.ID); return err },
		"Sessions":     func() error { _, err := f.store.Sessions(f.Context(), user.ID); return err },
		"TouchSession": func() error { return f.store.TouchSession(f.Context(), user.ID, session.ID) },
	}, "WRONGTYPE")
	// It can still be got rid of.
	ended, err := f.store.EndSessions(f.Context(), user.ID, []string{session.ID}, byUser)
	if len(ended) != 1 || err != nil {
		f.Errorf("ended %q, %v", ended, err)
	}
}

func testWrongNumber(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	for _, field := range []string{"exp", "createdAt", "updatedAt", "usedAt", "permissionFlags"} {
		was, wasErr := f.rdb.HGet(f.Context(), sessionKey(user.ID, session.ID), field).Result()
		f.must(f.rdb.HSet(f.Context(), sessionKey(user.ID, session.ID), field, "soon").Err())
		if access, err := f.store.Authenticate(f.Context(), bearer(user.ID, session.ID), "192.0.2.1"); err == nil || access.Live {
			f.Errorf("%s: %+v, %v; want an error", field, access, err)
		}
		if errors.Is(wasErr, redis.Nil) {
			f.must(f.rdb.HDel(f.Context(), sessionKey(user.ID, session.ID), field).Err())
			continue
		}
		f.must(f.rdb.HSet(f.Context(), sessionKey(user.ID, session.ID), field, was).Err())
	}
	if !f.live(user.ID, session.ID) {
		f.Error("the session is not live any more")
	}
	f.must(f.rdb.HSet(f.Context(), userKey(user.ID), "createdAt", "x").Err())
	if _, _, err := f.store.User(f.Context(), user.ID); err == nil {
		f.Error("an account created at x is no error")
	}
	f.must(f.rdb.HDel(f.Context(), userKey(user.ID), "createdAt").Err())
}

func testScriptFlush(f *fixture) {
	user := f.user()
	var a, b redisstore.Session
	address := uniqueAddress()
	steps := []func(){
		func() { a = f.login(user.ID) },
		func() { b = f.login(user.ID) },
		func() { f.must(f.store.TouchSession(f.Context(), user.ID, a.ID)) },
		func() { f.listed(user.ID) },
		func() { _, err := f.store.EndSessions(f.Context(), user.ID, []string{a.ID}, byUser); f.must(err) },
		func() { _, err := f.store.SetStaff(f.Context(), user.ID, true); f.must(err) },
		func() { _, err := f.store.AllowLogin(f.Context(), address); f.must(err) },
		func() { f.importOne(f.store, imported()) },
		func() {
			for _, result := range f.store.ImportUsers(f.Context(), []redisstore.ImportedUser{imported(), imported(), imported()}) {
				f.must(result.Err)
			}
		},
		func() { _, err := f.store.EndAllSessions(f.Context(), user.ID, "", byUser); f.must(err) },
		func() { _, err := f.store.RemoveUser(f.Context(), user.ID); f.must(err) },
	}
	for _, step := range steps {
		f.flushScripts()
		step()
	}
	if f.live(user.ID, b.ID) || len(f.dump(user.ID)) != 0 {
		f.Error("something is left")
	}
}

func testContext(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	f.expectErrors(map[string]func() error{
		"Authenticate": func() error {
			_, err := f.store.Authenticate(ctx, bearer(user.ID, session.ID), "192.0.2.1")
			return err
		},
		"CreateSession": func() error {
			_, _, err := f.store.CreateSession(ctx, newSession(user.ID, time.Hour))
			return err
		},
		"Sessions":    func() error { _, err := f.store.Sessions(ctx, user.ID); return err },
		"EndSessions": func() error { _, err := f.store.EndSessions(ctx, user.ID, []string{session.ID}, byUser); return err },
		"AllowLogin":  func() error { _, err := f.store.AllowLogin(ctx, uniqueAddress()); return err },
		"ImportUsers": func() error { return f.store.ImportUsers(ctx, []redisstore.ImportedUser{imported()})[0].Err },
		"Users": func() error {
			for _, err := range f.store.Users(ctx) {
				return err
			}
			return nil
		},
	}, context.Canceled.Error())
	if diff := cmp.Diff([]string{session.ID}, f.listed(user.ID)); diff != "" {
		f.Errorf("sessions (-want +got):\n%s", diff)
	}
}
