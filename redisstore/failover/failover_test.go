package failover_test

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// TestFailoverUnderLoad kills a primary while clients are at work. Requests may
// fail until the new one serves, and nobody has to restart anything.
func TestFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, top topology) {
		s := newService(t, top.redis)
		l := startLoad(t, top, 4, s.replica(), s.replica())
		l.awaitRounds(3)

		uid := l.clients[0].user.ID
		old := top.primary(uid)
		l.tolerate()
		killed := time.Now()
		old.Kill()
		top.awaitFailover(uid, old)
		promoted := time.Since(killed)
		// Each client's round proves that both replicas have found their way.
		l.awaitRounds(2)
		t.Logf("new primary %v after the kill, all clients served %v after the kill, %d requests failed",
			promoted.Round(time.Millisecond), time.Since(killed).Round(time.Millisecond), l.tolerated.Load())
		l.strict()
		l.awaitRounds(5)
		l.settle()
	})
}

// TestThawedPrimary freezes a primary until another has taken over, ends
// sessions there, and lets the old one go on, which then still takes itself for
// the primary. No replica may believe it: not one that was at work all the time,
// nor one whose connections are all from before.
func TestThawedPrimary(t *testing.T) {
	t.Parallel()
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		_, top := startSentinel(t)
		testThawedPrimary(t, newService(t, top.redis), top, func() {}, func() {})
	})
	// A suspended machine takes its sentinel along, which comes back believing
	// what it believed before.
	t.Run("sentinel on the same machine", func(t *testing.T) {
		t.Parallel()
		setup, top := startSentinel(t)
		beside := setup.Sentinels()[0]
		testThawedPrimary(t, newService(t, top.redis), top, beside.Freeze, beside.Thaw)
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		_, top := startCluster(t)
		testThawedPrimary(t, newService(t, top.redis), top, func() {}, func() {})
	})
}

// testThawedPrimary calls freeze and thaw together with the primary's.
func testThawedPrimary(t *testing.T, s *service, top topology, freeze, thaw func()) {
	t.Helper()
	idle := s.replica()
	user := s.addUser()
	sessions := s.addSessions(user, 12)
	keeper, doomed := sessions[0], sessions[1:]
	top.replicated(t, user.ID)
	greet := func(r *replica) {
		atOnce(8, func(int) { r.check(keeper.token).is(t, "check before", http.StatusOK) })
	}
	greet(idle)
	old := top.primary(user.ID)
	freeze()
	// A replica that starts now is not kept waiting by what is frozen.
	busy := s.replica()
	greet(busy)
	old.Freeze()
	top.awaitFailover(user.ID, old)
	redistest.Eventually(t, "the new primary to serve", func() bool { return busy.check(keeper.token).status == http.StatusOK })
	for _, s := range doomed {
		redistest.Eventually(t, "a session to be ended", func() bool { return busy.end(keeper.token, s.sid).status != http.StatusInternalServerError })
	}
	admit(busy, doomed, 30).is(t, "the busy replica")
	// This is the promise: a replica without a request learns of a failover
	// within a second or two, though what it asks may be frozen.
	<-time.After(5 * time.Second)

	// Requests are under way when it thaws, and go on until it is a replica.
	stop := make(chan struct{})
	var answered atomic.Int64
	thawed := make(chan verdicts, 2)
	for _, r := range []*replica{busy, idle} {
		go func() {
			all := verdicts{}
			for i := 0; ; i++ {
				select {
				case <-stop:
					thawed <- all
					return
				default:
					all[r.check(doomed[i%len(doomed)].token).status]++
					if r == idle {
						answered.Add(1)
					}
				}
			}
		}()
	}
	old.Thaw()
	redistest.Eventually(t, "the idle replica to answer", func() bool { return answered.Load() > 0 })
	thaw()
	awaitReplica(t, old)
	close(stop)
	for range 2 {
		(<-thawed).is(t, "a replica while the old primary thaws")
	}
	for _, r := range []*replica{busy, idle} {
		admit(r, doomed, 30).is(t, "a replica afterwards")
		redistest.Eventually(t, "the live session to be served", func() bool { return r.check(keeper.token).status == http.StatusOK })
	}
}

// verdicts counts answers by status.
type verdicts map[int]int

func admit(r *replica, sessions []session, n int) verdicts {
	all := verdicts{}
	for i := range n {
		all[r.check(sessions[i%len(sessions)].token).status]++
	}
	return all
}

// is fails the test where an ended session was let in.
func (v verdicts) is(t *testing.T, who string) {
	t.Helper()
	if v[http.StatusOK] > 0 {
		t.Errorf("%s let ended sessions in: %v", who, v)
	}
	t.Logf("%s answered %v", who, v)
}

// TestSlotMigratesUnderLoad moves a busy user's slot to another node, a few
// keys at a time. No request may fail.
func TestSlotMigratesUnderLoad(t *testing.T) {
	t.Parallel()
	for _, wait := range []int{0, 1} {
		t.Run("wait_replicas "+strconv.Itoa(wait), func(t *testing.T) {
			t.Parallel()
			cluster, top := startCluster(t)
			s := newService(t, top.redis, waitReplicas(wait))
			l := startLoad(t, top, 3, s.replica(), s.replica())
			l.awaitRounds(2)
			c := l.clients[0]
			for range 2 {
				migrate(t, cluster, userKey(c.user.ID), func() {
					// One key is served by either node. What takes more has to
					// wait, no longer than redis.timeout, as the load does now.
					for i := range 4 {
						l.judge("check half way", l.replicas[i%2].check(c.keeper.token), http.StatusOK)
					}
				})
			}
			l.awaitRounds(5)
			l.settle()
			if t.Failed() {
				t.Log(s.logs.causes())
			}
		})
	}
}

// migrate moves the slot of a key to another primary as redis-cli does.
func migrate(t *testing.T, cluster *redistest.Cluster, key string, halfway func()) {
	t.Helper()
	ctx := t.Context()
	source := cluster.PrimaryOf(key)
	var target *redistest.Server
	for i := 0; target == nil || target == source; i++ {
		target = cluster.PrimaryOf("other:" + strconv.Itoa(i))
	}
	from, to := source.Client(), target.Client()
	slot, err := from.ClusterKeySlot(ctx, key).Result()
	must(t, err)
	fromID, err := from.ClusterMyID(ctx).Result()
	must(t, err)
	toID, err := to.ClusterMyID(ctx).Result()
	must(t, err)
	must(t, to.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromID).Err())
	must(t, from.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", toID).Err())
	moved := 0
	for {
		keys, err := from.ClusterGetKeysInSlot(ctx, int(slot), 10).Result()
		must(t, err)
		if len(keys) == 0 {
			break
		}
		moveKeys(t, from, target, keys)
		if moved += len(keys); moved == len(keys) {
			halfway()
		}
	}
	// The target first: between the two the source still sends clients there.
	must(t, to.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", toID).Err())
	must(t, from.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", toID).Err())
	t.Logf("moved %d keys", moved)
	redistest.Eventually(t, "the nodes to know the slot's new place", func() bool { return cluster.PrimaryOf(key) == target })
}

func moveKeys(t *testing.T, from *redis.Client, target *redistest.Server, keys []string) {
	t.Helper()
	host, port := splitAddr(t, target.Addr())
	args := []any{"MIGRATE", host, port, "", 0, 5000, "KEYS"}
	for _, key := range keys {
		args = append(args, key)
	}
	must(t, from.Do(context.Background(), args...).Err())
}

// awaitReplica waits until a server takes itself for a replica. Sentinel cuts
// the connections of one that it turns into one, so an error is no answer yet.
func awaitReplica(t *testing.T, server *redistest.Server) {
	t.Helper()
	rdb := server.Client()
	redistest.Eventually(t, "the old primary to become a replica", func() bool {
		role, err := rdb.Do(context.Background(), "role").Slice()
		return err == nil && len(role) > 0 && role[0] == "slave"
	})
}
