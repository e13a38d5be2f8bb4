package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sessiond/sessiond/tokens"
)

// cost is what an operation takes for a user with so many sessions, from the
// request to the end of the answer on one connection, in milliseconds.
type cost struct {
	Operation string  `json:"operation"`
	Sessions  int     `json:"sessions"`
	P50       float64 `json:"p50Milliseconds"`
	P99       float64 `json:"p99Milliseconds"`
}

var costSizes = []int{1, 10, 100}

const (
	costUsers    = 200 // For each size.
	costBcrypt   = bcrypt.MinCost
	costPassword = "correct horse"
	opLogin      = "login, without the hash"
	opList       = "list the first page"
	opEndAll     = "end all"
)

// timings are durations in milliseconds by operation and number of sessions.
type timings map[string]map[int][]float64

func (t timings) add(operation string, sessions int, d time.Duration) {
	if t[operation] == nil {
		t[operation] = map[int][]float64{}
	}
	t[operation][sessions] = append(t[operation][sessions], micros(d)/1000)
}

// measureCosts lets users with few and many sessions take turns. What a login
// spends on the cheapest hash there is, measured beside it, is taken off.
func measureCosts(ctx context.Context, l *lab, s *scaling) error {
	redis, err := l.startRedis(ctx)
	if err != nil {
		return err
	}
	keys, err := l.keyDirectory()
	if err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(costPassword), costBcrypt)
	if err != nil {
		return err
	}
	seed, err := newSeeder(redis.address, 0, keys)
	if err != nil {
		return err
	}
	defer seed.close()
	now := time.Now()
	for i, n := range costSizes {
		if err := seed.addUsers(ctx, now, i*costUsers, costUsers, n, string(hash)); err != nil {
			return err
		}
	}
	server, err := l.startSessiond(ctx, redis.address, 0, keys,
		"SESSIOND_LIMITS_LOGIN_REQUESTS=1000000000", fmt.Sprintf("SESSIOND_PASSWORDS_BCRYPT_COST=%d", costBcrypt))
	if err != nil {
		return err
	}
	l.say("costs: %d users each with 1, 10 and 100 sessions", costUsers)
	c := costing{
		client: &http.Client{Timeout: 5 * time.Second}, issuer: seed.issuer, now: now,
		base: strings.TrimSuffix(server.target.url, "/users/me/sessions/me"),
		hash: hash, timings: timings{},
	}
	defer c.client.CloseIdleConnections()
	// The first tenth only warms up.
	for i := range costUsers {
		if i == costUsers/10 {
			c.timings = timings{}
		}
		for k, n := range costSizes {
			if err := c.user(ctx, k*costUsers+i, n); err != nil {
				return err
			}
		}
	}
	s.addCosts(c.timings)
	return nil
}

type costing struct {
	client  *http.Client
	issuer  *tokens.Issuer
	now     time.Time
	base    string
	hash    []byte
	timings timings
}

// user logs a user in, lists the sessions and ends them all. The login comes
// when the user has n sessions, the others when there is one more, or as many
// as a user may have.
func (c costing) user(ctx context.Context, i, n int) error {
	begin := time.Now()
	if err := bcrypt.CompareHashAndPassword(c.hash, []byte(costPassword)); err != nil {
		return err
	}
	hashing := time.Since(begin)
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, userName(i), costPassword)
	took, err := c.call(ctx, http.MethodPost, "/login", "", body, http.StatusCreated)
	if err != nil {
		return err
	}
	c.timings.add(opLogin, n, took-hashing)

	// The user's newest imported session outlives the login of a full account,
	// which ends the oldest.
	token, err := c.issuer.Issue(importedClaims(c.now, i, 0))
	if err != nil {
		return err
	}
	if took, err = c.call(ctx, http.MethodGet, "/users/me/sessions", token, "", http.StatusOK); err != nil {
		return err
	}
	c.timings.add(opList, n, took)
	if took, err = c.call(ctx, http.MethodDelete, "/users/me/sessions/all?include-self=true", token, "", http.StatusOK); err != nil {
		return err
	}
	c.timings.add(opEndAll, n, took)
	return nil
}

// call makes one request and returns how long it took.
func (c costing) call(ctx context.Context, method, path, token, body string, want int) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	begin := time.Now()
	res, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := readAll(res)
	if err != nil {
		return 0, err
	}
	took := time.Since(begin)
	if res.StatusCode != want {
		return 0, fmt.Errorf("%s %s answers %s: %s", method, path, res.Status, answer)
	}
	return took, nil
}

func (s *scaling) addCosts(measured timings) {
	t := table{head: []string{"ms for a user with", "sessions", "p50", "p99"}}
	p := panel{title: "Milliseconds for a user with so many sessions, p50"}
	for _, operation := range []string{opLogin, opList, opEndAll} {
		for _, n := range costSizes {
			values := measured[operation][n]
			c := cost{Operation: operation, Sessions: n, P50: quantile(values, 0.5), P99: quantile(values, 0.99)}
			s.Costs = append(s.Costs, c)
			t.add(operation, fmt.Sprint(n), fmt.Sprintf("%.2f", c.P50), fmt.Sprintf("%.2f", c.P99))
			p.bars = append(p.bars, bar{
				label: fmt.Sprintf("%s, %d", operation, n), value: figure{c.P50, c.P50, c.P50}, ours: true,
				text: fmt.Sprintf("%.2f ms · p99 %.2f ms", c.P50, c.P99),
			})
		}
	}
	s.tables, s.panels = append(s.tables, &t), append(s.panels, p)
}
