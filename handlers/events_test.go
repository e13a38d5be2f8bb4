package handlers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
)

// trail is what a user's trail tells, a text for each event.
func (s *service) trail(uid string) []string {
	s.t.Helper()
	events, err := s.store.Events(s.t.Context(), uid, "", 0)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for _, e := range events {
		if e.UserID != uid {
			s.t.Errorf("event of %s", e.UserID)
		}
		lines = append(lines, strings.Join([]string{string(e.Type), e.SessionID, string(e.Actor), string(e.Reason)}, " "))
	}
	return lines
}

func TestTrailTellsWhoEndedWhatAndWhy(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Events.MaxPerUser, c.Sessions.MaxPerUser = 100, 4 })
	ada, root := r.addUser("ada"), r.addStaff("root")
	staff := r.login("root")
	var want []string
	tell := func(parts ...string) { want = append(want, strings.Join(parts, " ")) }
	login := func() (token, sid string) {
		token = r.login("ada", "X-Session-Name", "a secret name")
		sid = r.session(token)
		tell("session.created", sid, "user:"+ada.ID, "")
		return token, sid
	}
	ended := func(sid, actor, reason string) { tell("session.ended", sid, actor, reason) }

	a, aID := login()
	b, bID := login()
	c, cID := login()
	_, dID := login()
	_, eID := login()
	ended(aID, "user:"+ada.ID, "cap")
	r.delete(b, "/users/me/sessions/me").is(t, 200, "")
	ended(bID, "user:"+ada.ID, "logout")
	r.delete(c, "/users/"+ada.ID+"/sessions/"+dID).is(t, 200, "")
	ended(dID, "user:"+ada.ID, "revoked")
	r.deleteIDs(c, "/users/me/sessions", `[`+eID+`,"me"]`).is(t, 200, "")
	ended(eID, "user:"+ada.ID, "revoked")
	ended(cID, "user:"+ada.ID, "logout")

	f, fID := login()
	_, gID := login()
	r.delete(f, "/users/me/sessions/all?include-self=true&dry-run=true").is(t, 200, "")
	r.delete(staff, "/users/"+ada.ID+"/sessions/"+gID).is(t, 200, "")
	ended(gID, "staff:"+root.ID, "staff")
	r.delete(f, "/users/me/sessions/all?include-self=true").is(t, 200, "")
	ended(fID, "user:"+ada.ID, "logout")
	_, hID := login()
	r.delete(staff, "/users/"+ada.ID+"/sessions/all").is(t, 200, "")
	ended(hID, "staff:"+root.ID, "staff")
	// What finds nothing is no event.
	r.delete(staff, "/users/"+ada.ID+"/sessions/"+hID).is(t, 404, "")

	if diff := cmp.Diff(want, r.trail(ada.ID)); diff != "" {
		t.Errorf("the trail (-want +got):\n%s", diff)
	}
	text := r.redis.CLI("XRANGE", "events:{"+ada.ID+"}", "-", "+") + r.redis.CLI("XRANGE", "events", "-", "+")
	for what, secret := range map[string]string{"a token": a, "a hash": testHash(), "a session's name": "a secret name", "an address": "127.0.0.1", "a user's name": "ada"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in the events", what)
		}
	}
}

// A trail that can't be written keeps nobody out and no session alive.
func TestBrokenTrail(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Events.MaxPerUser = 100 })
	ada := r.addUser("ada")
	r.redis.CLI("SET", "events:{"+ada.ID+"}", "x")
	token := r.login("ada")
	r.delete(token, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
	r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	if log := r.redis.Log(); !strings.Contains(log, "sessiond: session.ended is missing in events:{"+ada.ID+"}: WRONGTYPE") {
		t.Error("Redis' log does not say that events are missing")
	}
	if found, err := r.store.RemoveUser(t.Context(), ada.ID); !found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}
