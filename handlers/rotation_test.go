package handlers_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessiond/sessiond/handlers"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
	"github.com/sessiond/sessiond/tokens"
)

// activationDelay is long, as no test waits for it: the clock is the test's.
const activationDelay = time.Hour

// rotating is a service whose replicas follow one key directory by one clock.
type rotating struct {
	*service
	directory string
	clock     atomic.Int64 // Unix milliseconds.
}

func startRotating(t *testing.T) *rotating {
	t.Helper()
	r := &rotating{service: startOn(t, redistest.Start(t)), directory: filepath.Join(t.TempDir(), "keys")}
	r.clock.Store(time.Now().UnixMilli())
	r.addUser("alice")
	return r
}

func (r *rotating) now() time.Time { return time.UnixMilli(r.clock.Load()) }

// createKey makes a key at the time of the test's clock.
func (r *rotating) createKey() (kid string) {
	r.t.Helper()
	kid, err := tokens.CreateKey(r.directory, r.now())
	if err != nil {
		r.t.Fatal(err)
	}
	return kid
}

// replica starts one more sessiond, as serve does.
func (r *rotating) replica() *replica {
	r.t.Helper()
	keyring, err := tokens.LoadKeyring(r.directory)
	if err != nil {
		r.t.Fatal(err)
	}
	issuer, err := tokens.NewIssuer(keyring, tokens.IssuerOptions{ActivationDelay: activationDelay, Now: r.now})
	if err != nil {
		r.t.Fatal(err)
	}
	verifier, err := tokens.NewVerifier(keyring, tokens.VerifierOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(r.logs, nil))
	rotation := &tokens.Rotation{Directory: r.directory, Verifier: verifier, Issuer: issuer, Log: log, Interval: time.Second}
	go rotation.Run(r.t.Context())

	api := handlers.New(r.newStore(), redisstore.NewPasswords(r.config.Passwords.BcryptCost), issuer, verifier, log, handlers.Options{
		BasePath:      r.config.HTTP.BasePath,
		SessionTTL:    r.config.Sessions.TTL,
		RememberMeTTL: r.config.Sessions.RememberMeTTL,
	})
	server := httptest.NewServer(api)
	stop := sync.OnceFunc(func() {
		server.Close()
		api.Close()
	})
	r.t.Cleanup(stop)
	return &replica{service: r.service, url: server.URL, api: api, stop: stop}
}

// kidOf returns the kid in a token's header.
func kidOf(token string) (string, error) {
	part, _, _ := strings.Cut(token, ".")
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return "", err
	}
	var header struct{ Kid string }
	err = json.Unmarshal(data, &header)
	return header.Kid, err
}

// crowd logs in, uses what it got on every replica, and logs out, again and
// again.
type crowd struct {
	replicas []*replica
	// signed counts logins by the key that signed their tokens, on any replica.
	mu     sync.Mutex
	signed map[string]int
	// held are tokens that go on being used.
	held []string
}

// visit is one round on one replica. Its error is whatever should not happen.
func (c *crowd) visit(at int) error {
	got, err := c.replicas[at].try(loginRequest("alice", password))
	if err != nil {
		return err
	}
	var body struct{ Token string }
	if err := json.Unmarshal([]byte(got.text), &body); err != nil || got.status != http.StatusCreated {
		return fmt.Errorf("login on replica %d: %d %s", at, got.status, got.text)
	}
	kid, err := kidOf(body.Token)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.signed[kid]++
	held := append([]string{body.Token}, c.held...)
	c.mu.Unlock()
	for _, token := range held {
		for i, r := range c.replicas {
			got, err := r.try(request{method: "GET", path: "/users/me/sessions/me", token: token})
			if err != nil {
				return err
			}
			if got.status != http.StatusOK {
				return fmt.Errorf("token of replica %d, signed by %s, on replica %d: %d %s", at, kid, i, got.status, got.text)
			}
		}
	}
	got, err = c.replicas[at].try(request{method: "DELETE", path: "/users/me/sessions/me", token: body.Token})
	if err == nil && got.status != http.StatusOK {
		err = fmt.Errorf("logout on replica %d: %d %s", at, got.status, got.text)
	}
	return err
}

// by returns how many tokens a key has signed.
func (c *crowd) by(kid string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signed[kid]
}

// Two replicas go from one key to the next under load. Every token is good on
// both of them all the time, whichever key signed it.
func TestRotationLogsNobodyOut(t *testing.T) {
	t.Parallel()
	r := startRotating(t)
	first := r.createKey()
	c := &crowd{replicas: []*replica{r.replica(), r.replica()}, signed: make(map[string]int)}
	for _, replica := range c.replicas {
		c.held = append(c.held, replica.login("alice"))
	}

	stop := make(chan struct{})
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := c.visit(worker % len(c.replicas)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	defer workers.Wait()
	defer close(stop)

	busy := func(kid string) {
		t.Helper()
		before := c.by(kid)
		redistest.Eventually(t, "logins", func() bool { return t.Failed() || c.by(kid) >= before+10 })
	}
	busy(first)

	// Served at once, by both, without a restart; it signs nothing.
	r.clock.Add(time.Minute.Milliseconds())
	second := r.createKey()
	for _, replica := range c.replicas {
		redistest.Eventually(t, "the new key to be served", func() bool {
			return strings.Contains(replica.get("", "/.well-known/jwks.json").text, second)
		})
	}
	busy(first)
	r.clock.Add((activationDelay - time.Millisecond).Milliseconds())
	busy(first)
	if n := c.by(second); n != 0 {
		t.Errorf("%d tokens are signed by a key whose time has not come", n)
	}

	// Both change over by the clock alone, and what the first signed goes on.
	r.clock.Add(1)
	busy(second)
	for _, replica := range c.replicas {
		token := replica.login("alice")
		if kid, err := kidOf(token); kid != second || err != nil {
			t.Errorf("signed by %s, %v; want %s", kid, err, second)
		}
	}
}

// Each session notes the key of its token, for the day when that is to go.
func TestSessionsNoteTheirKey(t *testing.T) {
	t.Parallel()
	r := startRotating(t)
	kid := r.createKey()
	replica := r.replica()
	for range 3 {
		replica.login("alice")
	}
	usage, err := r.store.CountSignedBy(t.Context(), redisstore.SigningKey{ID: kid, Created: r.now()}, nil)
	if want := (redisstore.KeyUsage{Signed: 3}); err != nil || usage != want {
		t.Errorf("CountSignedBy: %+v, %v; want %+v", usage, err, want)
	}
}
