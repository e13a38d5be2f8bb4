package failover_test

import (
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

// load is clients that check tokens, list, log in and delete on all replicas in
// turn until they are stopped. Each has a user of its own.
type load struct {
	t        *testing.T
	replicas []*replica
	clients  []*client
	// strictFrom is the Unix nanosecond from which on no request may fail. One
	// that fails must always be a 500: no live session is ever told that it is
	// none.
	strictFrom atomic.Int64
	tolerated  atomic.Int64
	work       sync.WaitGroup
	stopped    chan struct{}
}

// client is one user and what the user does.
type client struct {
	user redisstore.User
	// keeper is never ended, victims are, one after the other.
	keeper  session
	victims []session
	// ended are victims whose end was acknowledged while load was strict, and
	// doubtful those whose deletion failed or may have been lost.
	ended, doubtful []session
	// rounds counts those without a failure.
	rounds atomic.Int64
}

// victims is how many sessions each client may end.
const victims = 100

// startLoad prepares clients, waits until replicas hold their sessions, and lets
// them begin.
func startLoad(t *testing.T, top topology, clients int, replicas ...*replica) *load {
	t.Helper()
	l := &load{t: t, replicas: replicas, stopped: make(chan struct{})}
	s := replicas[0].service
	for range clients {
		user := s.addUser()
		sessions := s.addSessions(user, 1+victims)
		l.clients = append(l.clients, &client{user: user, keeper: sessions[0], victims: sessions[1:]})
	}
	for _, c := range l.clients {
		top.replicated(t, c.user.ID)
	}
	for i, c := range l.clients {
		l.work.Go(func() { l.run(c, i) })
	}
	t.Cleanup(l.stop)
	return l
}

func (l *load) stop() {
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
	l.work.Wait()
}

// tolerate lets requests fail with 500 until strict is called.
func (l *load) tolerate() { l.strictFrom.Store(math.MaxInt64) }

func (l *load) strict() { l.strictFrom.Store(time.Now().UnixNano()) }

func (l *load) isStrict(asked time.Time) bool { return asked.UnixNano() >= l.strictFrom.Load() }

// awaitRounds waits until each client has done n more rounds without a failure.
func (l *load) awaitRounds(n int64) {
	l.t.Helper()
	for _, c := range l.clients {
		from := c.rounds.Load()
		redistest.Eventually(l.t, "the clients to go on", func() bool { return c.rounds.Load() >= from+n })
	}
}

func (l *load) run(c *client, i int) {
	for ; ; i++ {
		select {
		case <-l.stopped:
			return
		default:
		}
		if l.round(c, l.replicas[i%len(l.replicas)], l.replicas[(i+1)%len(l.replicas)]) {
			c.rounds.Add(1)
		}
	}
}

// round reports whether no request failed.
func (l *load) round(c *client, r, other *replica) bool {
	good := l.judge("check", r.check(c.keeper.token), http.StatusOK)
	good = l.judge("list", other.list(c.keeper.token), http.StatusOK) && good
	good = l.judge("login", r.login(c.user.Username), http.StatusCreated) && good
	if len(c.victims) == 0 {
		return good
	}
	victim := c.victims[0]
	c.victims = c.victims[1:]
	deletion := r.end(c.keeper.token, victim.sid)
	done := l.judge("deletion", deletion, http.StatusOK)
	if !done || !l.isStrict(deletion.asked) {
		// Unless replicas were waited for, a failover may undo it.
		c.doubtful = append(c.doubtful, victim)
		return good && done
	}
	c.ended = append(c.ended, victim)
	return l.judge("check of an ended session", other.check(victim.token), http.StatusUnauthorized) && good
}

func (l *load) judge(what string, got answer, want int) bool {
	if got.status == want {
		return true
	}
	if got.status != http.StatusInternalServerError || l.isStrict(got.asked) {
		l.t.Errorf("%s: %s, want %d", what, got, want)
	}
	l.tolerated.Add(1)
	return false
}

// settle stops the clients and checks that every session is what it should be.
func (l *load) settle() {
	l.t.Helper()
	l.stop()
	for _, c := range l.clients {
		for i, r := range l.replicas {
			r.check(c.keeper.token).is(l.t, "check of a session that was kept", http.StatusOK)
			for j, s := range c.victims {
				if j%len(l.replicas) == i {
					r.check(s.token).is(l.t, "check of a session that nobody ended", http.StatusOK)
				}
			}
			for j, s := range c.ended {
				if j%len(l.replicas) == i {
					r.check(s.token).is(l.t, "check of a session that was ended", http.StatusUnauthorized)
				}
			}
		}
	}
}
