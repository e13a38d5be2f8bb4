package redisstore_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

// TestModel drives random logins, deletions, bans and expiries against Redis
// and against a model in a few lines, and compares after every step what each
// says of all sessions that there ever were.
func TestModel(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	f := newFixture(t, config.Redis{Mode: config.ModeStandalone, Addresses: []string{server.Addr()}})
	const most = 4
	store := f.newStore(maxSessions(most))
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{fixture: f, store: store, most: most}
		for range 2 {
			m.users = append(m.users, &modelUser{id: f.user().ID})
		}
		rt.Repeat(map[string]func(*rapid.T){
			"":        m.compare,
			"login":   m.login,
			"end":     m.end,
			"end all": m.endAll,
			"ban":     m.ban,
			"expire":  m.expireOne,
			"vanish":  m.vanish,
			"touch":   m.touch,
			"remove":  m.remove,
		})
	})
}

// modelUser is what a user's state comes down to.
type modelUser struct {
	id              string
	removed, banned bool
	// live are the IDs of live sessions, the oldest first; all are those of
	// every session that there ever was.
	live, all []string
}

type model struct {
	*fixture
	store *redisstore.Store
	most  int
	users []*modelUser
}

func (m *model) user(t *rapid.T) *modelUser {
	return rapid.SampledFrom(m.users).Draw(t, "user")
}

// session draws the ID of a session of a user, ended or not, or one that never
// was.
func session(t *rapid.T, u *modelUser) string {
	return rapid.SampledFrom(append([]string{"1700000000000"}, u.all...)).Draw(t, "session")
}

func check(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func (m *model) login(t *rapid.T) {
	u := m.user(t)
	ttl := time.Duration(rapid.IntRange(1, 100).Draw(t, "hours")) * time.Hour
	created, outcome, err := m.store.CreateSession(m.Context(), newSession(u.id, ttl))
	check(t, err)
	want := redisstore.Created
	switch {
	case u.removed:
		want = redisstore.UserUnknown
	case u.banned:
		want = redisstore.UserBanned
	}
	if outcome != want {
		t.Fatalf("outcome %d, want %d", outcome, want)
	}
	if outcome != redisstore.Created {
		return
	}
	if len(u.all) > 0 && created.ID <= u.all[len(u.all)-1] {
		t.Fatalf("ID %s after %s", created.ID, u.all[len(u.all)-1])
	}
	u.all = append(u.all, created.ID)
	u.live = append(u.live, created.ID)
	u.live = u.live[max(len(u.live)-m.most, 0):]
}

// take ends sessions in the model and returns those that were live.
func (u *modelUser) take(end func(sid string) bool) []string {
	var ended []string
	u.live = slices.DeleteFunc(u.live, func(sid string) bool {
		if end(sid) {
			ended = append(ended, sid)
			return true
		}
		return false
	})
	return ended
}

func compareEnded(t *rapid.T, want, got []string) {
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Fatalf("ended %q, want %q", got, want)
	}
}

func (m *model) end(t *rapid.T) {
	u := m.user(t)
	sids := rapid.SliceOfN(rapid.SampledFrom(append([]string{"1700000000000", "x"}, u.all...)), 0, 6).Draw(t, "sessions")
	ended, err := m.store.EndSessions(m.Context(), u.id, sids, byUser)
	check(t, err)
	compareEnded(t, u.take(func(sid string) bool { return slices.Contains(sids, sid) }), ended)
}

func (m *model) endAll(t *rapid.T) {
	u := m.user(t)
	keep := ""
	if rapid.Bool().Draw(t, "keep one") {
		keep = session(t, u)
	}
	ended, err := m.store.EndAllSessions(m.Context(), u.id, keep, byUser)
	check(t, err)
	compareEnded(t, u.take(func(sid string) bool { return sid != keep }), ended)
}

func (m *model) ban(t *rapid.T) {
	u := m.user(t)
	banned := rapid.Bool().Draw(t, "banned")
	change := m.store.UnbanUser
	if banned {
		change = m.store.BanUser
	}
	found, err := change(m.Context(), u.id)
	check(t, err)
	if found == u.removed {
		t.Fatalf("found %v", found)
	}
	u.banned = banned && found
}

// expireOne lets a session's time be over.
func (m *model) expireOne(t *rapid.T) {
	u := m.user(t)
	if len(u.live) == 0 {
		return
	}
	sid := rapid.SampledFrom(u.live).Draw(t, "session")
	m.expire(u.id, sid)
	u.take(func(other string) bool { return other == sid })
}

// vanish is an operator's DEL, which leaves the index as it is.
func (m *model) vanish(t *rapid.T) {
	u := m.user(t)
	sid := session(t, u)
	check(t, m.rdb.Del(m.Context(), sessionKey(u.id, sid)).Err())
	u.take(func(other string) bool { return other == sid })
}

func (m *model) touch(t *rapid.T) {
	u := m.user(t)
	check(t, m.store.TouchSession(m.Context(), u.id, session(t, u)))
}

func (m *model) remove(t *rapid.T) {
	// Seldom: not much happens to an account that is gone.
	if rapid.IntRange(0, 9).Draw(t, "spare") > 0 {
		return
	}
	u := m.user(t)
	removed, err := m.store.RemoveUser(m.Context(), u.id)
	check(t, err)
	if removed == u.removed {
		t.Fatalf("removed %v, and before %v", removed, u.removed)
	}
	u.removed, u.banned, u.live = true, false, nil
}

func (m *model) compare(t *rapid.T) {
	for _, u := range m.users {
		sessions, err := m.store.Sessions(m.Context(), u.id)
		check(t, err)
		listed := []string{}
		for _, session := range sessions {
			listed = append(listed, session.ID)
		}
		want := slices.Clone(u.live)
		slices.Reverse(want)
		if diff := cmp.Diff(append([]string{}, want...), listed); diff != "" {
			t.Fatalf("sessions of %s (-want +got):\n%s", u.id, diff)
		}
		for _, sid := range u.all {
			access, err := m.store.Authenticate(m.Context(), bearer(u.id, sid), "192.0.2.1")
			check(t, err)
			live := slices.Contains(u.live, sid)
			if access.Live != live || access.Banned != (live && u.banned) {
				t.Fatalf("session %s: %+v; want live %v, banned %v", sid, access, live, u.banned)
			}
		}
		m.compareKeys(t, u)
	}
}

// compareKeys looks for what no call would tell: keys that nobody needs.
func (m *model) compareKeys(t *rapid.T, u *modelUser) {
	count, err := m.rdb.ZCard(m.Context(), indexKey(u.id)).Result()
	check(t, err)
	exist := make([]string, len(u.all))
	for i, sid := range u.all {
		exist[i] = sessionKey(u.id, sid)
	}
	hashes := int64(0)
	if len(exist) > 0 {
		hashes, err = m.rdb.Exists(m.Context(), exist...).Result()
		check(t, err)
	}
	// The list before has dropped the ghosts and the expired.
	if want := int64(len(u.live)); count != want || hashes != want {
		t.Fatalf("the index has %s members and there are %d hashes, want %d", strconv.FormatInt(count, 10), hashes, want)
	}
}
