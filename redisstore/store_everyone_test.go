package redisstore_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore"
)

// TestEndEveryone has servers of its own: it ends the sessions of other tests.
func TestEndEveryone(t *testing.T) {
	t.Parallel()
	for name, start := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, start(t))
			testEndEveryone(f)
			testBetweenEndAndSweep(f)
			testUnreadableGeneration(f)
		})
	}
}

// everybody are users on all nodes of a cluster, with two sessions each.
func (f *fixture) everybody() map[string][]string {
	f.Helper()
	sessions := map[string][]string{}
	for range 20 {
		user := f.user()
		sessions[user.ID] = []string{f.login(user.ID).ID, f.login(user.ID).ID}
	}
	return sessions
}

func testEndEveryone(f *fixture) {
	peer := f.newStore()
	everybody := f.everybody()
	for range 2 { // The second generation after the first.
		seen := 0
		ended, err := f.store.EndEveryone(f.Context(), func(ended int) { seen = ended })
		f.must(err)
		if ended != 40 || seen != 40 {
			f.Errorf("%d ended, %d seen; want 40", ended, seen)
		}
		for uid, sids := range everybody {
			for _, sid := range sids {
				if access, err := peer.Authenticate(f.Context(), bearer(uid, sid), "192.0.2.1"); access.Live || err != nil {
					f.Errorf("live %v, %v", access.Live, err)
				}
			}
			if left := f.keys("session*{" + uid + "}*"); len(left) != 0 {
				f.Errorf("keys %q are left", left)
			}
			everybody[uid] = []string{f.login(uid).ID, f.login(uid).ID}
			for _, sid := range everybody[uid] {
				if !f.live(uid, sid) {
					f.Error("a session that was created afterwards is dead")
				}
			}
			if got := f.listed(uid); len(got) != 2 {
				f.Errorf("listed %q, want the two new", got)
			}
		}
	}
	user := imported(redisstore.ImportedSession{IssuedAt: 1_690_000_000, ExpiresAt: time.Now().Unix() + 3600, Name: "x"})
	f.importOne(f.store, user)
	if !f.live(user.User.ID, "1690000000") {
		f.Error("a session that was imported afterwards is dead")
	}
}

// setGenerations writes all keys of generations that there are.
func (f *fixture) setGenerations(write func(pipe redis.Pipeliner, key string)) {
	f.Helper()
	pipe := f.rdb.Pipeline()
	for _, key := range f.keys("sessions:generation*") {
		write(pipe, key)
	}
	_, err := pipe.Exec(f.Context())
	f.must(err)
}

// testBetweenEndAndSweep stops where all is over and nothing is deleted yet.
func testBetweenEndAndSweep(f *fixture) {
	everybody := f.everybody()
	f.setGenerations(func(pipe redis.Pipeliner, key string) { pipe.Incr(f.Context(), key) })
	calls := []func(uid string, sids []string) (any, error){
		func(uid string, sids []string) (any, error) { return f.live(uid, sids[0]), nil },
		func(uid string, sids []string) (any, error) {
			access, err := f.store.Lookup(f.Context(), bearer(uid, sids[0]))
			return access.Live, err
		},
		func(uid string, sids []string) (any, error) {
			_, found, err := f.store.Session(f.Context(), uid, sids[0])
			return found, err
		},
		func(uid string, sids []string) (any, error) {
			live, err := f.store.LiveSessions(f.Context(), uid, sids)
			return len(live) > 0, err
		},
		func(uid string, _ []string) (any, error) { return len(f.listed(uid)) > 0, nil },
		func(uid string, _ []string) (any, error) {
			sessions, err := f.store.FullSessions(f.Context(), uid)
			return len(sessions) > 0, err
		},
		func(uid string, sids []string) (any, error) {
			return f.store.RenameSession(f.Context(), uid, sids[0], "x")
		},
		func(uid string, sids []string) (any, error) {
			ended, err := f.store.EndSessions(f.Context(), uid, sids, byUser)
			return len(ended) > 0, err
		},
		func(uid string, _ []string) (any, error) {
			ended, err := f.store.EndAllSessions(f.Context(), uid, "", byUser)
			return len(ended) > 0, err
		},
		func(uid string, _ []string) (any, error) {
			ended, _, err := f.store.SetPasswordHash(f.Context(), uid, hash)
			return ended > 0, err
		},
	}
	users := slices.Sorted(maps.Keys(everybody))
	for i, call := range calls {
		if found, err := call(users[i], everybody[users[i]]); found != false || err != nil {
			f.Errorf("call %d finds a session that is over: %v, %v", i, found, err)
		}
	}

	// Those that are over don't count among the live.
	user := users[len(calls)]
	capped := f.newStore(maxSessions(2))
	a, b := f.loginOn(capped, user, time.Hour), f.loginOn(capped, user, time.Hour)
	if diff := cmp.Diff([]string{b.ID, a.ID}, f.listed(user)); diff != "" {
		f.Errorf("listed (-want +got):\n%s", diff)
	}

	found, err := f.store.CheckConsistency(f.Context(), true, nil)
	f.must(err)
	if found.Ended == 0 || found.Ended != found.Mended || found.Unindexed+found.Dangling > 0 {
		f.Errorf("doctor finds %+v", found)
	}
	for uid, sids := range everybody {
		for _, sid := range sids {
			if n := f.rdb.Exists(f.Context(), sessionKey(uid, sid)).Val(); n != 0 {
				f.Errorf("session %s of %s is left", sid, uid)
			}
		}
	}
	if !f.live(user, a.ID) || !f.live(user, b.ID) {
		f.Error("a session that was created afterwards is dead")
	}
}

// testUnreadableGeneration lets nobody in while it is unknown who was ended.
func testUnreadableGeneration(f *fixture) {
	user := f.user()
	session := f.login(user.ID)
	for reason, write := range map[string]func(redis.Pipeliner, string){
		"generation": func(pipe redis.Pipeliner, key string) { pipe.Set(f.Context(), key, "x", 0) },
		"WRONGTYPE": func(pipe redis.Pipeliner, key string) {
			pipe.Del(f.Context(), key)
			pipe.HSet(f.Context(), key, "x", "y")
		},
	} {
		f.setGenerations(write)
		before := f.dump(user.ID)
		f.expectErrors(map[string]func() error{
			"Authenticate": func() error {
				access, err := f.store.Authenticate(f.Context(), bearer(user.ID, session.ID), "192.0.2.1")
				if access.Live {
					f.Error("it is live")
				}
				return err
			},
			"Lookup":       func() error { _, err := f.store.Lookup(f.Context(), bearer(user.ID, session.ID)); return err },
			"Session":      func() error { _, _, err := f.store.Session(f.Context(), user.ID, session.ID); return err },
			"LiveSessions": func() error { _, err := f.store.LiveSessions(f.Context(), user.ID, []string{session.ID}); return err },
			"Sessions":     func() error { _, err := f.store.Sessions(f.Context(), user.ID); return err },
			"CreateSession": func() error {
				_, _, err := f.store.CreateSession(f.Context(), newSession(user.ID, time.Hour))
				return err
			},
			"EndSessions": func() error {
				_, err := f.store.EndSessions(f.Context(), user.ID, []string{session.ID}, byUser)
				return err
			},
		}, reason)
		if diff := cmp.Diff(before, f.dump(user.ID)); diff != "" {
			f.Errorf("something changed (-before +after):\n%s", diff)
		}
	}
}
