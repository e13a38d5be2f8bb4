package redistest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Ports are taken from a range below the one that systems hand out to
// outgoing connections (from 32768 on Linux): there, any client could take
// the port of a killed server before it restarts. A cluster node also listens
// busOffset higher.
const (
	lowestPort = 11000
	portCount  = 10000
	busOffset  = 10000
)

// probeTimeout bounds one question to a server that may not answer.
const probeTimeout = time.Second

// reservedPorts are the ports of this process's servers, running or killed.
var reservedPorts = struct {
	sync.Mutex
	taken map[int]bool
}{taken: make(map[int]bool)}

// reservePort finds a port on which nothing listens. Another process may
// still take it before the server does, which awaitReady notices.
func reservePort(tb testing.TB) int {
	tb.Helper()
	reservedPorts.Lock()
	defer reservedPorts.Unlock()
	for range portCount {
		port := lowestPort + rand.IntN(portCount)
		if !reservedPorts.taken[port] && canListen(port) && canListen(port+busOffset) {
			reservedPorts.taken[port] = true
			return port
		}
	}
	tb.Fatal("redistest: no free port")
	return 0
}

func releasePort(port int) {
	reservedPorts.Lock()
	defer reservedPorts.Unlock()
	delete(reservedPorts.taken, port)
}

func canListen(port int) bool {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// awaitReady waits until the server answers PING. A server that lost its port
// to another process moves to a new one, unless it had been running there:
// then its address is known to clients.
func (s *Server) awaitReady() {
	s.tb.Helper()
	for {
		if poll(startTimeout, func() bool { return s.process.exited() || s.ping() == nil }) && !s.process.exited() {
			s.seen = true
			return
		}
		clash := s.process.exited() && bytes.Contains(s.logTail(), []byte("in use"))
		if !clash || s.seen {
			s.tb.Fatalf("redistest: the server at %s does not answer: %v", s.Addr(), s.ping())
		}
		releasePort(s.port)
		s.port = reservePort(s.tb)
		s.run()
	}
}

// ping reports whether this very process answers and has loaded its data:
// where the port was lost to another process, that one's server may answer.
func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	// A bare connection first: go-redis retries and logs a refused one.
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	_ = conn.Close()

	client := s.client()
	defer func() { _ = client.Close() }()
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("pinging: %w", err)
	}
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("asking for the process ID: %w", err)
	}
	if want := fmt.Sprintf("process_id:%d\r\n", s.process.cmd.Process.Pid); !strings.Contains(info, want) {
		return fmt.Errorf("another process listens on port %d", s.port)
	}
	return nil
}
