package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// proxy stands between a server and its Redis and holds back what Redis answers,
// as a network a millisecond long would: each answer by as much, without one
// waiting for another.
//
// All of the delay is on the way back. To the server it is the same, and half a
// millisecond each way could not be kept: an idle Go process wakes up to a whole
// one at best.
type proxy struct {
	address  string
	listener net.Listener
	redis    string
	delay    time.Duration
	stop     context.CancelFunc
	conns    sync.WaitGroup
}

// startProxy listens on loopback until close.
func startProxy(ctx context.Context, redis string, delay time.Duration) (*proxy, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	p := &proxy{address: listener.Addr().String(), listener: listener, redis: redis, delay: delay, stop: stop}
	p.conns.Go(func() { p.accept(ctx) })
	return p, nil
}

// close cuts all connections.
func (p *proxy) close() {
	p.stop()
	_ = p.listener.Close()
	p.conns.Wait()
}

func (p *proxy) accept(ctx context.Context) {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.conns.Go(func() {
			// Whichever side closes, the other sees it; there is nobody to tell.
			_ = p.serve(ctx, conn)
		})
	}
}

func (p *proxy) serve(ctx context.Context, client net.Conn) error {
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "tcp", p.redis)
	if err != nil {
		return errors.Join(fmt.Errorf("reach Redis: %w", err), client.Close())
	}
	closeBoth := sync.OnceFunc(func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer closeBoth()
	defer context.AfterFunc(ctx, closeBoth)()

	var ways sync.WaitGroup
	ways.Go(func() {
		defer closeBoth()
		_, _ = io.Copy(server, client)
	})
	ways.Go(func() {
		defer closeBoth()
		_ = delayed(client, server, p.delay)
	})
	ways.Wait()
	return nil
}

// chunk is what arrived at one moment.
type chunk struct {
	data []byte
	due  time.Time
}

// delayed copies until src ends, each chunk so much later than it came. Its
// caller has to close src then: that ends the reading.
func delayed(dst io.Writer, src io.Reader, delay time.Duration) error {
	// More than any client has under way at a time: a full queue would make one
	// answer wait for another.
	chunks := make(chan chunk, 1024)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(chunks)
		buffer := make([]byte, 64<<10)
		for {
			n, err := src.Read(buffer)
			if n > 0 {
				select {
				case chunks <- chunk{slices.Clone(buffer[:n]), time.Now().Add(delay)}:
				case <-done:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for c := range chunks {
		if wait := time.Until(c.due); wait > 0 {
			timer.Reset(wait)
			<-timer.C
		}
		if _, err := dst.Write(c.data); err != nil {
			return err
		}
	}
	return nil
}
