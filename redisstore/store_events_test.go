package redisstore_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

var eventTests = map[string]func(*fixture){
	"a trail tells what happened":             testTrail,
	"there is no trail unless it is wanted":   testNoTrail,
	"a trail is bounded and expires":          testTrailBounds,
	"a trail that can't be written is missed": testBrokenTrail,
	"events are published to all":             testPublish,
}

func trail(o *redisstore.Options) { o.MaxEvents = 100 }

// events are those of a stream, without their IDs.
func (f *fixture) events(uid string) []redisstore.Event {
	f.Helper()
	var all []redisstore.Event
	for last := ""; ; {
		events, err := f.store.Events(f.Context(), uid, last, 0)
		f.must(err)
		if len(events) == 0 {
			return all
		}
		for _, e := range events {
			last, e.ID = e.ID, ""
			all = append(all, e)
		}
	}
}

// history is what happens to a user, and what the events are to tell of it.
func (f *fixture) history(store *redisstore.Store) (uid string, want []redisstore.Event) {
	f.Helper()
	user := f.user()
	self, staff := redisstore.ByUser(user.ID), redisstore.ByStaff("1700000000000")
	tell := func(what redisstore.EventType, sid string, who redisstore.Actor, why redisstore.Reason) {
		want = append(want, redisstore.Event{Type: what, UserID: user.ID, SessionID: sid, Actor: who, Reason: why})
	}
	login := func() string {
		session := f.loginOn(store, user.ID, time.Hour)
		tell(redisstore.EventSessionCreated, session.ID, self, "")
		return session.ID
	}
	a, b, c := login(), login(), login()
	_, err := store.EndSessions(f.Context(), user.ID, []string{a, b, "1700000000000"}, redisstore.Ending{Actor: self, Reason: redisstore.ReasonRevoked, Own: b})
	f.must(err)
	tell(redisstore.EventSessionEnded, a, self, redisstore.ReasonRevoked)
	tell(redisstore.EventSessionEnded, b, self, redisstore.ReasonLogout)
	_, err = store.EndAllSessions(f.Context(), user.ID, "", redisstore.Ending{Actor: staff, Reason: redisstore.ReasonStaff})
	f.must(err)
	tell(redisstore.EventSessionEnded, c, staff, redisstore.ReasonStaff)
	for range 2 { // What was so already is no event.
		_, err = store.BanUser(f.Context(), user.ID)
		f.must(err)
	}
	tell(redisstore.EventUserBanned, "", redisstore.Operator, "")
	for range 2 {
		_, err = store.UnbanUser(f.Context(), user.ID)
		f.must(err)
	}
	tell(redisstore.EventUserUnbanned, "", redisstore.Operator, "")
	var sids []string
	for range 4 {
		sids = append(sids, login())
	}
	tell(redisstore.EventSessionEnded, sids[0], self, redisstore.ReasonCap)
	_, _, err = store.SetPasswordHash(f.Context(), user.ID, hash)
	f.must(err)
	for _, sid := range sids[1:] {
		tell(redisstore.EventSessionEnded, sid, redisstore.Operator, redisstore.ReasonPassword)
	}
	last := login()
	_, err = store.RemoveUser(f.Context(), user.ID)
	f.must(err)
	tell(redisstore.EventSessionEnded, last, redisstore.Operator, redisstore.ReasonRemoved)
	return user.ID, want
}

func testTrail(f *fixture) {
	uid, want := f.history(f.newStore(trail, maxSessions(3)))
	if diff := cmp.Diff(want, f.events(uid)); diff != "" {
		f.Errorf("the trail (-want +got):\n%s", diff)
	}
	events, err := f.store.Events(f.Context(), uid, "", 0)
	f.must(err)
	if ago := time.Since(events[0].Time()); ago < -time.Minute || ago > time.Hour {
		f.Errorf("the first event was %v ago", ago)
	}
	if got, err := f.store.Events(f.Context(), uid, events[len(events)-1].ID, 10*time.Millisecond); len(got) > 0 || err != nil {
		f.Errorf("behind the last event: %v, %v", got, err)
	}
}

func testNoTrail(f *fixture) {
	uid, _ := f.history(f.newStore(maxSessions(3)))
	if left := f.dump(uid); len(left) != 0 {
		f.Errorf("there is %v", left)
	}
	if got := f.events(uid); len(got) > 0 {
		f.Errorf("events %v", got)
	}
}

func testTrailBounds(f *fixture) {
	user, store := f.user(), f.newStore(trail, maxSessions(1))
	for range 400 {
		f.loginOn(store, user.ID, time.Hour)
	}
	// Redis drops events by whole nodes, of 100 at most, so that a few more stay.
	if n := f.rdb.XLen(f.Context(), "events:{"+user.ID+"}").Val(); n < 100 || n > 200 {
		f.Errorf("%d events, want about 100", n)
	}
	if left := f.rdb.TTL(f.Context(), "events:{"+user.ID+"}").Val(); (left - 90*24*time.Hour).Abs() > time.Hour {
		f.Errorf("the trail expires in %v, want 90 days", left)
	}
}

// testBrokenTrail has another type of key where the trail should be.
func testBrokenTrail(f *fixture) {
	user, store := f.user(), f.newStore(trail)
	key := "events:{" + user.ID + "}"
	f.must(f.rdb.Set(f.Context(), key, "x", 0).Err())
	a, b := f.loginOn(store, user.ID, time.Hour), f.loginOn(store, user.ID, time.Hour)
	if !f.live(user.ID, a.ID) || len(f.listed(user.ID)) != 2 {
		f.Error("the logins are not whole")
	}
	if found, err := store.BanUser(f.Context(), user.ID); !found || err != nil {
		f.Errorf("ban: %v, %v", found, err)
	}
	ended, err := store.EndSessions(f.Context(), user.ID, []string{a.ID}, byUser)
	if len(ended) != 1 || err != nil {
		f.Errorf("end: %v, %v", ended, err)
	}
	ended, err = store.EndAllSessions(f.Context(), user.ID, "", byUser)
	if len(ended) != 1 || ended[0] != b.ID || err != nil {
		f.Errorf("end all: %v, %v", ended, err)
	}
	if got := f.rdb.Get(f.Context(), key).Val(); got != "x" {
		f.Errorf("the key holds %q", got)
	}
}

// testPublish shares the stream of all users with other tests, which may push
// events out of it: none does so many.
func testPublish(f *fixture) {
	uid, want := f.history(f.newStore(maxSessions(3)))
	var got []redisstore.Event
	redistest.Eventually(f.T, "all events to be published", func() bool {
		got = slices.DeleteFunc(f.events(""), func(e redisstore.Event) bool { return e.UserID != uid })
		return len(got) >= len(want)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("published (-want +got):\n%s", diff)
	}
}

// What waits is published before the store is closed.
func TestCloseKeepsEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t, config.Redis{Mode: config.ModeStandalone, Addresses: []string{redistest.Start(t).Addr()}})
	user := f.user()
	store := f.newStore()
	const logins = 50
	for range logins {
		f.loginOn(store, user.ID, time.Hour)
	}
	f.must(store.Close())
	if got := f.events(""); len(got) != logins {
		t.Errorf("%d events, want %d", len(got), logins)
	}
}

// Endings are noted when Redis has no memory left, and everybody's are noted for
// each user; that they all ended is one event for all.
func TestEventsOfEveryoneWithoutMemory(t *testing.T) {
	t.Parallel()
	f := newFixture(t, config.Redis{Mode: config.ModeStandalone, Addresses: []string{redistest.Start(t).Addr()}})
	store := f.newStore(trail)
	user := f.user()
	a, b := f.loginOn(store, user.ID, time.Hour), f.loginOn(store, user.ID, time.Hour)
	// That scripts are known takes memory, too.
	_, err := store.EndSessions(f.Context(), user.ID, []string{"1700000000000"}, byUser)
	f.must(err)
	created := len(f.events(user.ID))

	f.must(f.rdb.ConfigSet(f.Context(), "maxmemory", "1").Err())
	_, err = store.EndSessions(f.Context(), user.ID, []string{a.ID}, byUser)
	f.must(err)
	ended, err := store.EndEveryone(f.Context(), nil)
	if ended != 1 || err != nil {
		t.Errorf("%d ended, %v", ended, err)
	}
	want := []redisstore.Event{
		{Type: redisstore.EventSessionEnded, UserID: user.ID, SessionID: a.ID, Actor: byUser.Actor, Reason: byUser.Reason},
		{Type: redisstore.EventSessionEnded, UserID: user.ID, SessionID: b.ID, Actor: redisstore.Operator, Reason: redisstore.ReasonEveryone},
	}
	if diff := cmp.Diff(want, f.events(user.ID)[created:]); diff != "" {
		t.Errorf("the trail (-want +got):\n%s", diff)
	}

	f.must(f.rdb.ConfigSet(f.Context(), "maxmemory", "0").Err())
	_, err = store.EndEveryone(f.Context(), nil)
	f.must(err)
	all := redisstore.Event{Type: redisstore.EventSessionEnded, UserID: "*", SessionID: "*", Actor: redisstore.Operator, Reason: redisstore.ReasonEveryone}
	redistest.Eventually(t, "the event for all", func() bool { return slices.Contains(f.events(""), all) })
}

// An outage of the stream of all users delays nothing and breaks nothing.
func TestPublishingIsBestEffort(t *testing.T) {
	t.Parallel()
	f := newFixture(t, config.Redis{Mode: config.ModeStandalone, Addresses: []string{redistest.Start(t).Addr()}})
	f.must(f.rdb.Set(f.Context(), "events", "x", 0).Err())
	m := measure(t, f.redis)
	user := f.user()
	if _, outcome, err := m.CreateSession(context.Background(), newSession(user.ID, time.Hour)); outcome != redisstore.Created || err != nil {
		t.Fatalf("outcome %d, %v", outcome, err)
	}
	redistest.Eventually(t, "the event to be missed", func() bool {
		return m.tell(t, "sessiond_redis_events_lost_total")[""] == 1
	})
}
