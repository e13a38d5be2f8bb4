package client_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/handlers"
	"github.com/sessiond/sessiond/handlers/client"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
	"github.com/sessiond/sessiond/tokens"
)

// password is every test account's.
const password = "correct horse battery staple"

// shared is the service that tests and examples have in common; each test has
// accounts of its own.
var shared *service

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

// runTests starts the service before the tests, because examples have no
// testing.TB to start one with.
func runTests(m *testing.M) int {
	tb := &mainTB{}
	defer tb.cleanUp()
	shared = start(tb)
	shared.addUser(tb, "alice")
	return m.Run()
}

// service is sessiond on a Redis of its own.
type service struct {
	redis *redistest.Server
	store *redisstore.Store
	url   string
	// verifyURL is that of the listener for gateways.
	verifyURL string
}

// start runs a service with limits that no test reaches by accident.
func start(tb testing.TB, changes ...func(*config.Config)) *service {
	tb.Helper()
	c := config.Default()
	redis := redistest.Start(tb)
	c.Redis.Addresses = []string{redis.Addr()}
	// A busy machine is no outage.
	c.Redis.Timeout = 20 * time.Second
	c.Limits.Login.Requests = 10_000
	c.Limits.API.Requests = 1_000_000
	// A window that no test run is long enough to leave.
	c.Limits.API.Window = 200 * 365 * 24 * time.Hour
	c.Passwords.BcryptCost = bcrypt.MinCost
	c.HTTP.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, change := range changes {
		change(&c)
	}
	store := redisstore.New(redisstore.Connect(c.Redis), redisstore.OptionsFrom(c))
	tb.Cleanup(func() { _ = store.Close() })

	keyring, err := tokens.GenerateKeyring(time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	issuer, err := tokens.NewIssuer(keyring, tokens.IssuerOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	verifier, err := tokens.NewVerifier(keyring, tokens.VerifierOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	api := handlers.New(store, redisstore.NewPasswords(c.Passwords.BcryptCost), issuer, verifier,
		slog.New(slog.DiscardHandler), handlers.Options{
			BasePath:       c.HTTP.BasePath,
			TrustedProxies: c.HTTP.TrustedProxies,
			SessionTTL:     c.Sessions.TTL,
			RememberMeTTL:  c.Sessions.RememberMeTTL,
		})
	server := httptest.NewServer(api)
	gateway := httptest.NewServer(api.Gateway(""))
	tb.Cleanup(func() {
		server.Close()
		gateway.Close()
		api.Close()
	})
	return &service{redis: redis, store: store, url: server.URL + c.HTTP.BasePath, verifyURL: gateway.URL + "/verify"}
}

func (s *service) addUser(tb testing.TB, name string) redisstore.User {
	tb.Helper()
	return s.addAccount(tb, redisstore.NewUser{Username: name})
}

func (s *service) addStaff(tb testing.TB, name string) {
	tb.Helper()
	s.addAccount(tb, redisstore.NewUser{Username: name, Staff: true})
}

func (s *service) addAccount(tb testing.TB, n redisstore.NewUser) redisstore.User {
	tb.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		tb.Fatal(err)
	}
	n.PasswordHash = string(hash)
	user, err := s.store.AddUser(context.Background(), n)
	if err != nil {
		tb.Fatal(err)
	}
	return user
}

// client returns a new client of the service.
func (s *service) client(tb testing.TB, opts ...client.Option) *client.Client {
	tb.Helper()
	return newClient(tb, s.url, opts...)
}

func newClient(tb testing.TB, url string, opts ...client.Option) *client.Client {
	tb.Helper()
	c, err := client.New(url, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// login logs a test account in and returns its token.
func login(tb testing.TB, c *client.Client, name string) string {
	tb.Helper()
	got, err := c.Login(tb.Context(), client.LoginRequest{Username: name, Password: password})
	if err != nil {
		tb.Fatal(err)
	}
	return got.Token
}

// stub serves what the real service would not.
func stub(tb testing.TB, h http.HandlerFunc) string {
	tb.Helper()
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	return server.URL
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// cutOff ends the connection without an answer.
func cutOff(http.ResponseWriter, *http.Request) {
	panic(http.ErrAbortHandler) //nolint:forbidigo // It is how net/http is told to.
}

// roundTripper answers without a network, so that a test can run on the clock of
// synctest.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// offline sends a client's requests straight to a handler.
func offline(h http.HandlerFunc) client.Option {
	return client.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		received := r.Clone(r.Context())
		if received.Body == nil {
			received.Body = http.NoBody
		}
		h(recorder, received)
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return recorder.Result(), nil
	})})
}

// mainTB is the testing.TB of TestMain, as far as starting a service takes one.
type mainTB struct {
	testing.TB

	mu       sync.Mutex
	cleanups []func()
}

func (*mainTB) Helper()      {}
func (*mainTB) Failed() bool { return false }

func (t *mainTB) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

func (t *mainTB) TempDir() string {
	dir, err := os.MkdirTemp("", "client-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (*mainTB) Logf(format string, args ...any)     { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (t *mainTB) Errorf(format string, args ...any) { t.Logf(format, args...) }

func (t *mainTB) Fatal(args ...any) { t.Fatalf("%s", fmt.Sprint(args...)) }

func (t *mainTB) Fatalf(format string, args ...any) {
	t.Logf(format, args...)
	t.cleanUp()
	os.Exit(1)
}

func (t *mainTB) cleanUp() {
	for len(t.cleanups) > 0 {
		last := len(t.cleanups) - 1
		f := t.cleanups[last]
		t.cleanups = t.cleanups[:last]
		f()
	}
}
