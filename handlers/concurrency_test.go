package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/config"
)

// together runs n calls at once and returns what they returned.
func together[T any](t *testing.T, n int, call func(i int) (T, error)) []T {
	t.Helper()
	results, errs := make([]T, n), make([]error, n)
	gate := make(chan struct{})
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			<-gate
			results[i], errs[i] = call(i)
		})
	}
	close(gate)
	calls.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return results
}

// tryLogin logs ada in, for goroutines other than the test's.
func (r *replica) tryLogin() (string, error) {
	got, err := r.try(loginRequest("ada", password))
	if err != nil {
		return "", err
	}
	var body struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(got.text), &body); err != nil || body.Token == "" {
		return "", fmt.Errorf("login: status %d, body %s: %w", got.status, got.text, err)
	}
	return body.Token, nil
}

// Logins of one user at once, on two replicas, get an ID each, and every token
// works.
func TestConcurrentLogins(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	replicas := []*replica{s.replica(), s.replica()}
	s.addUser("ada")

	tokens := together(t, 50, func(i int) (string, error) { return replicas[i%2].tryLogin() })
	ids := []string{}
	for i, token := range tokens {
		ids = append(ids, replicas[(i+1)%2].session(token))
	}
	slices.Sort(ids)
	if distinct := len(slices.Compact(ids)); distinct != 50 {
		t.Errorf("%d IDs for 50 sessions", distinct)
	}
	if count, _ := listOf(t, replicas[0].get(tokens[0], "/users/me/sessions")); count != 50 {
		t.Errorf("%d sessions are listed", count)
	}
}

// The cap holds whoever comes at the same time: as many live sessions as it
// admits, in the index and out of it.
func TestCapUnderConcurrentLogins(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t), func(c *config.Config) { c.Sessions.MaxPerUser = 5 })
	replicas := []*replica{s.replica(), s.replica()}
	s.addUser("ada")

	tokens := together(t, 40, func(i int) (string, error) { return replicas[i%2].tryLogin() })
	live := []string{}
	for _, token := range tokens {
		switch got := replicas[0].get(token, "/users/me/sessions/me"); got.status {
		case 200:
			live = append(live, got.field(t, "id"))
		default:
			got.is(t, 401, "INVALID_SESSION_ERROR")
		}
	}
	if len(live) != 5 || len(s.keys("session:*")) != 5 {
		t.Errorf("%d live sessions, %d in Redis", len(live), len(s.keys("session:*")))
	}
	token := replicas[0].login("ada")
	if count, _ := listOf(t, replicas[1].get(token, "/users/me/sessions")); count != 5 {
		t.Errorf("%d sessions are listed", count)
	}
}

// However many delete the same sessions at once, in bulk, one by one or all,
// each session counts for exactly one of them.
func TestConcurrentDeletionsAddUp(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	replicas := []*replica{s.replica(), s.replica()}
	s.addUser("ada")
	token := replicas[0].login("ada")

	for round := range 6 {
		const sessions = 10
		ids := make([]string, sessions)
		for i := range ids {
			ids[i] = replicas[0].session(replicas[0].login("ada"))
		}
		bulk := request{method: "DELETE", path: "/users/me/sessions", token: token, body: `{"ids":[` + strings.Join(ids, ",") + `]}`}
		calls := []request{bulk, bulk}
		if round%2 == 1 {
			calls = append(calls, request{method: "DELETE", path: "/users/me/sessions/all", token: token})
			for _, id := range ids[:4] {
				calls = append(calls, request{method: "DELETE", path: "/users/me/sessions/" + id, token: token})
			}
		}
		total := 0
		for i, got := range together(t, len(calls), func(i int) (answer, error) { return replicas[i%2].try(calls[i]) }) {
			switch {
			case got.status == 404:
				got.is(t, 404, "INVALID_SESSION_ERROR")
			case strings.Contains(calls[i].path, "sessions/1"):
				got.is(t, 200, "DELETE_SESSION_SUCCESS")
				total++
			default:
				got.is(t, 200, "DELETE_SESSIONS_SUCCESS")
				count, err := strconv.Atoi(got.field(t, "count"))
				if err != nil {
					t.Fatal(err)
				}
				total += count
			}
		}
		if total != sessions {
			t.Errorf("round %d: %d deletions of %d sessions", round, total, sessions)
		}
	}
	if count, _ := listOf(t, replicas[1].get(token, "/users/me/sessions")); count != 1 {
		t.Errorf("%d sessions are left", count)
	}
}

// forgetUse makes the next request of a session note its use again.
var forgetUse = redis.NewScript(`if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'usedAt', '1') end return 1`)

// A deletion against a storm of requests with that very token, on two replicas:
// every request sent after its 200 is refused, and nothing that was under way
// (each request notes the session's use) brings a key back.
func TestDeletionAgainstAStorm(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	replicas := []*replica{s.replica(), s.replica()}
	ada := s.addUser("ada")

	for _, deletion := range []request{
		{method: "DELETE", path: "/users/me/sessions/me"},
		{method: "DELETE", path: "/users/me/sessions", body: `{"ids":["me"]}`},
		{method: "DELETE", path: "/users/me/sessions/all?include-self=true"},
	} {
		token := replicas[0].login("ada")
		ctx, stop := context.WithCancel(t.Context())
		warm := make(chan struct{}, 1000)
		var deleted sync.Map // Is there once the deletion is answered.
		var storm sync.WaitGroup
		key := "session:{" + ada.ID + "}:" + replicas[0].session(token)
		storm.Go(func() {
			rdb := s.redis.Client()
			for ctx.Err() == nil {
				if err := forgetUse.Run(context.Background(), rdb, []string{key}).Err(); err != nil {
					t.Error(err)
					return
				}
			}
		})
		for i := range 8 {
			storm.Go(func() {
				for ctx.Err() == nil {
					_, after := deleted.Load("")
					got, err := replicas[i%2].try(request{method: "GET", path: "/users/me/sessions/me", token: token})
					switch {
					case err != nil:
						t.Error(err)
						return
					case after && got.status != 401, got.status != 200 && got.status != 401:
						t.Errorf("status %d, after the deletion: %t", got.status, after)
						return
					}
					select {
					case warm <- struct{}{}:
					default:
					}
				}
			})
		}
		for range 30 {
			<-warm
		}
		deletion.token = token
		got := replicas[0].do(deletion)
		deleted.Store("", true)
		for len(warm) > 0 {
			<-warm
		}
		for range 50 {
			<-warm
		}
		stop()
		storm.Wait()
		if got.status != 200 {
			t.Errorf("%s %s: status %d", deletion.method, deletion.path, got.status)
		}
		for _, r := range replicas {
			r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
		}
	}
	for _, r := range replicas {
		r.stop() // Notes of use that were still waiting are written by now.
	}
	if left := s.keys("session*"); len(left) != 0 {
		t.Errorf("left in Redis: %q", left)
	}
}

// A note of use that comes too late finds nothing and leaves nothing.
func TestLateNoteOfUseRevivesNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	token, other := r.login("ada"), r.login("ada")
	sid := r.session(token)
	r.delete(token, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
	if err := r.store.TouchSession(t.Context(), ada.ID, sid); err != nil {
		t.Fatal(err)
	}
	if left := r.keys("session:*:" + sid); len(left) != 0 {
		t.Errorf("left in Redis: %q", left)
	}
	r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	if count, _ := listOf(t, r.get(other, "/users/me/sessions")); count != 1 {
		t.Errorf("%d sessions", count)
	}
}

// Logins and deletions of the same user overlap as they like: a deletion ends
// what was there, a login lives on, and neither undoes the other.
func TestLoginsAgainstDeletions(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	replicas := []*replica{s.replica(), s.replica()}
	s.addUser("ada")
	keeper := replicas[0].login("ada")

	for range 8 {
		doomed := []string{replicas[0].login("ada"), replicas[1].login("ada")}
		fresh := make([]string, 4)
		together(t, 6, func(i int) (struct{}, error) {
			if i < 4 {
				var err error
				fresh[i], err = replicas[i%2].tryLogin()
				return struct{}{}, err
			}
			got, err := replicas[i%2].try(request{method: "DELETE", path: "/users/me/sessions/me", token: doomed[i-4]})
			if err == nil && got.status != 200 {
				err = fmt.Errorf("deletion: status %d, body %s", got.status, got.text)
			}
			return struct{}{}, err
		})
		for _, token := range doomed {
			replicas[0].get(token, "/users/me/sessions").is(t, 401, "INVALID_SESSION_ERROR")
		}
		for _, token := range fresh {
			replicas[1].get(token, "/users/me/sessions").is(t, 200, "")
		}
		got := replicas[0].delete(keeper, "/users/me/sessions/all")
		if got.field(t, "count") != "4" {
			t.Errorf("body %s after four logins", got.text)
		}
	}
}

// A list taken while sessions are ended all at once shows all of them or none.
func TestNoListShowsHalfADeletion(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	r := s.replica()
	s.addUser("ada")
	token := r.login("ada")
	for range 6 {
		for range 6 {
			r.login("ada")
		}
		for _, got := range together(t, 9, func(i int) (answer, error) {
			if i == 0 {
				return r.try(request{method: "DELETE", path: "/users/me/sessions/all", token: token})
			}
			return r.try(request{method: "GET", path: "/users/me/sessions", token: token})
		})[1:] {
			if count, ids := listOf(t, got); (count != 1 && count != 7) || len(ids) != count {
				t.Errorf("a list counts %d and shows %d", count, len(ids))
			}
		}
	}
}

// One person who bans, and one who logs in: no session is made by a login that
// the ban overtook, and none is ended by it.
func TestBanAgainstLogins(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	for range 6 {
		statuses := together(t, 6, func(i int) (int, error) {
			if i == 3 {
				_, err := r.store.BanUser(context.Background(), ada.ID)
				return 0, err
			}
			got, err := r.try(loginRequest("ada", password))
			return got.status, err
		})
		made := 0
		for _, status := range statuses {
			switch status {
			case 201:
				made++
			case 0, 403:
			default:
				t.Errorf("status %d", status)
			}
		}
		r.do(loginRequest("ada", password)).is(t, 403, "BANNED_ERROR")
		if _, err := r.store.UnbanUser(t.Context(), ada.ID); err != nil {
			t.Fatal(err)
		}
		token := r.login("ada")
		if count, _ := listOf(t, r.get(token, "/users/me/sessions")); count != made+1 {
			t.Errorf("%d sessions after %d logins", count, made+1)
		}
		r.delete(token, "/users/me/sessions/all?include-self=true").is(t, 200, "DELETE_SESSIONS_SUCCESS")
	}
}
