package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore"
)

var userTests = map[string]func(*fixture){
	"AddUser stores what it returns":            testAddUser,
	"AddUser at once gives IDs of their own":    testAddUsersAtOnce,
	"AddUser passes over an ID that is taken":   testAddUserTakenID,
	"changes reach the account and nobody else": testChanges,
	"a ban keeps its date":                      testBanDate,
	"UpgradePasswordHash spares a new password": testUpgrade,
	"SetPasswordHash ends all sessions":         testSetPassword,
	"SetPasswordHash catches logins at once":    testSetPasswordAtOnce,
	"no change makes an account":                testChangeUnknown,
	"what is no ID or name is nobody":           testNobody,
	"Users finds all":                           testUsers,
}

var usernameTests = map[string]func(*fixture){
	"names are found however they are cased":      testNameCase,
	"of two names at once one is taken":           testNameAtOnce,
	"names that can't be are refused":             testNameInvalid,
	"a claim holds until it lapses":               testClaimHolds,
	"the name of an account that is gone is free": testClaimTakeover,
	"a claim without its account is nobody":       testClaimWithoutAccount,
	"an import goes on with its own claim":        testOwnClaim,
}

func testAddUser(f *fixture) {
	want, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: uniqueName(), PasswordHash: hash, Staff: true})
	f.must(err)
	for _, who := range []string{want.ID, want.Username, " " + strings.ToUpper(want.Username) + "\n"} {
		got, found, err := f.store.FindUser(f.Context(), who)
		f.must(err)
		if diff := cmp.Diff(want, got); diff != "" || !found {
			f.Errorf("FindUser(%q): found %v (-want +got):\n%s", who, found, diff)
		}
	}
	if got := fmt.Sprint(want.CreatedAt.UnixMilli()); got != want.ID || !redisstore.ValidUserID(want.ID) {
		f.Errorf("ID %s, created at %s", want.ID, got)
	}
	if lives := f.rdb.TTL(f.Context(), "username:"+strings.ToLower(want.Username)).Val(); lives != -1 {
		f.Errorf("the name has a TTL of %v, want none", lives)
	}
}

func testAddUsersAtOnce(f *fixture) {
	const users = 20
	var ids [users]string
	atOnce(users, func(i int) {
		user, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: uniqueName(), PasswordHash: hash})
		if err != nil {
			f.Error(err)
		}
		ids[i] = user.ID
	})
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			f.Errorf("ID %s was given twice", id)
		}
		seen[id] = true
	}
}

func testAddUserTakenID(f *fixture) {
	// The accounts of the next seconds are there already.
	now := time.Now().UnixMilli()
	const taken = 3000
	pipe := f.rdb.Pipeline()
	for i := range int64(taken) {
		// Those of tests beside this one stay as they are.
		for field, value := range map[string]string{"username": "taken", "passwordHash": hash, "staff": "0"} {
			pipe.HSetNX(f.Context(), userKey(fmt.Sprint(now+i)), field, value)
		}
	}
	_, err := pipe.Exec(f.Context())
	f.must(err)
	name := uniqueName()
	user, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: name, PasswordHash: hash})
	f.must(err)
	if got, found, err := f.store.UserByName(f.Context(), name); err != nil || !found || got.ID != user.ID {
		f.Errorf("found %v %s, %v; want %s", found, got.ID, err, user.ID)
	}
	if got := f.rdb.HGet(f.Context(), userKey(user.ID), "username").Val(); got != name {
		f.Errorf("account %s is %q, want %q", user.ID, got, name)
	}
}

func testChanges(f *fixture) {
	user, other := f.user(), f.user()
	session := f.login(user.ID)
	before := f.dump(other.ID)
	steps := []struct {
		change func() (bool, error)
		want   func(*redisstore.User)
	}{
		{func() (bool, error) { return f.store.SetStaff(f.Context(), user.ID, true) }, func(u *redisstore.User) { u.Staff = true }},
		{func() (bool, error) { return f.store.UpgradePasswordHash(f.Context(), user.ID, hash, "new") }, func(u *redisstore.User) { u.PasswordHash = "new" }},
		{func() (bool, error) { return f.store.SetStaff(f.Context(), user.ID, false) }, func(u *redisstore.User) { u.Staff = false }},
	}
	for i, step := range steps {
		if found, err := step.change(); !found || err != nil {
			f.Fatalf("step %d: %v, %v", i, found, err)
		}
		step.want(&user)
		got, _, err := f.store.User(f.Context(), user.ID)
		f.must(err)
		if diff := cmp.Diff(user, got); diff != "" {
			f.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
	if !f.live(user.ID, session.ID) {
		f.Error("the session is not live any more")
	}
	if diff := cmp.Diff(before, f.dump(other.ID)); diff != "" {
		f.Errorf("another account changed (-before +after):\n%s", diff)
	}
}

func testBanDate(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	banned := func() time.Time {
		f.Helper()
		got, _, err := f.store.User(f.Context(), user.ID)
		f.must(err)
		access, err := f.store.Authenticate(f.Context(), bearer(user.ID, session.ID), "192.0.2.1")
		f.must(err)
		if !access.Live || access.Banned == got.BannedAt.IsZero() {
			f.Errorf("banned at %v, but the token check says %+v", got.BannedAt, access)
		}
		return got.BannedAt
	}
	for range 2 {
		if found, err := f.store.BanUser(f.Context(), user.ID); !found || err != nil {
			f.Fatalf("BanUser = %v, %v", found, err)
		}
	}
	if banned().IsZero() {
		f.Error("the user is not banned")
	}
	f.must(f.rdb.HSet(f.Context(), userKey(user.ID), "bannedAt", 1).Err())
	_, err := f.store.BanUser(f.Context(), user.ID)
	f.must(err)
	if got := banned(); got.UnixMilli() != 1 {
		f.Errorf("a second ban moved the date to %v", got)
	}
	for range 2 {
		if found, err := f.store.UnbanUser(f.Context(), user.ID); !found || err != nil {
			f.Fatalf("UnbanUser = %v, %v", found, err)
		}
	}
	if got := banned(); !got.IsZero() {
		f.Errorf("banned at %v, want not at all", got)
	}
}

func testUpgrade(f *fixture) {
	user := f.user()
	for _, step := range []struct {
		from, to string
		want     bool
	}{{"other", "x", false}, {hash, "stronger", true}, {hash, "x", false}} {
		if got, err := f.store.UpgradePasswordHash(f.Context(), user.ID, step.from, step.to); got != step.want || err != nil {
			f.Errorf("%s to %s: %v, %v; want %v", step.from, step.to, got, err, step.want)
		}
	}
	if got, _, err := f.store.User(f.Context(), user.ID); err != nil || got.PasswordHash != "stronger" {
		f.Errorf("hash %s, %v", got.PasswordHash, err)
	}
}

func testSetPassword(f *fixture) {
	user, other := f.user(), f.user()
	a, b, ghost := f.login(user.ID), f.login(user.ID), f.login(user.ID)
	foreign := f.login(other.ID)
	f.must(f.rdb.Del(f.Context(), sessionKey(user.ID, ghost.ID)).Err())
	for _, want := range []int{2, 0} {
		if ended, found, err := f.store.SetPasswordHash(f.Context(), user.ID, "new"); ended != want || !found || err != nil {
			f.Errorf("ended %d, found %v, %v; want %d ended", ended, found, err, want)
		}
	}
	if f.live(user.ID, a.ID) || f.live(user.ID, b.ID) || !f.live(other.ID, foreign.ID) {
		f.Error("want the other user's session live alone")
	}
	if left := f.keys("session*{" + user.ID + "}*"); len(left) != 0 {
		f.Errorf("keys %q are left", left)
	}
	if got, _, err := f.store.User(f.Context(), user.ID); err != nil || got.PasswordHash != "new" {
		f.Errorf("hash %q, %v", got.PasswordHash, err)
	}
	if _, outcome, err := f.store.CreateSession(f.Context(), newSession(user.ID, time.Hour)); outcome != redisstore.PasswordChanged || err != nil {
		f.Errorf("login with the old hash: %d, %v", outcome, err)
	}
}

func testSetPasswordAtOnce(f *fixture) {
	const logins = 30
	user := f.user()
	atOnce(logins+1, func(i int) {
		if i == logins {
			if _, found, err := f.store.SetPasswordHash(f.Context(), user.ID, "new"); !found || err != nil {
				f.Errorf("found %v, %v", found, err)
			}
			return
		}
		_, outcome, err := f.store.CreateSession(f.Context(), newSession(user.ID, time.Hour))
		if err != nil || (outcome != redisstore.Created && outcome != redisstore.PasswordChanged) {
			f.Errorf("outcome %d, %v", outcome, err)
		}
	})
	if left := f.keys("session*{" + user.ID + "}*"); len(left) != 0 {
		f.Errorf("sessions %q of the old password are left", left)
	}
}

func testChangeUnknown(f *fixture) {
	for _, uid := range []string{uniqueID(), "", "x", "*", "{}"} {
		for name, change := range map[string]func() (bool, error){
			"ban":   func() (bool, error) { return f.store.BanUser(f.Context(), uid) },
			"unban": func() (bool, error) { return f.store.UnbanUser(f.Context(), uid) },
			"staff": func() (bool, error) { return f.store.SetStaff(f.Context(), uid, true) },
			"password": func() (bool, error) {
				_, found, err := f.store.SetPasswordHash(f.Context(), uid, hash)
				return found, err
			},
			"upgrade": func() (bool, error) { return f.store.UpgradePasswordHash(f.Context(), uid, hash, hash) },
			"remove":  func() (bool, error) { return f.store.RemoveUser(f.Context(), uid) },
		} {
			if found, err := change(); found || err != nil {
				f.Errorf("%s of %q: %v, %v", name, uid, found, err)
			}
		}
		if redisstore.ValidUserID(uid) {
			if left := f.dump(uid); len(left) != 0 {
				f.Errorf("changes made %v", left)
			}
		}
	}
}

func testNobody(f *fixture) {
	for _, who := range []string{"", " ", "\x00", "a\nb", "\xff", strings.Repeat("x", 10_000), "*", "{", "}:", "\u202e"} {
		if _, found, err := f.store.FindUser(f.Context(), who); found || err != nil {
			f.Errorf("FindUser(%q): %v, %v", who, found, err)
		}
		if _, found, err := f.store.User(f.Context(), who); found || err != nil {
			f.Errorf("User(%q): %v, %v", who, found, err)
		}
	}
}

// testUsers needs more accounts than one page of SCAN holds.
func testUsers(f *fixture) {
	const users, batch = 3000, 250
	want := map[string]bool{}
	var all []redisstore.ImportedUser
	for range users {
		user := redisstore.User{ID: uniqueID(), Username: uniqueName(), PasswordHash: hash, CreatedAt: time.UnixMilli(1)}
		want[user.ID] = true
		all = append(all, redisstore.ImportedUser{User: user})
	}
	for i := 0; i < users; i += batch {
		for _, result := range f.store.ImportUsers(f.Context(), all[i:i+batch]) {
			f.must(result.Err)
		}
	}
	// Neighbours that are no accounts.
	for _, key := range []string{"user:{x}", "user:{1700000000000}x", "user:1700000000000"} {
		f.must(f.rdb.HSet(f.Context(), key, "passwordHash", "x").Err())
	}
	for user, err := range f.store.Users(f.Context()) {
		f.must(err)
		if !redisstore.ValidUserID(user.ID) || user.Username == "" {
			f.Errorf("%+v is no account", user)
		}
		delete(want, user.ID)
	}
	if len(want) > 0 {
		f.Errorf("%d of %d accounts were not found", len(want), users)
	}
	count := 0
	for _, err := range f.store.Users(f.Context()) {
		f.must(err)
		if count++; count == 10 {
			break
		}
	}
	if count != 10 {
		f.Errorf("%d accounts after a break at 10", count)
	}
}

func testNameCase(f *fixture) {
	n := nameCounter.Add(1)
	user, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: fmt.Sprintf("Élise Straße %d", n), PasswordHash: hash})
	f.must(err)
	for _, spelling := range []string{"élise straße %d", "ÉLISE STRASSE %d", "E\u0301lise strasse %d", "\tÉlise Straße %d "} {
		name := fmt.Sprintf(spelling, n)
		if got, found, err := f.store.UserByName(f.Context(), name); err != nil || !found || got.ID != user.ID {
			f.Errorf("UserByName(%q): found %v %v, %v", name, found, got.ID, err)
		}
		_, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: strings.TrimSpace(name), PasswordHash: hash})
		if !errors.Is(err, redisstore.ErrUsernameTaken) {
			f.Errorf("AddUser(%q): %v, want %v", name, err, redisstore.ErrUsernameTaken)
		}
	}
}

func testNameAtOnce(f *fixture) {
	name := uniqueName()
	var added atomic.Int32
	var id atomic.Value
	atOnce(10, func(i int) {
		spelling := name
		if i%2 == 0 {
			spelling = strings.ToUpper(name)
		}
		user, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: spelling, PasswordHash: hash})
		if err == nil {
			added.Add(1)
			id.Store(user.ID)
		} else if !errors.Is(err, redisstore.ErrUsernameTaken) {
			f.Error(err)
		}
	})
	got, found, err := f.store.UserByName(f.Context(), name)
	if added.Load() != 1 || err != nil || !found || got.ID != id.Load() {
		f.Errorf("%d were added; found %v %s, %v, want %v", added.Load(), found, got.ID, err, id.Load())
	}
}

func testNameInvalid(f *fixture) {
	for _, name := range []string{"", " ", "a ", "\ta", "a\nb", "\xff", "1700000000000", strings.Repeat("x", 257), "a\u202eb"} {
		_, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: name, PasswordHash: hash})
		if !errors.Is(err, redisstore.ErrUsernameInvalid) {
			f.Errorf("AddUser(%q): %v, want %v", name, err, redisstore.ErrUsernameInvalid)
		}
	}
}

func (f *fixture) expectTaken(name string, want error) redisstore.User {
	f.Helper()
	user, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: name, PasswordHash: hash})
	if !errors.Is(err, want) {
		f.Errorf("AddUser(%q): %v, want %v", name, err, want)
	}
	return user
}

func testClaimHolds(f *fixture) {
	name := uniqueName()
	key := "username:" + strings.ToLower(name)
	// A writer that died, or is about to write its account.
	f.must(f.rdb.Set(f.Context(), key, uniqueID(), time.Minute).Err())
	f.expectTaken(name, redisstore.ErrUsernameTaken)
	f.must(f.rdb.PExpire(f.Context(), key, 0).Err())
	f.expectTaken(name, nil)
}

func testClaimTakeover(f *fixture) {
	gone, renamed := uniqueName(), uniqueName()
	f.must(f.rdb.Set(f.Context(), "username:"+strings.ToLower(gone), uniqueID(), 0).Err())
	f.must(f.rdb.Set(f.Context(), "username:"+strings.ToLower(renamed), f.user().ID, 0).Err())
	for _, name := range []string{gone, renamed} {
		user := f.expectTaken(name, nil)
		if got, found, err := f.store.UserByName(f.Context(), name); err != nil || !found || got.ID != user.ID {
			f.Errorf("UserByName(%q): found %v %v, %v", name, found, got.ID, err)
		}
	}
}

func testClaimWithoutAccount(f *fixture) {
	for _, holder := range []string{uniqueID(), f.user().ID, "", "x", "*"} {
		name := uniqueName()
		f.must(f.rdb.Set(f.Context(), "username:"+strings.ToLower(name), holder, 0).Err())
		if _, found, err := f.store.UserByName(f.Context(), name); found || err != nil {
			f.Errorf("held by %q: found %v, %v", holder, found, err)
		}
	}
}

// testOwnClaim runs an import again that was cut off behind its claim. To wait
// until the claim lapses would make of the account's own name a bad line.
func testOwnClaim(f *fixture) {
	user := redisstore.ImportedUser{User: redisstore.User{ID: uniqueID(), Username: uniqueName(), PasswordHash: hash}}
	key := "username:" + strings.ToLower(user.User.Username)
	f.must(f.rdb.Set(f.Context(), key, user.User.ID, time.Minute).Err())
	f.importOne(f.store, user)
	if lives := f.rdb.TTL(f.Context(), key).Val(); lives != -1 {
		f.Errorf("the name has a TTL of %v, want none", lives)
	}
}
