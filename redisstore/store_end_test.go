package redisstore_test

import (
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore"
)

var endTests = map[string]func(*fixture){
	"EndSessions ends the known":             testEnd,
	"EndSessions at once count each once":    testEndAtOnce,
	"EndAllSessions keeps one":               testEndAllKeepsOne,
	"EndAllSessions catches logins at once":  testEndAllAtOnce,
	"EndAllSessions at once count each once": testEndAllTwice,
	"RemoveUser takes everything along":      testRemove,
	"RemoveUser catches logins at once":      testRemoveAtOnce,
	"a removed user's name is free":          testRemovedName,
}

func testEnd(f *fixture) {
	user, other := f.user(), f.user()
	a, b, c := f.login(user.ID), f.login(user.ID), f.login(user.ID)
	foreign := f.login(other.ID)
	before := f.dump(user.ID)

	for _, sids := range [][]string{nil, {}, {"1700000000000"}, {"", "*", "me", "{" + user.ID + "}"}, {foreign.ID + "0"}} {
		if ended, err := f.store.EndSessions(f.Context(), user.ID, sids, byUser); len(ended) != 0 || err != nil {
			f.Errorf("EndSessions(%q) = %q, %v", sids, ended, err)
		}
	}
	if ended, err := f.store.EndSessions(f.Context(), "*", []string{a.ID}, byUser); len(ended) != 0 || err != nil {
		f.Errorf("EndSessions of no user = %q, %v", ended, err)
	}
	if diff := cmp.Diff(before, f.dump(user.ID)); diff != "" {
		f.Fatalf("something changed (-before +after):\n%s", diff)
	}

	ended, err := f.store.EndSessions(f.Context(), user.ID, []string{a.ID, "1700000000000", b.ID, a.ID, "x"}, byUser)
	f.must(err)
	slices.Sort(ended)
	if diff := cmp.Diff([]string{a.ID, b.ID}, ended); diff != "" {
		f.Errorf("ended (-want +got):\n%s", diff)
	}
	f.expectMembers(user.ID, c.ID)
	if f.live(user.ID, a.ID) || f.live(user.ID, b.ID) || !f.live(user.ID, c.ID) || !f.live(other.ID, foreign.ID) {
		f.Error("want only the last session and the other user's live")
	}
	again, err := f.store.EndSessions(f.Context(), user.ID, []string{a.ID}, byUser)
	f.must(err)
	if len(again) != 0 {
		f.Errorf("ended %q again", again)
	}
}

func testEndAtOnce(f *fixture) {
	user := f.user()
	var ids []string
	for range 20 {
		ids = append(ids, f.login(user.ID).ID)
	}
	var mu sync.Mutex
	var ended []string
	atOnce(4, func(int) {
		some, err := f.store.EndSessions(f.Context(), user.ID, ids, byUser)
		if err != nil {
			f.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, some...)
	})
	slices.Sort(ended)
	if diff := cmp.Diff(ids, ended); diff != "" {
		f.Errorf("ended by all calls together (-want +got):\n%s", diff)
	}
}

func testEndAllKeepsOne(f *fixture) {
	user := f.user()
	a, kept, c := f.login(user.ID), f.login(user.ID), f.login(user.ID)
	f.must(f.rdb.Del(f.Context(), sessionKey(user.ID, c.ID)).Err()) // A ghost is ended by nobody.
	ended, err := f.store.EndAllSessions(f.Context(), user.ID, kept.ID, byUser)
	f.must(err)
	if diff := cmp.Diff([]string{a.ID}, ended); diff != "" {
		f.Errorf("ended (-want +got):\n%s", diff)
	}
	f.expectMembers(user.ID, kept.ID)
	if !f.live(user.ID, kept.ID) {
		f.Error("the kept session is not live")
	}
	ended, err = f.store.EndAllSessions(f.Context(), user.ID, kept.ID, byUser)
	if len(ended) != 0 || err != nil {
		f.Errorf("ended %q, %v; want nothing", ended, err)
	}
	// One to keep that is not there is no reason to keep others.
	ended, err = f.store.EndAllSessions(f.Context(), user.ID, a.ID, byUser)
	f.must(err)
	if diff := cmp.Diff([]string{kept.ID}, ended); diff != "" {
		f.Errorf("ended (-want +got):\n%s", diff)
	}
}

func testEndAllAtOnce(f *fixture) {
	const logins, ends = 30, 5
	user := f.user()
	var mu sync.Mutex
	var created, ended []string
	atOnce(logins+ends, func(i int) {
		if i < logins {
			session, outcome, err := f.store.CreateSession(f.Context(), newSession(user.ID, time.Hour))
			if err != nil || outcome != redisstore.Created {
				f.Errorf("outcome %d, %v", outcome, err)
			}
			mu.Lock()
			defer mu.Unlock()
			created = append(created, session.ID)
			return
		}
		some, err := f.store.EndAllSessions(f.Context(), user.ID, "", byUser)
		if err != nil {
			f.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, some...)
	})
	listed := f.listed(user.ID)
	// Every session was either ended, by one call, or lives and is listed.
	all := slices.Concat(ended, listed)
	slices.Sort(all)
	slices.Sort(created)
	if diff := cmp.Diff(created, all); diff != "" {
		f.Errorf("created, and ended or listed (-created +accounted for):\n%s", diff)
	}
	for _, id := range created {
		if live := f.live(user.ID, id); live != slices.Contains(listed, id) {
			f.Errorf("session %s: live %v, listed %v", id, live, !live)
		}
	}
}

func testEndAllTwice(f *fixture) {
	user := f.user()
	var ids []string
	for range 10 {
		ids = append(ids, f.login(user.ID).ID)
	}
	var mu sync.Mutex
	var ended []string
	atOnce(4, func(i int) {
		var some []string
		var err error
		if i%2 == 0 {
			some, err = f.store.EndAllSessions(f.Context(), user.ID, "", byUser)
		} else {
			some, err = f.store.EndSessions(f.Context(), user.ID, ids, byUser)
		}
		if err != nil {
			f.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, some...)
	})
	slices.Sort(ended)
	if diff := cmp.Diff(ids, ended); diff != "" {
		f.Errorf("ended by all calls together (-want +got):\n%s", diff)
	}
}

func testRemove(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	removed, err := f.store.RemoveUser(f.Context(), user.ID)
	if !removed || err != nil {
		f.Fatalf("removed %v, %v", removed, err)
	}
	if f.live(user.ID, session.ID) {
		f.Error("the session is live")
	}
	if left := f.dump(user.ID); len(left) != 0 {
		f.Errorf("left behind: %v", left)
	}
	for _, who := range []string{user.ID, user.Username} {
		if _, found, err := f.store.FindUser(f.Context(), who); found || err != nil {
			f.Errorf("FindUser(%q): found %v, %v", who, found, err)
		}
	}
	for _, uid := range []string{user.ID, "", "*"} {
		if removed, err := f.store.RemoveUser(f.Context(), uid); removed || err != nil {
			f.Errorf("RemoveUser(%q) = %v, %v", uid, removed, err)
		}
	}
}

func testRemoveAtOnce(f *fixture) {
	const logins = 20
	user := f.user()
	atOnce(logins+1, func(i int) {
		if i == logins {
			if removed, err := f.store.RemoveUser(f.Context(), user.ID); !removed || err != nil {
				f.Errorf("removed %v, %v", removed, err)
			}
			return
		}
		_, outcome, err := f.store.CreateSession(f.Context(), newSession(user.ID, time.Hour))
		if err != nil || (outcome != redisstore.Created && outcome != redisstore.UserUnknown) {
			f.Errorf("outcome %d, %v", outcome, err)
		}
	})
	if left := f.dump(user.ID); len(left) != 0 {
		f.Errorf("left behind: %v", left)
	}
}

func testRemovedName(f *fixture) {
	user := f.user()
	_, err := f.store.RemoveUser(f.Context(), user.ID)
	f.must(err)
	again, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: user.Username, PasswordHash: hash})
	f.must(err)
	got, found, err := f.store.UserByName(f.Context(), user.Username)
	if err != nil || !found || got.ID != again.ID {
		f.Errorf("found %v %v, %v; want %s", found, got.ID, err, again.ID)
	}
}
