package failover_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// lag passes on a replica's connections to its primary. What the primary sends
// stays on the way for a while, as it would on a network or a busy machine, and
// is lost when the way is cut.
type lag struct {
	addr string

	mu    sync.Mutex
	conns []net.Conn
}

// delay is longer than an answer takes to reach its client.
const delay = 20 * time.Millisecond

func startLag(t testing.TB, primary string) *lag {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &lag{addr: listener.Addr().String()}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			replica, err := listener.Accept()
			if err != nil {
				return
			}
			work.Go(func() { l.pass(replica, primary) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.cut()
		work.Wait()
	})
	return l
}

func (l *lag) pass(replica net.Conn, address string) {
	primary, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		_ = replica.Close()
		return
	}
	l.mu.Lock()
	l.conns = append(l.conns, replica, primary)
	l.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(primary, replica)
		_ = primary.Close()
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := primary.Read(buffer)
		if err != nil {
			break
		}
		<-time.After(delay)
		if _, err := replica.Write(buffer[:n]); err != nil {
			break
		}
	}
	_ = replica.Close()
	_ = primary.Close()
	back.Wait()
}

// cut loses what is on the way.
func (l *lag) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		_ = conn.Close()
	}
}
