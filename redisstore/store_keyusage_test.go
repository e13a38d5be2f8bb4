package redisstore_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

var keyUsageTests = map[string]func(*fixture){
	"live sessions are counted by their key": func(f *fixture) {
		mine, other := redisstore.SigningKey{ID: "kid-" + uniqueName()}, redisstore.SigningKey{ID: "kid-" + uniqueName()}
		check := func(key redisstore.SigningKey, want int) {
			f.Helper()
			got, err := f.store.CountSignedBy(f.Context(), key, nil)
			if err != nil || got.Signed != want {
				f.Errorf("CountSignedBy: %+v, %v; want %d", got, err, want)
			}
		}
		check(mine, 0)
		var sids, uids []string
		for range 3 {
			uid := f.user().ID
			for range 2 {
				session, outcome, err := f.store.CreateSession(f.Context(), redisstore.NewSession{
					UserID: uid, PasswordHash: hash, TTL: time.Hour, KeyID: mine.ID,
				})
				if err != nil || outcome != redisstore.Created {
					f.Fatalf("CreateSession: %v, %v", outcome, err)
				}
				sids, uids = append(sids, session.ID), append(uids, uid)
			}
		}
		check(mine, 6)
		check(other, 0)
		if _, err := f.store.EndSessions(f.Context(), uids[0], sids[:1], byUser); err != nil {
			f.Fatal(err)
		}
		check(mine, 5)
		// Past its expiry, though its key is still there.
		if err := f.rdb.HSet(f.Context(), "session:{"+uids[1]+"}:"+sids[1], "exp", 1).Err(); err != nil {
			f.Fatal(err)
		}
		check(mine, 4)
	},
}

// Whatever does not tell its key counts for every key that it can be of.
func TestSessionsOfUnknownKeys(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	f := newFixture(t, config.Redis{Mode: config.ModeStandalone, Addresses: []string{server.Addr()}})
	keyMade := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	put := func(sid string, values ...any) {
		t.Helper()
		values = append([]any{"name", "x", "exp", time.Now().Add(time.Hour).Unix()}, values...)
		if err := f.rdb.HSet(context.Background(), "session:{1647015028626}:"+sid, values...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	at := func(age time.Duration) string { return strconv.FormatInt(keyMade.Add(age).UnixMilli(), 10) }
	put("1687067614") // Of the older system.
	put("1687067615")
	put(at(-25 * time.Hour)) // Older than the key.
	put(at(-23 * time.Hour)) // Maybe not: clocks differ.
	put(at(time.Hour))
	put(at(2*time.Hour), "exp", "broken")
	put(at(3*time.Hour), "kid", "a")
	put(at(4*time.Hour), "kid", "")
	put(at(5*time.Hour), "exp", "1")
	// No sessions.
	if err := f.rdb.HSet(t.Context(), "session:{x}:y", "kid", "a").Err(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		key  redisstore.SigningKey
		want redisstore.KeyUsage
	}{
		"dated":             {redisstore.SigningKey{ID: "a", Created: keyMade}, redisstore.KeyUsage{Signed: 1, Unknown: 4}},
		"dated, later":      {redisstore.SigningKey{ID: "b", Created: keyMade.AddDate(0, 1, 0)}, redisstore.KeyUsage{}},
		"dated and legacy":  {redisstore.SigningKey{ID: "a", Created: keyMade, Legacy: true}, redisstore.KeyUsage{Signed: 3, Unknown: 4}},
		"legacy":            {redisstore.SigningKey{ID: "l", Legacy: true}, redisstore.KeyUsage{Signed: 2, Unknown: 5}},
		"of unknown origin": {redisstore.SigningKey{ID: "u"}, redisstore.KeyUsage{Unknown: 7}},
	} {
		seen := 0
		got, err := f.store.CountSignedBy(t.Context(), tt.key, func(keys int) { seen = keys })
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tt.want)
		}
		if seen != 9 {
			t.Errorf("%s: progress ended at %d", name, seen)
		}
	}

	server.Kill()
	if got, err := f.newStore(func(o *redisstore.Options) { o.Timeout = time.Second }).CountSignedBy(t.Context(), redisstore.SigningKey{ID: "a"}, nil); err == nil {
		t.Errorf("without Redis: %+v", got)
	}
}
