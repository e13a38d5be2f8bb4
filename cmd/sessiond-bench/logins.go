package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// loginDeadline is what a login may take in all: a wait for a place to hash,
// which sessiond bounds at 5 s, and what comes before and after.
const loginDeadline = 10 * time.Second

// mostLogins may be under way at a time: several times what waits for hashing.
const mostLogins = 1024

// loginCount is what became of a storm's logins. Latencies are in milliseconds.
type loginCount struct {
	PerSecond int     `json:"perSecond"`
	Sent      int     `json:"sent"`
	Created   int     `json:"created"` // 201.
	Refused   int     `json:"refused"` // 429 with Retry-After.
	Failed    int     `json:"failed"`  // Any other answer, or none in time.
	P50       float64 `json:"p50Milliseconds"`
	Slowest   float64 `json:"slowestMilliseconds"`
}

// logins sends logins at a steady rate, however long the answers take, each from
// an address of its own.
type logins struct {
	url    string
	client *http.Client
	places chan struct{}

	mu    sync.Mutex
	count loginCount
	took  []float64
}

func newLogins(t target) *logins {
	transport := &http.Transport{MaxIdleConnsPerHost: mostLogins}
	return &logins{
		url:    strings.TrimSuffix(t.url, "/users/me/sessions/me") + "/login",
		client: &http.Client{Transport: transport, Timeout: loginDeadline},
		places: make(chan struct{}, mostLogins),
	}
}

func (l *logins) close() {
	l.client.CloseIdleConnections()
}

// during runs work in a storm and returns when its last login is answered.
func (l *logins) during(ctx context.Context, perSecond int, work func() error) error {
	// Logins under way when the work is over are answered, too.
	calm, stop := context.WithCancel(ctx)
	defer stop()
	l.count.PerSecond = perSecond
	var blowing sync.WaitGroup
	blowing.Go(func() { l.blow(ctx, calm, perSecond) })
	err := pause(ctx, stormLead)
	if err == nil {
		err = work()
	}
	stop()
	blowing.Wait()
	if len(l.took) > 0 {
		l.count.P50, l.count.Slowest = quantile(l.took, 0.5), quantile(l.took, 1)
	}
	return err
}

// blow sends logins until calm is done, and waits for their answers.
func (l *logins) blow(ctx, calm context.Context, perSecond int) {
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
	var underWay sync.WaitGroup
	defer underWay.Wait()
	for {
		select {
		case <-ticker.C:
		case <-calm.Done():
			return
		}
		select {
		case l.places <- struct{}{}:
		case <-calm.Done():
			return
		}
		i := l.count.Sent
		l.count.Sent++
		underWay.Go(func() {
			defer func() { <-l.places }()
			l.login(ctx, i)
		})
	}
}

// login sends the i-th login and counts its outcome.
func (l *logins) login(ctx context.Context, i int) {
	begin := time.Now()
	outcome := l.send(ctx, i)
	took := time.Since(begin)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, micros(took)/1000)
	switch outcome {
	case http.StatusCreated:
		l.count.Created++
	case http.StatusTooManyRequests:
		l.count.Refused++
	default:
		l.count.Failed++
	}
}

// send returns the status of the answer, or 0 where none counts.
func (l *logins) send(ctx context.Context, i int) int {
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, userName(i%rotation), costPassword)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", i>>16&0xff, i>>8&0xff, i&0xff))
	res, err := l.client.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := readAll(res); err != nil {
		return 0
	}
	if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "" {
		return 0
	}
	return res.StatusCode
}
