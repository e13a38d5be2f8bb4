package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

const (
	masterName    = "sessions"
	sentinelCount = 3
	quorum        = 2
)

// Sentinel is a primary with one replica, watched by three sentinels, two of
// which have to agree that the primary is down.
type Sentinel struct {
	tb        testing.TB
	data      [2]*Server
	sentinels []*Server
}

// StartSentinel runs a primary, a replica of it and three sentinels, and
// returns once they all know each other. A primary that does not answer for
// 1.5 seconds is taken to be down; the failover itself takes about another.
func StartSentinel(tb testing.TB) *Sentinel {
	tb.Helper()
	primary := Start(tb)
	replica := launch(tb, tb.TempDir(), "--replicaof", host+" "+strconv.Itoa(primary.port))
	setup := &Sentinel{tb: tb, data: [2]*Server{primary, replica}}
	for range sentinelCount {
		setup.sentinels = append(setup.sentinels, launchSentinel(tb, primary))
	}
	replica.awaitReady()
	for _, sentinel := range setup.sentinels {
		sentinel.awaitReady()
		hurry(sentinel)
	}
	Eventually(tb, "the replica to be in sync", func() bool {
		return info(replica, "replication")["master_link_status"] == "up"
	})
	Eventually(tb, "the sentinels to know each other", func() bool {
		for _, sentinel := range setup.sentinels {
			if !setup.knowsAll(sentinel) {
				return false
			}
		}
		return true
	})
	return setup
}

// launchSentinel writes a sentinel's configuration, which it keeps its state
// in and therefore has to be a file, and starts it.
func launchSentinel(tb testing.TB, primary *Server) *Server {
	tb.Helper()
	dir := memoryDir(tb)
	file := filepath.Join(dir, "sentinel.conf")
	config := fmt.Sprintf(`sentinel monitor %[1]s %[2]s %[3]d %[4]d
sentinel down-after-milliseconds %[1]s 1500
sentinel failover-timeout %[1]s 1500
sentinel parallel-syncs %[1]s 1
`, masterName, host, primary.port, quorum)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatalf("redistest: writing the sentinel's configuration: %v", err)
	}
	return launchWith(tb, dir, "", func(port int) []string {
		return []string{file, "--sentinel", "--port", strconv.Itoa(port), "--bind", host}
	})
}

// hurry has a sentinel greet the others every 100 ms instead of every 2 s, and
// look at its servers as often. It leaves the ping period alone: a replica
// heard of longer than five of those ago is not promoted. SENTINEL DEBUG
// exists from Redis 7.0 on; older sentinels are merely slower to meet.
func hurry(sentinel *Server) {
	_ = query(sentinel, func(ctx context.Context, client *redis.Client) error {
		return client.Do(ctx, "SENTINEL", "DEBUG",
			"INFO-PERIOD", "100", "PUBLISH-PERIOD", "100").Err()
	})
}

// knowsAll reports whether a sentinel sees the replica and its two fellows,
// without any of which it could not fail over.
func (s *Sentinel) knowsAll(sentinel *Server) bool {
	state, err := ask(sentinel, func(ctx context.Context, client *redis.SentinelClient) (map[string]string, error) {
		return client.Master(ctx, masterName).Result()
	})
	return err == nil && state["flags"] == "master" &&
		state["num-slaves"] == "1" && state["num-other-sentinels"] == strconv.Itoa(sentinelCount-1)
}

// MasterName returns the name under which the sentinels know the primary.
func (s *Sentinel) MasterName() string { return masterName }

// Addrs returns the addresses of the sentinels.
func (s *Sentinel) Addrs() []string { return addrs(s.sentinels) }

// Sentinels returns the sentinels themselves.
func (s *Sentinel) Sentinels() []*Server { return s.sentinels }

// Primary returns the server that a majority of the sentinels names as the
// primary now. It waits until there is such a majority; until a failover, that
// is the old primary, dead or not.
func (s *Sentinel) Primary() *Server {
	s.tb.Helper()
	var primary *Server
	Eventually(s.tb, "the sentinels to agree on a primary", func() bool {
		primary = s.agreed()
		return primary != nil
	})
	return primary
}

// Replica returns the server that is not the Primary.
func (s *Sentinel) Replica() *Server {
	s.tb.Helper()
	if primary := s.Primary(); primary == s.data[0] {
		return s.data[1]
	}
	return s.data[0]
}

// AwaitFailover waits until a majority of the sentinels names another primary
// than old and that one takes writes, and returns it.
func (s *Sentinel) AwaitFailover(old *Server) *Server {
	s.tb.Helper()
	var primary *Server
	Eventually(s.tb, "a failover", func() bool {
		primary = s.agreed()
		return primary != nil && primary != old && info(primary, "replication")["role"] == "master"
	})
	return primary
}

// agreed returns the server that a majority of the sentinels names, or nil.
func (s *Sentinel) agreed() *Server {
	votes := make(map[string]int)
	for _, sentinel := range s.sentinels {
		addr, err := ask(sentinel, func(ctx context.Context, client *redis.SentinelClient) ([]string, error) {
			return client.GetMasterAddrByName(ctx, masterName).Result()
		})
		if err == nil && len(addr) == 2 {
			votes[addr[0]+":"+addr[1]]++
		}
	}
	for _, server := range s.data {
		if votes[server.Addr()] > sentinelCount/2 {
			return server
		}
	}
	return nil
}

// ask puts one question to a sentinel. Killed and frozen sentinels cost an
// error and at most a second.
func ask[T any](sentinel *Server, question func(context.Context, *redis.SentinelClient) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	options := sentinel.options()
	options.MaxRetries = -1
	options.DialerRetries = 1
	client := redis.NewSentinelClient(options)
	defer func() { _ = client.Close() }()
	return question(ctx, client)
}
