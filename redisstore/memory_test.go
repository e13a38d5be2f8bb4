package redisstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

// TestOutOfMemory has Redis refuse what takes memory (maxmemory with
// noeviction): nothing is half done, nobody is let in uncounted, and sessions
// can still be ended.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	f := newFixture(t, config.Redis{Mode: config.ModeStandalone, Addresses: []string{server.Addr()}})
	capped := f.newStore(maxSessions(2))
	user := f.user()
	a, b := f.loginOn(capped, user.ID, time.Hour), f.loginOn(capped, user.ID, time.Hour)
	newcomer := imported(redisstore.ImportedSession{IssuedAt: 1_690_000_000, ExpiresAt: time.Now().Unix() + 3600, Name: "x"})
	// That scripts are known takes memory, too.
	_, err := f.store.SetStaff(f.Context(), user.ID, true)
	f.must(err)
	f.importOne(f.store, imported())
	f.must(f.store.TouchSession(f.Context(), user.ID, a.ID))

	setMaxMemory := func(bytes string) {
		t.Helper()
		f.must(f.rdb.ConfigSet(f.Context(), "maxmemory", bytes).Err())
	}
	setMaxMemory("1")
	before := f.dump(user.ID)
	keys := len(f.keys("*"))
	f.expectErrors(map[string]func() error{
		"CreateSession at the cap": func() error {
			_, _, err := capped.CreateSession(f.Context(), newSession(user.ID, time.Hour))
			return err
		},
		"AddUser": func() error {
			_, err := f.store.AddUser(f.Context(), redisstore.NewUser{Username: uniqueName(), PasswordHash: hash})
			return err
		},
		"BanUser": func() error { _, err := f.store.BanUser(f.Context(), user.ID); return err },
		"SetPasswordHash": func() error {
			_, _, err := f.store.SetPasswordHash(f.Context(), user.ID, "new")
			return err
		},
		"SetStaff":    func() error { _, err := f.store.SetStaff(f.Context(), user.ID, false); return err },
		"ImportUsers": func() error { return f.store.ImportUsers(f.Context(), []redisstore.ImportedUser{newcomer})[0].Err },
		"AllowLogin":  func() error { _, err := f.store.AllowLogin(f.Context(), "192.0.2.1"); return err },
		"Authenticate": func() error {
			_, err := f.store.Authenticate(f.Context(), bearer(user.ID, a.ID), "192.0.2.1")
			return err
		},
		"Authenticate a dead token": func() error {
			_, err := f.store.Authenticate(f.Context(), bearer(user.ID, "1700000000000"), "192.0.2.1")
			return err
		},
		"ChargeAddress": func() error { _, err := f.store.ChargeAddress(f.Context(), "192.0.2.1"); return err },
	}, "OOM")
	if diff := cmp.Diff(before, f.dump(user.ID)); diff != "" || len(f.keys("*")) != keys {
		t.Errorf("keys %q, %d before; the user's changed:\n%s", f.keys("*"), keys, diff)
	}

	if diff := cmp.Diff([]string{b.ID, a.ID}, f.listed(user.ID)); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	if ended, err := f.store.EndSessions(f.Context(), user.ID, []string{a.ID}, byUser); len(ended) != 1 || err != nil {
		t.Errorf("EndSessions = %q, %v", ended, err)
	}
	if ended, err := f.store.EndAllSessions(f.Context(), user.ID, "", byUser); len(ended) != 1 || err != nil {
		t.Errorf("EndAllSessions = %q, %v", ended, err)
	}
	if unbanned, err := f.store.RemoveUser(f.Context(), user.ID); !unbanned || err != nil {
		t.Errorf("RemoveUser = %v, %v", unbanned, err)
	}

	if ended, err := f.store.EndEveryone(f.Context(), nil); err != nil {
		t.Errorf("EndEveryone = %d, %v", ended, err)
	}

	setMaxMemory("0")
	f.importOne(f.store, newcomer)
	if !f.live(newcomer.User.ID, "1690000000") {
		t.Error("the imported session is not live")
	}
}
