package redistest

import (
	"bufio"
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and one Redis server and loses, delays or cuts
// what a network would. It understands requests and replies, not the streams of
// a replica or a subscriber.
type Proxy struct {
	listener net.Listener
	target   string
	closed   chan struct{}
	work     sync.WaitGroup

	mu    sync.Mutex
	links map[*link]bool
	delay time.Duration
	loss  *loss
}

// loss is one reply that shall not arrive.
type loss struct {
	matches func(command []string) bool
	left    int // matching commands until the one whose reply is lost
	lost    chan struct{}
}

// StartProxy listens on a free loopback port and passes everything on to the
// server at target, until the test ends.
func StartProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", host+":0")
	if err != nil {
		tb.Fatalf("redistest: starting a proxy: %v", err)
	}
	p := &Proxy{listener: listener, target: target, closed: make(chan struct{}), links: make(map[*link]bool)}
	p.work.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// Addr returns the proxy's address as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// LoseReply lets the nth command from now on (1 is the next) for which matches
// holds run, and then cuts its connection instead of passing the reply on. The
// channel is closed when that has happened. The words of a command are passed
// as the client wrote them. A later call replaces one that is still waiting.
func (p *Proxy) LoseReply(nth int, matches func(command []string) bool) <-chan struct{} {
	lost := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loss = &loss{matches: matches, left: nth, lost: lost}
	return lost
}

// Delay holds back each reply from now on by d; 0 ends that.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut closes all connections. New ones are served.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

func (p *Proxy) close() {
	close(p.closed)
	_ = p.listener.Close()
	p.Cut()
	p.work.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.serve(client) })
	}
}

// serve joins a client to the server until either leaves.
func (p *Proxy) serve(client net.Conn) {
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{proxy: p, client: client, server: server, fates: make(chan *loss, maxPipeline), gone: make(chan struct{})}
	if !p.add(l) {
		l.cut()
		return
	}
	var requests sync.WaitGroup
	requests.Go(l.passRequests)
	l.passReplies()
	l.cut()
	requests.Wait()
	p.remove(l)
}

// add reports false when the proxy is closed: nobody would cut the link then.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
		return false
	default:
		p.links[l] = true
		return true
	}
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// fate returns the loss that a command's reply shall suffer, or nil.
func (p *Proxy) fate(command []string) *loss {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loss == nil || !p.loss.matches(command) {
		return nil
	}
	p.loss.left--
	if p.loss.left > 0 {
		return nil
	}
	fate := p.loss
	p.loss = nil
	return fate
}

// maxPipeline is how many commands may be under way on one connection.
const maxPipeline = 1 << 14

// link is one client's connection and its counterpart to the server.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	// fates has an entry for each command under way, in order: nil where the
	// reply shall arrive.
	fates chan *loss
	once  sync.Once
	gone  chan struct{}
}

func (l *link) cut() {
	l.once.Do(func() {
		close(l.gone)
		_ = l.client.Close()
		_ = l.server.Close()
	})
}

func (l *link) passRequests() {
	defer l.cut()
	requests := bufio.NewReader(l.client)
	for {
		raw, command, err := readCommand(requests)
		if err != nil {
			return
		}
		select {
		case l.fates <- l.proxy.fate(command):
		case <-l.gone:
			return
		}
		if _, err := l.server.Write(raw); err != nil {
			return
		}
	}
}

func (l *link) passReplies() {
	replies := bufio.NewReader(l.server)
	for {
		raw, err := readReply(replies)
		if err != nil {
			return
		}
		// A push answers no command.
		if raw[0] != '>' {
			select {
			case fate := <-l.fates:
				if fate != nil {
					// The client learns before the test does.
					l.cut()
					close(fate.lost)
					return
				}
			case <-l.gone:
				return
			}
		}
		if !l.hold() {
			return
		}
		if _, err := l.client.Write(raw); err != nil {
			return
		}
	}
}

// hold waits as long as replies are delayed, and reports whether the link is
// still there then.
func (l *link) hold() bool {
	l.proxy.mu.Lock()
	delay := l.proxy.delay
	l.proxy.mu.Unlock()
	if delay == 0 {
		return true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.gone:
		return false
	}
}
