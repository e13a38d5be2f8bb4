package failover_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

// startPair runs a primary and a replica of it that nobody watches: the test
// itself decides what fails over.
func startPair(t testing.TB) (primary, replica *redistest.Server) {
	t.Helper()
	primary = redistest.Start(t)
	replica = redistest.Start(t, "--replicaof", strings.ReplaceAll(primary.Addr(), ":", " "))
	caughtUp(t, primary, "")
	return primary, replica
}

func standalone(server *redistest.Server) config.Redis {
	return config.Redis{Mode: config.ModeStandalone, Addresses: []string{server.Addr()}}
}

// tooFew is how often the store has counted an ending that too few replicas
// confirmed.
func tooFew(t *testing.T, store *redisstore.Store) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(store)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if family.GetName() == "sessiond_redis_errors_total" && label.GetValue() == "replicas" {
					return metric.GetCounter().GetValue()
				}
			}
		}
	}
	t.Error("no sessiond_redis_errors_total for replicas")
	return 0
}

// While too few replicas confirm it, nothing that revokes is acknowledged, nor
// is a second attempt that finds it done.
func TestTooFewReplicas(t *testing.T) {
	t.Parallel()
	primary, replica := startPair(t)
	s := newService(t, standalone(primary), waitReplicas(1), func(c *config.Config) { c.Redis.Timeout = 400 * time.Millisecond })
	r := s.replica()
	ctx := t.Context()

	user, banned, removed := s.addUser(), s.addUser(), s.addUser()
	sessions := s.addSessions(user, 4)
	s.addSessions(removed, 2)
	calls := map[string]func() error{
		"EndSessions": func() error {
			_, err := r.own.EndSessions(ctx, user.ID, []string{sessions[1].sid}, redisstore.Ending{})
			return err
		},
		"EndAllSessions": func() error {
			_, err := r.own.EndAllSessions(ctx, user.ID, sessions[0].sid, redisstore.Ending{})
			return err
		},
		"BanUser":         func() error { _, err := r.own.BanUser(ctx, banned.ID); return err },
		"SetPasswordHash": func() error { _, _, err := r.own.SetPasswordHash(ctx, banned.ID, banned.PasswordHash); return err },
		"SetStaff":        func() error { _, err := r.own.SetStaff(ctx, banned.ID, false); return err },
		"RemoveUser":      func() error { _, err := r.own.RemoveUser(ctx, removed.ID); return err },
	}
	replica.Freeze()
	for _, attempt := range []string{"first", "second"} {
		for name, call := range calls {
			before := tooFew(t, r.own)
			if err := call(); !errors.Is(err, redisstore.ErrTooFewReplicas) {
				t.Errorf("%s attempt of %s: %v, want ErrTooFewReplicas", attempt, name, err)
			}
			if got := tooFew(t, r.own) - before; got != 1 {
				t.Errorf("%s attempt of %s is counted %v times, want once", attempt, name, got)
			}
		}
		got := r.end(sessions[0].token, sessions[1].sid)
		got.is(t, attempt+" deletion", http.StatusInternalServerError)
		got = r.ask(http.MethodDelete, "/users/me/sessions/all", sessions[0].token, "")
		got.is(t, attempt+" deletion of all", http.StatusInternalServerError)
	}
	if got := s.logs.String(); !strings.Contains(got, redisstore.ErrTooFewReplicas.Error()+": 0 of 1") {
		t.Errorf("the log does not say that too few replicas confirmed:\n%s", got)
	}
	// What is not acknowledged is done all the same: an outage of the replicas
	// must not keep anybody from logging out.
	r.check(sessions[1].token).is(t, "check of an ended session", http.StatusUnauthorized)
	r.check(sessions[2].token).is(t, "check of one that ended with all others", http.StatusUnauthorized)

	replica.Thaw()
	caughtUp(t, primary, user.ID)
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s with its replica back: %v", name, err)
		}
	}
	r.end(sessions[0].token, sessions[0].sid).is(t, "deletion with the replica back", http.StatusOK)
}

// A call that finds nothing left to do writes to the replicas all the same: only
// then has WAIT, which on newer servers speaks of the connection's own writes
// alone, something to wait for.
func TestEndingNothingIsReplicated(t *testing.T) {
	t.Parallel()
	primary, _ := startPair(t)
	s := newService(t, standalone(primary), waitReplicas(1))
	store := s.replica().own
	ctx := t.Context()
	user := s.addUser()
	kept := s.addSessions(user, 1)[0]
	const nobody, none = "1000000000001", "1000000000002"
	for name, call := range map[string]func() (any, error){
		"a session that is none":  func() (any, error) { return store.EndSessions(ctx, user.ID, []string{none}, redisstore.Ending{}) },
		"no sessions":             func() (any, error) { return store.EndSessions(ctx, nobody, []string{none}, redisstore.Ending{}) },
		"all but the only one":    func() (any, error) { return store.EndAllSessions(ctx, user.ID, kept.sid, redisstore.Ending{}) },
		"all sessions of nobody":  func() (any, error) { return store.EndAllSessions(ctx, nobody, "", redisstore.Ending{}) },
		"an account that is none": func() (any, error) { return store.RemoveUser(ctx, nobody) },
		"a ban of nobody":         func() (any, error) { return store.UnbanUser(ctx, nobody) },
	} {
		before := replicationOffset(t, primary)
		if ended, err := call(); err != nil {
			t.Errorf("%s: %v, %v", name, ended, err)
		}
		if replicationOffset(t, primary) == before {
			t.Errorf("%s: nothing was sent to the replicas", name)
		}
	}
	if got := primary.CLI("EXISTS", userKey(nobody), "sessions:{"+nobody+"}"); got != "0" {
		t.Errorf("%s keys of nobody are left", got)
	}
	if got := primary.CLI("TTL", userKey(user.ID)); got != "-1" {
		t.Errorf("the account expires in %s s", got)
	}
	// Its expiry is that of the session, but for the rounding of each call.
	if index, hash := primary.CLI("EXPIRETIME", "sessions:{"+user.ID+"}"), primary.CLI("EXPIRETIME", sessionKey(kept)); index != hash {
		t.Errorf("the index expires at %s, its session at %s", index, hash)
	}
}

// replicationOffset is how much the primary has sent to its replicas, pings
// aside: those come every ten seconds.
func replicationOffset(t *testing.T, primary *redistest.Server) string {
	t.Helper()
	for line := range strings.Lines(primary.CLI("INFO", "replication")) {
		if offset, found := strings.CutPrefix(line, "master_repl_offset:"); found {
			return offset
		}
	}
	t.Error("no master_repl_offset in INFO replication")
	return ""
}

// TestEndingSurvivesFailover kills the primary the moment an ending is
// acknowledged, 50 times, and promotes the replica. What the primary sends to
// the replica is a while on its way, so that without waiting next to every
// ending is undone.
func TestEndingSurvivesFailover(t *testing.T) {
	t.Parallel()
	for wait, failovers := range map[int]int{0: 5, 1: 50} {
		t.Run(fmt.Sprintf("wait_replicas %d", wait), func(t *testing.T) {
			t.Parallel()
			back := 0
			for range failovers {
				if comesBack(t, wait) {
					back++
				}
			}
			t.Logf("with wait_replicas %d, %d of %d ended sessions came back", wait, back, failovers)
			if wait > 0 && back > 0 {
				t.Errorf("%d of %d sessions came back after their end was acknowledged", back, failovers)
			}
		})
	}
}

// comesBack reports whether a session that was ended is there after a failover.
func comesBack(t *testing.T, wait int) bool {
	t.Helper()
	primary := redistest.Start(t)
	lag := startLag(t, primary.Addr())
	replica := redistest.Start(t, "--replicaof", strings.ReplaceAll(lag.addr, ":", " "))
	caughtUp(t, primary, "")
	s := newService(t, standalone(primary), waitReplicas(wait))
	r := s.replica()
	defer r.stop()
	defer func() { primary.Kill(); replica.Kill() }()
	user := s.addUser()
	sessions := s.addSessions(user, 2)
	caughtUp(t, primary, user.ID)

	got := r.end(sessions[0].token, sessions[1].sid)
	primary.Kill()
	lag.cut()
	if got.status != http.StatusOK {
		t.Fatalf("deletion: %s", got)
	}
	promote(t, replica)
	return replica.CLI("EXISTS", sessionKey(sessions[1])) == "1"
}

func promote(t *testing.T, replica *redistest.Server) {
	t.Helper()
	must(t, replica.Client().ReplicaOf(t.Context(), "NO", "ONE").Err())
}

// The same on what promotes by itself.
func TestEndingSurvivesRealFailover(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, top topology) {
		s := newService(t, top.redis, waitReplicas(1))
		r := s.replica()
		user := s.addUser()
		sessions := s.addSessions(user, 3)
		top.replicated(t, user.ID)
		old := top.primary(user.ID)

		got := r.end(sessions[0].token, sessions[1].sid)
		old.Kill()
		got.is(t, "deletion", http.StatusOK)
		top.awaitFailover(user.ID, old)
		redistest.Eventually(t, "the new primary to serve", func() bool { return r.check(sessions[0].token).status == http.StatusOK })
		r.check(sessions[1].token).is(t, "check of the session that was ended", http.StatusUnauthorized)
		r.check(sessions[2].token).is(t, "check of one that was not", http.StatusOK)
		// The new primary has no replica.
		r.end(sessions[0].token, sessions[2].sid).is(t, "deletion without a replica", http.StatusInternalServerError)
		old.Restart()
		redistest.Eventually(t, "the old primary to be a replica", func() bool {
			return r.end(sessions[0].token, sessions[0].sid).status != http.StatusInternalServerError
		})
	})
}
