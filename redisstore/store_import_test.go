package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore"
)

var importTests = map[string]func(*fixture){
	"an import creates accounts with sessions":  testImportCreates,
	"an import leaves known sessions alone":     testImportUpdates,
	"an import run again changes nothing":       testImportTwice,
	"an import keeps the newest sessions":       testImportCap,
	"an import that renames frees the old name": testImportRename,
	"an import of a taken name leaves nothing":  testImportTaken,
	"an import overwrites what a session left":  testImportOverLeftovers,
	"a batch takes an ID and a name once":       testImportBatch,
}

func imported(sessions ...redisstore.ImportedSession) redisstore.ImportedUser {
	return redisstore.ImportedUser{
		User:     redisstore.User{ID: uniqueID(), Username: uniqueName(), PasswordHash: hash, CreatedAt: time.UnixMilli(1_600_000_000_123)},
		Sessions: sessions,
	}
}

// importOne imports an account, which must succeed.
func (f *fixture) importOne(store *redisstore.Store, user redisstore.ImportedUser) redisstore.ImportResult {
	f.Helper()
	result := store.ImportUsers(f.Context(), []redisstore.ImportedUser{user})[0]
	f.must(result.Err)
	return result
}

func testImportCreates(f *fixture) {
	now := time.Now().Unix()
	user := imported(
		redisstore.ImportedSession{IssuedAt: 1_690_000_000, ExpiresAt: now + 3600, Name: "one"},
		redisstore.ImportedSession{IssuedAt: 1_690_000_001, ExpiresAt: now - 1, Name: "expired"},
		redisstore.ImportedSession{IssuedAt: 1_690_000_002, ExpiresAt: now + 7200, Name: "two"},
		// The older system gave both logins of one second the same ID.
		redisstore.ImportedSession{IssuedAt: 1_690_000_002, ExpiresAt: now + 60, Name: "two, shorter"},
	)
	user.User.Staff, user.User.BannedAt = true, time.UnixMilli(1_650_000_000_000)
	result := f.importOne(f.store, user)
	if diff := cmp.Diff(redisstore.ImportResult{Sessions: 2}, result); diff != "" {
		f.Errorf("result (-want +got):\n%s", diff)
	}
	got, found, err := f.store.UserByName(f.Context(), user.User.Username)
	f.must(err)
	if diff := cmp.Diff(user.User, got); diff != "" || !found {
		f.Errorf("account (-want +got):\n%s", diff)
	}
	sessions, err := f.store.Sessions(f.Context(), user.User.ID)
	f.must(err)
	want := []redisstore.SessionName{{ID: "1690000002", Name: "two"}, {ID: "1690000000", Name: "one"}}
	if diff := cmp.Diff(want, sessions); diff != "" {
		f.Errorf("sessions (-want +got):\n%s", diff)
	}
	session, _, err := f.store.Session(f.Context(), user.User.ID, "1690000002")
	f.must(err)
	created := time.Unix(1_690_000_002, 0)
	wantSession := redisstore.Session{ID: "1690000002", Name: "two", ExpiresAt: time.Unix(now+7200, 0), CreatedAt: created, UpdatedAt: created}
	if diff := cmp.Diff(wantSession, session); diff != "" {
		f.Errorf("session (-want +got):\n%s", diff)
	}
	if !f.expireTogether(indexKey(user.User.ID), sessionKey(user.User.ID, "1690000002")) {
		f.Error("the index does not expire with its longest session")
	}
}

func testImportUpdates(f *fixture) {
	user := imported(redisstore.ImportedSession{IssuedAt: 1_690_000_000, ExpiresAt: time.Now().Unix() + 3600, Name: "old"})
	f.importOne(f.store, user)
	_, err := f.store.EndSessions(f.Context(), user.User.ID, []string{"1690000000"}, byUser)
	f.must(err)
	session := f.login(user.User.ID)

	user.User.Staff, user.User.BannedAt, user.User.PasswordHash = true, time.UnixMilli(7), "another"
	for range 2 {
		if diff := cmp.Diff(redisstore.ImportResult{Updated: true}, f.importOne(f.store, user)); diff != "" {
			f.Errorf("result (-want +got):\n%s", diff)
		}
		got, _, err := f.store.User(f.Context(), user.User.ID)
		f.must(err)
		if diff := cmp.Diff(user.User, got); diff != "" {
			f.Errorf("account (-want +got):\n%s", diff)
		}
		user.User.BannedAt = time.Time{}
	}
	if diff := cmp.Diff([]string{session.ID}, f.listed(user.User.ID)); diff != "" {
		f.Errorf("sessions (-want +got):\n%s", diff)
	}
}

func testImportTwice(f *fixture) {
	user := imported(redisstore.ImportedSession{IssuedAt: 1_690_000_000, ExpiresAt: time.Now().Unix() + 3600, Name: "old"})
	f.importOne(f.store, user)
	before := f.dump(user.User.ID)
	f.importOne(f.store, user)
	if diff := cmp.Diff(before, f.dump(user.User.ID)); diff != "" || len(before) != 3 {
		f.Errorf("%d keys; the second run changed them (-before +after):\n%s", len(before), diff)
	}
}

func testImportCap(f *fixture) {
	now := time.Now().Unix()
	var sessions []redisstore.ImportedSession
	for i := range int64(5) {
		sessions = append(sessions, redisstore.ImportedSession{IssuedAt: 1_690_000_000 + i, ExpiresAt: now + 3600 - i, Name: "x"})
	}
	user := imported(append(sessions, redisstore.ImportedSession{IssuedAt: 1_690_000_009, ExpiresAt: now - 1})...)
	result := f.importOne(f.newStore(maxSessions(2)), user)
	if diff := cmp.Diff(redisstore.ImportResult{Sessions: 2, Dropped: 3}, result); diff != "" {
		f.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1690000004", "1690000003"}, f.listed(user.User.ID)); diff != "" {
		f.Errorf("sessions (-want +got):\n%s", diff)
	}
}

func testImportRename(f *fixture) {
	user := imported()
	f.importOne(f.store, user)
	old := user.User.Username
	user.User.Username = strings.ToUpper(old)
	f.importOne(f.store, user)
	if _, found, err := f.store.UserByName(f.Context(), old); !found || err != nil {
		f.Errorf("another case of the name lost it: %v, %v", found, err)
	}
	user.User.Username = uniqueName()
	f.importOne(f.store, user)
	if _, found, err := f.store.UserByName(f.Context(), old); found || err != nil {
		f.Errorf("the old name: found %v, %v", found, err)
	}
	if got, found, err := f.store.UserByName(f.Context(), user.User.Username); !found || err != nil || got.ID != user.User.ID {
		f.Errorf("the new name: found %v, %v", found, err)
	}
	f.expectTaken(old, nil)
}

func testImportTaken(f *fixture) {
	holder, good, taken, invalid := f.user(), imported(), imported(), imported()
	taken.User.Username = strings.ToUpper(holder.Username)
	invalid.User.Username = " "
	before := f.dump(holder.ID)
	results := f.store.ImportUsers(f.Context(), []redisstore.ImportedUser{taken, good, invalid})
	for i, want := range []error{redisstore.ErrUsernameTaken, nil, redisstore.ErrUsernameInvalid} {
		if !errors.Is(results[i].Err, want) {
			f.Errorf("result %d: %v, want %v", i, results[i].Err, want)
		}
	}
	for _, uid := range []string{taken.User.ID, invalid.User.ID} {
		if left := f.dump(uid); len(left) != 0 {
			f.Errorf("left behind: %v", left)
		}
	}
	if diff := cmp.Diff(before, f.dump(holder.ID)); diff != "" {
		f.Errorf("the holder changed (-before +after):\n%s", diff)
	}
}

// testImportOverLeftovers imports an account whose hash was deleted by hand.
func testImportOverLeftovers(f *fixture) {
	user := imported(redisstore.ImportedSession{IssuedAt: 1_690_000_000, ExpiresAt: time.Now().Unix() + 3600, Name: "new"},
		redisstore.ImportedSession{IssuedAt: 1_690_000_001, ExpiresAt: time.Now().Unix() + 3600, Name: "new"})
	uid := user.User.ID
	f.must(f.rdb.HSet(f.Context(), sessionKey(uid, "1690000000"), "name", "old", "usedAt", "5", "permissionFlags", "0").Err())
	f.must(f.rdb.Set(f.Context(), sessionKey(uid, "1690000001"), "no hash at all", 0).Err())
	f.importOne(f.store, user)
	for _, sid := range []string{"1690000000", "1690000001"} {
		got, found, err := f.store.Session(f.Context(), uid, sid)
		f.must(err)
		if !found || got.Name != "new" || !got.UsedAt.IsZero() || got.PermissionFlags != nil {
			f.Errorf("session %s: found %v, %+v", sid, found, got)
		}
	}
}

func testImportBatch(f *fixture) {
	a, b := imported(redisstore.ImportedSession{}), imported(redisstore.ImportedSession{}, redisstore.ImportedSession{})
	sameID, sameName := imported(), imported()
	sameID.User.ID, sameName.User.Username = a.User.ID, strings.ToUpper(b.User.Username)
	var batch redisstore.ImportBatch
	for range 2 {
		got := fmt.Sprint(batch.Add(a), batch.Add(b), batch.Add(sameID), batch.Add(sameName), len(batch.Users()), batch.Sessions())
		if got != "true true false false 2 3" {
			f.Errorf("a batch of two accounts: %s", got)
		}
		batch.Reset()
		if len(batch.Users()) != 0 || batch.Sessions() != 0 {
			f.Error("Reset leaves something")
		}
	}
}
