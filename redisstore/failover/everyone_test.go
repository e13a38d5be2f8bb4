package failover_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

// The end of everybody's sessions is not acknowledged, either, before as many
// replicas have it as are wanted, and survives the primary then.
func TestEveryoneSurvivesAFailover(t *testing.T) {
	t.Parallel()
	primary, replica := startPair(t)
	s := newService(t, standalone(primary), waitReplicas(1), func(c *config.Config) { c.Redis.Timeout = 400 * time.Millisecond })
	r := s.replica()
	user := s.addUser()
	before := s.addSessions(user, 2)

	replica.Freeze()
	if _, err := r.own.EndEveryone(t.Context(), nil); !errors.Is(err, redisstore.ErrTooFewReplicas) {
		t.Errorf("without a replica: %v, want ErrTooFewReplicas", err)
	}
	r.check(before[0].token).is(t, "check of an ended session", http.StatusUnauthorized)
	replica.Thaw()
	caughtUp(t, primary, user.ID)

	after := s.addSessions(user, 1)
	caughtUp(t, primary, user.ID)
	if _, err := r.own.EndEveryone(t.Context(), nil); err != nil {
		t.Errorf("with its replica back: %v", err)
	}
	primary.Kill()
	replica.CLI("REPLICAOF", "NO", "ONE")
	survivor := newService(t, standalone(replica))
	survivor.keyring = s.keyring
	heir := survivor.replica()
	for _, session := range append(before, after...) {
		heir.check(session.token).is(t, "check of an ended session after a failover", http.StatusUnauthorized)
	}
}
