package redisstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore"
)

var sessionTests = map[string]func(*fixture){
	"CreateSession stores what it returns":          testCreateStores,
	"CreateSession refuses whom it must":            testCreateRefuses,
	"IDs rise and are never given twice":            testIDsRise,
	"IDs rise over a clock that steps back":         testIDsRiseOverClock,
	"logins at once have sessions of their own":     testLoginsAtOnce,
	"the cap ends the oldest":                       testCap,
	"the cap counts no ghosts":                      testCapWithoutGhosts,
	"the cap holds for logins at once":              testCapAtOnce,
	"the cap orders old sessions by creation":       testCapWithOldSessions,
	"an index with a foreign member hinders nobody": testForeignMember,
	"a login prunes the expired":                    testPruning,
	"the index lives as long as its longest":        testIndexExpiry,
	"a list drops ghosts":                           testListDropsGhosts,
	"a list is ordered by creation":                 testListOrder,
	"a session past its expiry is none":             testPersistedSession,
	"TouchSession notes a use each minute":          testTouch,
	"TouchSession brings nothing back":              testTouchEnded,
}

func testCreateStores(f *fixture) {
	user := f.user()
	want, outcome, err := f.store.CreateSession(f.Context(), redisstore.NewSession{
		UserID: user.ID, PasswordHash: hash, Name: "Köln \"☕\"", TTL: 90 * time.Minute,
	})
	f.must(err)
	got, found, err := f.store.Session(f.Context(), user.ID, want.ID)
	f.must(err)
	if outcome != redisstore.Created || !found {
		f.Fatalf("outcome %d, found %v", outcome, found)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("returned and stored differ (-returned +stored):\n%s", diff)
	}
	if got := want.ExpiresAt.Sub(want.CreatedAt.Truncate(time.Second)); got != 90*time.Minute {
		f.Errorf("it lives for %v, want 90m", got)
	}
	if id := strconv.FormatInt(want.CreatedAt.UnixMilli(), 10); id != want.ID {
		f.Errorf("ID %s, created at %s", want.ID, id)
	}
	// The compact encoding: a hash table takes twice the memory.
	encoding, err := f.rdb.ObjectEncoding(f.Context(), sessionKey(user.ID, want.ID)).Result()
	f.must(err)
	if encoding != "listpack" && encoding != "ziplist" {
		f.Errorf("encoding %s", encoding)
	}
	if expiry := f.rdb.TTL(f.Context(), sessionKey(user.ID, want.ID)).Val(); expiry <= 0 {
		f.Errorf("TTL %v", expiry)
	}
}

func testCreateRefuses(f *fixture) {
	user := f.user()
	unknown := newSession(uniqueID(), time.Hour)
	changed := newSession(user.ID, time.Hour)
	changed.PasswordHash = hash + "x"
	banned := newSession(f.user().ID, time.Hour)
	_, err := f.store.BanUser(f.Context(), banned.UserID)
	f.must(err)

	for want, session := range map[redisstore.CreateOutcome]redisstore.NewSession{
		redisstore.UserUnknown:     unknown,
		redisstore.PasswordChanged: changed,
		redisstore.UserBanned:      banned,
	} {
		before := f.dump(session.UserID)
		_, outcome, err := f.store.CreateSession(f.Context(), session)
		f.must(err)
		if outcome != want {
			f.Errorf("outcome %d, want %d", outcome, want)
		}
		if diff := cmp.Diff(before, f.dump(session.UserID)); diff != "" {
			f.Errorf("outcome %d left something behind (-before +after):\n%s", want, diff)
		}
	}
}

func testIDsRise(f *fixture) {
	user := f.user()
	last := ""
	for i := range 10 {
		session := f.login(user.ID)
		if session.ID <= last || !redisstore.ValidSessionID(session.ID) {
			f.Fatalf("ID %s after %s", session.ID, last)
		}
		last = session.ID
		// An ended session's ID must not come back, or its token would.
		if i%2 == 0 {
			_, err := f.store.EndAllSessions(f.Context(), user.ID, "", byUser)
			f.must(err)
		}
	}
}

func testIDsRiseOverClock(f *fixture) {
	user := f.user()
	// As if the clock had been an hour ahead at the last login.
	ahead := time.Now().Add(time.Hour).UnixMilli()
	f.must(f.rdb.HSet(f.Context(), userKey(user.ID), "lastSession", ahead).Err())
	for i := range int64(3) {
		session := f.login(user.ID)
		if want := strconv.FormatInt(ahead+1+i, 10); session.ID != want {
			f.Errorf("ID %s, want %s", session.ID, want)
		}
		if !f.live(user.ID, session.ID) {
			f.Errorf("session %s is not live", session.ID)
		}
	}
}

func testLoginsAtOnce(f *fixture) {
	const logins = 100 // More than one attempt offers IDs.
	user := f.user()
	ids := make([]string, logins)
	atOnce(logins, func(i int) {
		session, outcome, err := f.store.CreateSession(f.Context(), newSession(user.ID, time.Hour))
		if err != nil || outcome != redisstore.Created {
			f.Errorf("login %d: outcome %d, %v", i, outcome, err)
		}
		ids[i] = session.ID
	})
	slices.Sort(ids)
	listed := f.listed(user.ID)
	slices.Sort(listed)
	if diff := cmp.Diff(ids, listed); diff != "" || len(slices.Compact(ids)) != logins {
		f.Errorf("given and listed (-given +listed):\n%s", diff)
	}
	for _, id := range ids {
		if !f.live(user.ID, id) {
			f.Errorf("session %s is not live", id)
		}
	}
}

func testCap(f *fixture) {
	user := f.user()
	capped := f.newStore(maxSessions(3))
	var ids []string
	for range 5 {
		// The longest-lived first: it is creation that counts.
		session := f.loginOn(capped, user.ID, time.Hour*time.Duration(10-len(ids)))
		ids = append(ids, session.ID)
	}
	if diff := cmp.Diff([]string{ids[4], ids[3], ids[2]}, f.listed(user.ID)); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}
	for i, id := range ids {
		if got, want := f.live(user.ID, id), i >= 2; got != want {
			f.Errorf("login %d live: %v, want %v", i, got, want)
		}
	}
	// A lower cap takes hold with the next login.
	last := f.loginOn(f.newStore(maxSessions(1)), user.ID, time.Hour)
	if diff := cmp.Diff([]string{last.ID}, f.listed(user.ID)); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}
	if left := f.keys(sessionKey(user.ID, "*")); len(left) != 1 {
		f.Errorf("keys %q, want one", left)
	}
}

func testCapWithoutGhosts(f *fixture) {
	user := f.user()
	capped := f.newStore(maxSessions(3))
	first := f.loginOn(capped, user.ID, time.Hour)
	ghost := f.loginOn(capped, user.ID, time.Hour)
	third := f.loginOn(capped, user.ID, time.Hour)
	f.must(f.rdb.Del(f.Context(), sessionKey(user.ID, ghost.ID)).Err())
	fourth := f.loginOn(capped, user.ID, time.Hour)
	if diff := cmp.Diff([]string{fourth.ID, third.ID, first.ID}, f.listed(user.ID)); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}
}

func testCapAtOnce(f *fixture) {
	const logins, most = 60, 7
	user := f.user()
	capped := f.newStore(maxSessions(most))
	var mu sync.Mutex
	var ids []string
	atOnce(logins, func(int) {
		session, outcome, err := capped.CreateSession(f.Context(), newSession(user.ID, time.Hour))
		if err != nil || outcome != redisstore.Created {
			f.Errorf("outcome %d, %v", outcome, err)
		}
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, session.ID)
	})
	listed := f.listed(user.ID)
	if len(listed) != most || len(f.keys(sessionKey(user.ID, "*"))) != most {
		f.Errorf("%d sessions are listed, want %d; keys %q", len(listed), most, f.keys(sessionKey(user.ID, "*")))
	}
	for _, id := range ids {
		if live := f.live(user.ID, id); live != slices.Contains(listed, id) {
			f.Errorf("session %s: live %v, listed %v", id, live, !live)
		}
	}
}

func testCapWithOldSessions(f *fixture) {
	uid, now := uniqueID(), time.Now().Unix()
	old := redisstore.ImportedUser{User: redisstore.User{ID: uid, Username: uniqueName(), PasswordHash: hash, CreatedAt: time.Now()}}
	for i := range int64(3) {
		old.Sessions = append(old.Sessions, redisstore.ImportedSession{IssuedAt: now - 100 + i, ExpiresAt: now + 3600, Name: "old"})
	}
	f.importOne(f.store, old)
	session := f.loginOn(f.newStore(maxSessions(2)), uid, time.Hour)
	// As text, "1700000000" would be after "1600000000000".
	want := []string{session.ID, strconv.FormatInt(now-98, 10)}
	if diff := cmp.Diff(want, f.listed(uid)); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}
}

func testForeignMember(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	far := float64(time.Now().Add(time.Hour).Unix())
	for _, member := range []string{"", "x", "}:*", "nan", "-1", "99999999999999999999"} {
		f.must(f.rdb.ZAdd(f.Context(), indexKey(user.ID), redis.Z{Score: far, Member: member}).Err())
	}
	// One with a hash is older than all that have a date.
	f.must(f.rdb.HSet(f.Context(), sessionKey(user.ID, "x"), "name", "x", "exp", far).Err())
	next := f.loginOn(f.newStore(maxSessions(2)), user.ID, time.Hour)
	if diff := cmp.Diff([]string{next.ID, session.ID}, f.listed(user.ID)); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}
	f.expectMembers(user.ID, session.ID, next.ID)
}

// expectMembers compares the members of an index.
func (f *fixture) expectMembers(uid string, want ...string) {
	f.Helper()
	got, err := f.rdb.ZRange(f.Context(), indexKey(uid), 0, -1).Result()
	f.must(err)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("members of the index (-want +got):\n%s", diff)
	}
}

// expire lets a session end as time would, now.
func (f *fixture) expire(uid, sid string) {
	f.Helper()
	past := time.Now().Add(-time.Minute)
	f.must(f.rdb.ExpireAt(f.Context(), sessionKey(uid, sid), past).Err())
	f.must(f.rdb.ZAdd(f.Context(), indexKey(uid), redis.Z{Score: float64(past.Unix()), Member: sid}).Err())
}

func testPruning(f *fixture) {
	user := f.user()
	expired, kept := f.login(user.ID), f.login(user.ID)
	f.expire(user.ID, expired.ID)
	next := f.login(user.ID)
	f.expectMembers(user.ID, kept.ID, next.ID)
	f.expire(user.ID, kept.ID)
	if diff := cmp.Diff([]string{next.ID}, f.listed(user.ID)); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}
	f.expectMembers(user.ID, next.ID)
}

// expireTogether tells whether two keys expire in the same minute.
func (f *fixture) expireTogether(a, b string) bool {
	f.Helper()
	pipe := f.rdb.Pipeline()
	first, second := pipe.PTTL(f.Context(), a), pipe.PTTL(f.Context(), b)
	_, err := pipe.Exec(f.Context())
	f.must(err)
	return first.Val() > 0 && (first.Val()-second.Val()).Abs() < time.Minute
}

func testIndexExpiry(f *fixture) {
	user := f.user()
	check := func(longest redisstore.Session) {
		f.Helper()
		if !f.expireTogether(indexKey(user.ID), sessionKey(user.ID, longest.ID)) {
			f.Error("the index does not expire with its longest session")
		}
	}
	short := f.loginOn(f.store, user.ID, time.Hour)
	check(short)
	long := f.loginOn(f.store, user.ID, 10*time.Hour)
	check(long)
	middle := f.loginOn(f.store, user.ID, 5*time.Hour)
	check(long)
	_, err := f.store.EndSessions(f.Context(), user.ID, []string{long.ID}, byUser)
	f.must(err)
	check(middle)
	_, err = f.store.EndAllSessions(f.Context(), user.ID, short.ID, byUser)
	f.must(err)
	check(short)
	_, err = f.store.EndSessions(f.Context(), user.ID, []string{short.ID}, byUser)
	f.must(err)
	if left := f.keys("session*{" + user.ID + "}*"); len(left) != 0 {
		f.Errorf("keys %q are left", left)
	}
}

func testListDropsGhosts(f *fixture) {
	user := f.user()
	ghost, kept := f.login(user.ID), f.login(user.ID)
	f.must(f.rdb.Del(f.Context(), sessionKey(user.ID, ghost.ID)).Err())
	if diff := cmp.Diff([]string{kept.ID}, f.listed(user.ID)); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}
	f.expectMembers(user.ID, kept.ID)
}

func testListOrder(f *fixture) {
	user := f.user()
	var want []redisstore.SessionName
	for i := range 5 {
		// Those that expire later are not the newer ones.
		session := newSession(user.ID, time.Hour*time.Duration(5-i))
		session.Name = fmt.Sprintf("name %d", i)
		created, _, err := f.store.CreateSession(f.Context(), session)
		f.must(err)
		want = append(want, redisstore.SessionName{ID: created.ID, Name: session.Name})
	}
	slices.Reverse(want)
	got, err := f.store.Sessions(f.Context(), user.ID)
	f.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}
	for _, uid := range []string{uniqueID(), "", "x", "*"} {
		if got, err := f.store.Sessions(f.Context(), uid); len(got) != 0 || err != nil {
			f.Errorf("sessions of %q: %v, %v; want none", uid, got, err)
		}
	}
}

// testPersistedSession has an operator take a session's expiry off.
func testPersistedSession(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	f.must(f.rdb.Persist(f.Context(), sessionKey(user.ID, session.ID)).Err())
	f.must(f.rdb.HSet(f.Context(), sessionKey(user.ID, session.ID), "exp", time.Now().Add(-time.Minute).Unix()).Err())
	if f.live(user.ID, session.ID) {
		f.Error("it is live")
	}
	if access, err := f.store.Lookup(f.Context(), bearer(user.ID, session.ID)); access.Live || err != nil {
		f.Errorf("Lookup %v, %v", access.Live, err)
	}
	if _, found, err := f.store.Session(f.Context(), user.ID, session.ID); found || err != nil {
		f.Errorf("found %v, %v", found, err)
	}
}

func testTouch(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	key := sessionKey(user.ID, session.ID)
	f.must(f.store.TouchSession(f.Context(), user.ID, session.ID))
	got, found, err := f.store.Session(f.Context(), user.ID, session.ID)
	f.must(err)
	if !found || got.UsedAt.Before(session.CreatedAt) {
		f.Fatalf("found %v, used at %v, created at %v", found, got.UsedAt, session.CreatedAt)
	}
	recent := got.UsedAt.Add(-redisstore.TouchInterval / 2).UnixMilli()
	f.must(f.rdb.HSet(f.Context(), key, "usedAt", recent).Err())
	f.must(f.store.TouchSession(f.Context(), user.ID, session.ID))
	if used, _ := f.rdb.HGet(f.Context(), key, "usedAt").Int64(); used != recent {
		f.Error("a use is noted again within a minute")
	}
	f.must(f.rdb.HSet(f.Context(), key, "usedAt", recent-redisstore.TouchInterval.Milliseconds()).Err())
	f.must(f.store.TouchSession(f.Context(), user.ID, session.ID))
	if used, _ := f.rdb.HGet(f.Context(), key, "usedAt").Int64(); used < recent {
		f.Error("a use is not noted after a minute")
	}
	if f.rdb.TTL(f.Context(), key).Val() <= 0 {
		f.Error("the session does not expire any more")
	}
}

func testTouchEnded(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	_, err := f.store.EndSessions(f.Context(), user.ID, []string{session.ID}, byUser)
	f.must(err)
	f.must(f.store.TouchSession(f.Context(), user.ID, session.ID))
	if left := f.keys("session*{" + user.ID + "}*"); len(left) != 0 {
		f.Errorf("keys %q are there", left)
	}
}
