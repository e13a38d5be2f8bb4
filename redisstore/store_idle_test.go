package redisstore_test

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore"
)

var idleTests = map[string]func(*fixture){
	"a session idles out":                    testIdleExpiry,
	"each check renews a session":            testIdleRenewal,
	"no check brings a session back":         testIdleRevival,
	"imported sessions idle out":             testIdleImport,
	"without a timeout nothing idles out":    testNoIdleTimeout,
	"sessions that idled out free their cap": testIdleCap,
}

const idle = 10 * time.Minute

func (f *fixture) idleStore(changes ...func(*redisstore.Options)) *redisstore.Store {
	f.Helper()
	return f.newStore(append(changes, func(o *redisstore.Options) { o.IdleTimeout = idle })...)
}

// expectLeft checks what is left of a session's life, give or take a minute.
func (f *fixture) expectLeft(uid, sid string, want time.Duration) {
	f.Helper()
	left, err := f.rdb.PTTL(f.Context(), sessionKey(uid, sid)).Result()
	f.must(err)
	if (left - want).Abs() > time.Minute {
		f.Errorf("session %s has %v left, want %v", sid, left, want)
	}
}

func testIdleExpiry(f *fixture) {
	user, store := f.user(), f.idleStore()
	long := f.loginOn(store, user.ID, 24*time.Hour)
	f.expectLeft(user.ID, long.ID, idle)
	short := f.loginOn(store, user.ID, 5*time.Minute)
	f.expectLeft(user.ID, short.ID, 5*time.Minute)
	if left := time.Until(long.ExpiresAt); (left - 24*time.Hour).Abs() > time.Minute {
		f.Errorf("its own expiry is in %v", left)
	}

	// As time would.
	f.must(f.rdb.PExpireAt(f.Context(), sessionKey(user.ID, long.ID), time.Now().Add(-time.Second)).Err())
	if f.live(user.ID, long.ID) {
		f.Error("it is live")
	}
	if diff := cmp.Diff([]string{short.ID}, f.listed(user.ID)); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}
}

func testIdleRenewal(f *fixture) {
	user, store := f.user(), f.idleStore()
	session := f.loginOn(store, user.ID, 24*time.Hour)
	token := redisstore.Bearer{UserID: user.ID, SessionID: session.ID, ExpiresAt: session.ExpiresAt}
	almostOver := token
	almostOver.ExpiresAt = time.Now().Add(4 * time.Minute)
	for _, tt := range []struct {
		token redisstore.Bearer
		want  time.Duration
	}{{token, idle}, {almostOver, 4 * time.Minute}} {
		for name, check := range map[string]func() (redisstore.Access, error){
			"Authenticate": func() (redisstore.Access, error) { return store.Authenticate(f.Context(), tt.token, "192.0.2.1") },
			"Lookup":       func() (redisstore.Access, error) { return store.Lookup(f.Context(), tt.token) },
		} {
			f.must(f.rdb.Expire(f.Context(), sessionKey(user.ID, session.ID), time.Minute).Err())
			access, err := check()
			if !access.Live || err != nil {
				f.Errorf("%s: live %v, %v", name, access.Live, err)
			}
			f.expectLeft(user.ID, session.ID, tt.want)
		}
	}
}

func testIdleRevival(f *fixture) {
	user, store := f.user(), f.idleStore()
	session := f.loginOn(store, user.ID, time.Hour)
	_, err := store.EndSessions(f.Context(), user.ID, []string{session.ID}, byUser)
	f.must(err)
	if access, err := store.Lookup(f.Context(), bearer(user.ID, session.ID)); access.Live || err != nil {
		f.Errorf("live %v, %v", access.Live, err)
	}
	if left := f.keys("session*{" + user.ID + "}*"); len(left) != 0 {
		f.Errorf("keys %q are there", left)
	}
}

func testIdleImport(f *fixture) {
	now := time.Now().Unix()
	user := imported(
		redisstore.ImportedSession{IssuedAt: 1_690_000_000, ExpiresAt: now + 24*3600, Name: "long"},
		redisstore.ImportedSession{IssuedAt: 1_690_000_001, ExpiresAt: now + 300, Name: "short"})
	f.importOne(f.idleStore(), user)
	f.expectLeft(user.User.ID, "1690000000", idle)
	f.expectLeft(user.User.ID, "1690000001", 5*time.Minute)
}

// testNoIdleTimeout has the setting switched off again: a session that is used
// gets its life back.
func testNoIdleTimeout(f *fixture) {
	user := f.user()
	never := f.loginOn(f.store, user.ID, 24*time.Hour)
	f.live(user.ID, never.ID)
	f.expectLeft(user.ID, never.ID, 24*time.Hour)

	before := f.loginOn(f.idleStore(), user.ID, 24*time.Hour)
	f.live(user.ID, before.ID)
	f.expectLeft(user.ID, before.ID, idle)
	f.must(f.store.TouchSession(f.Context(), user.ID, before.ID))
	f.expectLeft(user.ID, before.ID, 24*time.Hour)
}

func testIdleCap(f *fixture) {
	user, store := f.user(), f.idleStore(maxSessions(2))
	oldest := f.loginOn(store, user.ID, time.Hour)
	idled := f.loginOn(store, user.ID, time.Hour)
	f.must(f.rdb.PExpireAt(f.Context(), sessionKey(user.ID, idled.ID), time.Now().Add(-time.Second)).Err())
	newest := f.loginOn(store, user.ID, time.Hour)
	f.expectMembers(user.ID, oldest.ID, newest.ID)
	if !f.live(user.ID, oldest.ID) || !f.live(user.ID, newest.ID) {
		f.Error("a live session was ended for one that had idled out")
	}
}
