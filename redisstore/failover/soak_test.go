package failover_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

var (
	soakFor  = flag.Duration("soak", 0, "how long TestSoak goes on with faults; each comes once in any case")
	soakSeed = flag.Uint64("soak.seed", 0, "seed of TestSoak; 0 picks one")
)

// TestSoak lets clients do everything there is to do while Redis is frozen,
// killed and restarted, filled and failed over, and holds each answer against
// what was acknowledged before. What it finds depends on the seed and on how
// requests meet the faults; what is right does not depend on time.
//
// It runs alone, since it counts goroutines.
func TestSoak(t *testing.T) {
	seed := *soakSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test -run TestSoak -soak %v -soak.seed %d", *soakFor, seed)
	// On one server, everything that is acknowledged is on disk.
	t.Run("append-only", func(t *testing.T) {
		server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
		s := newSoak(t, seed, newService(t, standalone(server)), func(string) *redistest.Server { return server })
		s.run(map[string]func(){
			"freeze":           s.freeze,
			"kill and restart": s.killAndRestart,
			"fill":             s.fill,
			"forget scripts":   func() { server.CLI("SCRIPT", "FLUSH") },
		})
		// What is on disk is what was noted.
		server.Restart()
		s.settle()
	})
	// Here, the endings are on the replica. Logins are not waited for.
	t.Run("sentinel", func(t *testing.T) {
		_, top := startSentinel(t)
		s := newSoak(t, seed, newService(t, top.redis, waitReplicas(1)), top.primary)
		s.run(map[string]func(){
			"fail over":           func() { s.failOver(top, (*redistest.Server).Kill, (*redistest.Server).Restart) },
			"fail over and thaw":  func() { s.failOver(top, (*redistest.Server).Freeze, (*redistest.Server).Thaw) },
			"freeze the replica":  func() { s.freezeReplica(top) },
			"freeze the primary":  s.freezeBriefly,
			"fill":                s.fill,
			"cut all connections": func() { s.primary("").CLI("CLIENT", "KILL", "TYPE", "normal") },
		})
		s.settle()
	})
}

// soak is clients, replicas and the Redis that suffers.
type soak struct {
	t       *testing.T
	service *service
	primary func(uid string) *redistest.Server
	random  *rand.Rand
	ledgers []*ledger
	logins  sync.RWMutex
	// probe is nobody's whom the clients know, and never ended.
	probe session
}

const (
	soakReplicas = 3
	soakClients  = 6
)

func newSoak(t *testing.T, seed uint64, service *service, primary func(string) *redistest.Server) *soak {
	t.Helper()
	s := &soak{t: t, service: service, primary: primary, random: rand.New(rand.NewPCG(seed, 0))}
	s.probe = service.addSessions(service.addUser(), 1)[0]
	var replicas []*replica
	for range soakReplicas {
		replicas = append(replicas, service.replica())
	}
	for i := range soakClients {
		s.ledgers = append(s.ledgers, &ledger{
			user: service.addUser(), replicas: replicas, report: t.Errorf, logins: &s.logins,
			random: rand.New(rand.NewPCG(seed, uint64(i+1))),
			live:   map[string]string{}, doubtful: map[string]string{}, ended: map[string]string{},
		})
	}
	return s
}

// run lets the clients work without a fault, then with each of them in random
// order, again and again until the time is up, and compares what the process
// holds before and after.
func (s *soak) run(faults map[string]func()) {
	s.t.Helper()
	s.work(func() { s.await("the clients to do something", func(l *ledger) bool { return l.asked.Load() > 50 }) })
	s.settle()
	before := s.measure()

	end := time.Now().Add(*soakFor / 2) // One half for each of the two.
	suffered := make(map[string]int)
	s.work(func() {
		for round := 0; round == 0 || time.Now().Before(end); round++ {
			names := slices.Sorted(maps.Keys(faults))
			s.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			for _, name := range names {
				s.recover()
				faults[name]()
				suffered[name]++
				if s.t.Failed() {
					s.t.Logf("after %q", name)
					return
				}
			}
		}
		s.recover()
	})
	s.settle()
	var asked, failed int64
	var live, ended int
	for _, l := range s.ledgers {
		asked, failed = asked+l.asked.Load(), failed+l.failed.Load()
		live, ended = live+len(l.live), ended+len(l.ended)
	}
	s.t.Logf("%d requests, %d failed, %d live sessions and %d ended ones, faults %v", asked, failed, live, ended, suffered)
	s.compare(before)
}

// work has the clients act until meanwhile returns.
func (s *soak) work(meanwhile func()) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, l := range s.ledgers {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					l.act()
				}
			}
		})
	}
	defer all.Wait()
	defer close(stop)
	meanwhile()
}

func (s *soak) await(what string, holds func(*ledger) bool) {
	s.t.Helper()
	for _, l := range s.ledgers {
		redistest.Eventually(s.t, what, func() bool { return holds(l) })
	}
}

// recover waits until nothing fails any more.
func (s *soak) recover() {
	s.t.Helper()
	from := make(map[*ledger]int64)
	for _, l := range s.ledgers {
		from[l] = l.asked.Load()
	}
	s.await("all to be well", func(l *ledger) bool { return l.asked.Load() >= from[l]+5 && l.streak.Load() >= 3 })
}

// suffer waits until clients have had failures of the fault under way.
func (s *soak) suffer() {
	s.t.Helper()
	from := s.failures()
	redistest.Eventually(s.t, "requests to fail", func() bool { return s.failures() >= from+soakClients })
}

func (s *soak) failures() int64 {
	var n int64
	for _, l := range s.ledgers {
		n += l.failed.Load()
	}
	return n
}

func (s *soak) settle() {
	s.t.Helper()
	for _, l := range s.ledgers {
		l.settle()
	}
}

func (s *soak) freeze() {
	server := s.primary("")
	server.Freeze()
	s.suffer()
	server.Thaw()
}

// freezeBriefly is too short for a failover.
func (s *soak) freezeBriefly() {
	server := s.primary("")
	server.Freeze()
	<-time.After(300 * time.Millisecond)
	server.Thaw()
}

func (s *soak) killAndRestart() {
	server := s.primary("")
	server.Kill()
	s.suffer()
	server.Restart()
}

// fill leaves no memory for anything new.
func (s *soak) fill() {
	server := s.primary("")
	server.CLI("CONFIG", "SET", "maxmemory", "1")
	s.suffer()
	server.CLI("CONFIG", "SET", "maxmemory", "0")
}

// failOver takes the primary away in the moment in which its replica has all
// logins that were acknowledged, and brings it back as a replica.
func (s *soak) failOver(top topology, away, back func(*redistest.Server)) {
	s.t.Helper()
	old := s.primary("")
	s.logins.Lock()
	caughtUp(s.t, old, "")
	away(old)
	s.logins.Unlock()
	s.suffer()
	top.awaitFailover("", old)
	// A replica that is served has left the old primary for good. Where that one
	// goes on before, what it acknowledges is lost.
	for _, r := range s.ledgers[0].replicas {
		redistest.Eventually(s.t, "the new primary to serve", func() bool { return r.check(s.probe.token).status == http.StatusOK })
	}
	back(old)
	awaitReplica(s.t, old)
	caughtUp(s.t, s.primary(""), "")
}

// freezeReplica leaves endings unconfirmed.
func (s *soak) freezeReplica(top topology) {
	replica := top.replica("")
	replica.Freeze()
	s.suffer()
	replica.Thaw()
	caughtUp(s.t, s.primary(""), "")
}

// holdings are what a process may leak.
type holdings struct {
	goroutines  int
	connections int
	heap        uint64
}

// measure counts with the replicas at rest.
func (s *soak) measure() holdings {
	s.t.Helper()
	for _, r := range s.ledgers[0].replicas {
		r.client.CloseIdleConnections()
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return holdings{
		goroutines:  runtime.NumGoroutine(),
		connections: strings.Count(s.primary("").CLI("CLIENT", "LIST", "TYPE", "normal"), "\n"),
		heap:        memory.HeapAlloc,
	}
}

// compare allows for pools that have grown to their size, and for the notes.
func (s *soak) compare(before holdings) {
	s.t.Helper()
	const goroutines, heap = 10, 64 << 20
	// Each replica has two pools of ten for each processor, and the one that
	// prepared the accounts as well.
	connections := (soakReplicas + 1) * 2 * 10 * runtime.GOMAXPROCS(0)
	var after holdings
	redistest.Eventually(s.t, "goroutines to end", func() bool {
		after = s.measure()
		return after.goroutines <= before.goroutines+goroutines
	})
	s.t.Logf("before %+v, after %+v", before, after)
	if after.connections > connections {
		s.t.Errorf("%d connections to Redis, want %d at most", after.connections, connections)
	}
	if after.heap > before.heap+heap {
		s.t.Errorf("%d bytes on the heap, %d before", after.heap, before.heap)
	}
}

// sessionOf reads a token's session without verifying anything.
func sessionOf(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("no token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		SessionID json.Number `json:"sid"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", err
	}
	return claims.SessionID.String(), nil
}
