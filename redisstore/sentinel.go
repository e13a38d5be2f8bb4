package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/config"
)

// sentinelClient is a client of whichever server the sentinels name as the
// primary.
//
// The library's own failover client holds on to one sentinel. Where that one
// hangs, nothing connects any more until it goes on; and where it hangs together
// with the primary, as on one machine that was suspended, a replica that was
// quiet meanwhile never learns of the failover: it finds its old connections in
// order and believes a primary that knows nothing of what was ended since.
type sentinelClient struct {
	*redis.Client
	finder *primaryFinder
}

func newSentinelClient(options *redis.Options, c config.Redis) *sentinelClient {
	finder := newPrimaryFinder(*options, c)
	options.Addr = c.MasterName
	options.Dialer = finder.dial
	return &sentinelClient{Client: redis.NewClient(options), finder: finder}
}

// Close implements redis.UniversalClient.
func (c *sentinelClient) Close() error {
	return errors.Join(c.Client.Close(), c.finder.close())
}

// primaryFinder asks all sentinels for the primary, again and again, and keeps
// no connection to any other server.
type primaryFinder struct {
	master    string
	timeout   time.Duration
	tls       *tls.Config
	sentinels []*redis.Client

	cancel context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	known primary
	conns map[*primaryConn]bool
}

// primary is what a sentinel says. The epoch grows with each failover.
// https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/#configuration-epochs
type primary struct {
	addr  string
	epoch int
}

func newPrimaryFinder(options redis.Options, c config.Redis) *primaryFinder {
	ctx, cancel := context.WithCancel(context.Background())
	f := &primaryFinder{
		master: c.MasterName, timeout: c.Timeout, tls: options.TLSConfig,
		cancel: cancel, conns: make(map[*primaryConn]bool),
	}
	// The user, the password and the database are those of the servers.
	options.Username, options.Password, options.DB = "", "", 0
	for _, addr := range c.Addresses {
		sentinel := options
		sentinel.Addr = addr
		f.sentinels = append(f.sentinels, redis.NewClient(&sentinel))
	}
	f.done.Go(func() { f.watch(ctx) })
	return f
}

func (f *primaryFinder) close() error {
	f.cancel()
	f.done.Wait()
	var errs []error
	for _, sentinel := range f.sentinels {
		errs = append(errs, sentinel.Close())
	}
	return errors.Join(errs...)
}

// watch learns of a failover when no command would.
func (f *primaryFinder) watch(ctx context.Context) {
	ticker := time.NewTicker(layoutInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			// Without an answer the last one holds: sentinels that are away
			// are no reason to leave a primary that serves.
			_ = f.find(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// find asks all sentinels at once. It fails where none knows the primary. One
// that hangs leaves time to connect and for the command that waits for it.
func (f *primaryFinder) find(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout/2)
	defer cancel()
	answers := make([]primary, len(f.sentinels))
	errs := make([]error, len(f.sentinels))
	var asked sync.WaitGroup
	for i, sentinel := range f.sentinels {
		asked.Go(func() { answers[i], errs[i] = f.ask(ctx, sentinel) })
	}
	asked.Wait()

	var best primary
	votes := make(map[string]int)
	for i, answer := range answers {
		if errs[i] != nil {
			continue
		}
		votes[answer.addr]++
		if best.addr == "" || answer.epoch > best.epoch {
			best = answer
		}
	}
	if best.addr == "" {
		return fmt.Errorf("no sentinel knows the primary %q: %w", f.master, errors.Join(errs...))
	}
	f.follow(best, votes[best.addr] > len(f.sentinels)/2)
	return nil
}

// ask puts both questions in one pipeline, so that the epoch is the address's.
func (f *primaryFinder) ask(ctx context.Context, sentinel *redis.Client) (primary, error) {
	pipe := sentinel.Pipeline()
	addr := redis.NewStringSliceCmd(ctx, "sentinel", "get-master-addr-by-name", f.master)
	state := redis.NewMapStringStringCmd(ctx, "sentinel", "master", f.master)
	_ = pipe.BatchProcess(ctx, addr, state)
	if _, err := pipe.Exec(ctx); err != nil {
		return primary{}, err
	}
	var answer primary
	if len(addr.Val()) != 2 {
		return primary{}, errors.New("address of another length")
	}
	if _, err := fmt.Sscan(state.Val()["config-epoch"], &answer.epoch); err != nil {
		return primary{}, fmt.Errorf("config-epoch: %w", err)
	}
	answer.addr = net.JoinHostPort(addr.Val()[0], addr.Val()[1])
	return answer, nil
}

// follow turns to another primary and leaves the one before at once, whatever is
// under way there. A sentinel that was away tells of times past: it is believed
// only where most of them agree, as after they were set up anew.
func (f *primaryFinder) follow(p primary, agreed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known.addr != "" && p.epoch <= f.known.epoch && !agreed {
		return
	}
	f.known = p
	for conn := range f.conns {
		if conn.addr != p.addr {
			_ = conn.TCPConn.Close()
			delete(f.conns, conn)
		}
	}
}

func (f *primaryFinder) current() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known.addr
}

// dial connects to the primary.
func (f *primaryFinder) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if f.current() == "" {
		if err := f.find(ctx); err != nil {
			return nil, err
		}
	}
	addr := f.current()
	raw, err := (&net.Dialer{Timeout: f.timeout}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := raw.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("connect to %s: no TCP connection", addr), raw.Close())
	}
	conn := &primaryConn{TCPConn: tcp, finder: f, addr: addr}
	if !f.keep(conn) {
		return nil, errors.Join(fmt.Errorf("connect to %s: it is not the primary any more", addr), tcp.Close())
	}
	if f.tls == nil {
		return conn, nil
	}
	return handshake(ctx, conn, f.tls)
}

// keep reports false where there was a failover while the connection was made.
func (f *primaryFinder) keep(conn *primaryConn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if conn.addr != f.known.addr {
		return false
	}
	f.conns[conn] = true
	return true
}

func handshake(ctx context.Context, conn *primaryConn, c *tls.Config) (net.Conn, error) {
	c = c.Clone()
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(conn.addr)
	}
	encrypted := tls.Client(conn, c)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS with %s: %w", conn.addr, err), conn.Close())
	}
	return encrypted, nil
}

// primaryConn is a TCP connection, as which the client's pool looks whether the
// other side has closed it.
type primaryConn struct {
	*net.TCPConn
	finder *primaryFinder
	addr   string
}

// Close implements net.Conn.
func (c *primaryConn) Close() error {
	c.finder.mu.Lock()
	delete(c.finder.conns, c)
	c.finder.mu.Unlock()
	return c.TCPConn.Close()
}
