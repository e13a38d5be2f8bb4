package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/handlers"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
	"github.com/sessiond/sessiond/tokens"
)

// password is every test account's.
const password = "correct horse battery staple"

// service is sessiond on a Redis of its own, with as many replicas as a test
// asks for.
type service struct {
	t       *testing.T
	redis   *redistest.Server
	config  config.Config
	keyring *tokens.Keyring
	store   *redisstore.Store
	logs    *syncBuffer
}

// replica is one sessiond.
type replica struct {
	*service
	url   string
	api   *handlers.API
	admin http.Handler
	// contract is what its answers have to fit.
	contract *contract
	// stop waits for the requests under way and for what is left to do after
	// them. The end of the test calls it too.
	stop func()
}

// start runs one replica, with limits that no test reaches by accident.
func start(t *testing.T, changes ...func(*config.Config)) *replica {
	t.Helper()
	return startOn(t, redistest.Start(t), changes...).replica()
}

// startOn prepares a service on a Redis server; replica starts one.
func startOn(t *testing.T, server *redistest.Server, changes ...func(*config.Config)) *service {
	t.Helper()
	c := config.Default()
	c.Redis.Addresses = []string{server.Addr()}
	// A busy machine is no outage: the tests of outages set their own.
	c.Redis.Timeout = 20 * time.Second
	c.Limits.Login.Requests = 10_000
	c.Limits.API.Requests = 1_000_000
	// A window that no test run is long enough to leave.
	c.Limits.API.Window = 200 * 365 * 24 * time.Hour
	c.Passwords.BcryptCost = bcrypt.MinCost
	for _, change := range changes {
		change(&c)
	}
	keyring, err := tokens.GenerateKeyring(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, redis: server, config: c, keyring: keyring, logs: &syncBuffer{}}
	// Registered first and so run last, when no replica can log any more.
	t.Cleanup(s.checkLogs)
	s.store = s.newStore()
	return s
}

func (s *service) newStore() *redisstore.Store {
	s.t.Helper()
	store := redisstore.New(redisstore.Connect(s.config.Redis), redisstore.OptionsFrom(s.config))
	s.t.Cleanup(func() { _ = store.Close() })
	return store
}

// replica starts one more sessiond on the same Redis.
func (s *service) replica() *replica {
	s.t.Helper()
	return s.replicaWith(redisstore.NewPasswords(s.config.Passwords.BcryptCost))
}

func (s *service) replicaWith(passwords handlers.Passwords) *replica {
	s.t.Helper()
	issuer, err := tokens.NewIssuer(s.keyring, tokens.IssuerOptions{Issuer: s.config.Tokens.Issuer})
	if err != nil {
		s.t.Fatal(err)
	}
	verifier, err := tokens.NewVerifier(s.keyring, tokens.VerifierOptions{
		Issuer: s.config.Tokens.Issuer, LegacyKeyID: s.config.Tokens.LegacyKeyID,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store := s.newStore()
	api := handlers.New(store, passwords, issuer, verifier, log, handlers.Options{
		BasePath:       s.config.HTTP.BasePath,
		Version:        "test",
		TrustedProxies: s.config.HTTP.TrustedProxies,
		CORSOrigins:    s.config.HTTP.CORSOrigins,
		SessionTTL:     s.config.Sessions.TTL,
		RememberMeTTL:  s.config.Sessions.RememberMeTTL,
	})
	admin := handlers.NewAdmin(store.Ping, handlers.NewRegistry("test", store.Ping, api, store), log)
	server := httptest.NewServer(api)
	stop := sync.OnceFunc(func() {
		server.Close()
		api.Close()
	})
	s.t.Cleanup(stop)
	return &replica{service: s, url: server.URL, api: api, admin: admin, contract: documented(), stop: stop}
}

// as is r for a subtest, which fails in its own name.
func (r *replica) as(t *testing.T) *replica {
	s := *r.service
	s.t = t
	return &replica{service: &s, url: r.url, api: r.api, admin: r.admin, contract: r.contract, stop: r.stop}
}

// addUser makes an account with the test password.
func (s *service) addUser(name string) redisstore.User {
	s.t.Helper()
	return s.addAccount(redisstore.NewUser{Username: name})
}

func (s *service) addStaff(name string) redisstore.User {
	s.t.Helper()
	return s.addAccount(redisstore.NewUser{Username: name, Staff: true})
}

func (s *service) addAccount(n redisstore.NewUser) redisstore.User {
	s.t.Helper()
	if n.PasswordHash == "" {
		n.PasswordHash = testHash()
	}
	user, err := s.store.AddUser(context.Background(), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return user
}

// testHash is of the test password. It is empty where bcrypt refuses, which no
// login would get past.
var testHash = sync.OnceValue(func() string {
	hash, _ := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	return string(hash)
})

// request is one request and its headers, as pairs of name and value.
type request struct {
	method, path string
	token        string
	body         string
	headers      []string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

// exchange is a request and what it is answered with.
type exchange struct {
	name string
	request
	status int
	code   string
}

// exchanges sends each request and compares the answers, in order.
func (r *replica) exchanges(t *testing.T, all []exchange) {
	t.Helper()
	for _, e := range all {
		t.Run(e.name, func(t *testing.T) {
			r.as(t).do(e.request).is(t, e.status, e.code)
		})
	}
}

// do sends a request to a path below the base path.
func (r *replica) do(req request) answer {
	r.t.Helper()
	got, err := r.try(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", req.method, req.path, err)
	}
	return got
}

// try is do for goroutines other than the test's.
func (r *replica) try(req request) (answer, error) {
	var body io.Reader
	if req.body != "" {
		body = strings.NewReader(req.body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	httpReq, err := http.NewRequestWithContext(ctx, req.method, r.url+r.config.HTTP.BasePath+req.path, body)
	if err != nil {
		return answer{}, err
	}
	if req.token != "" {
		httpReq.Header.Set("Authorization", req.token)
	}
	for i := 0; i+1 < len(req.headers); i += 2 {
		httpReq.Header.Add(req.headers[i], req.headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(httpReq)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	r.fitsDocument(req.method, httpReq.URL.EscapedPath(), got)
	return got, nil
}

func (r *replica) get(token, path string) answer {
	r.t.Helper()
	return r.do(request{method: "GET", path: path, token: token})
}

func (r *replica) delete(token, path string) answer {
	r.t.Helper()
	return r.do(request{method: "DELETE", path: path, token: token})
}

func (r *replica) deleteIDs(token, path, ids string) answer {
	r.t.Helper()
	return r.do(request{method: "DELETE", path: path, token: token, body: `{"ids":` + ids + `}`})
}

// login logs a test account in and returns its token.
func (r *replica) login(name string, headers ...string) string {
	r.t.Helper()
	got := r.do(loginRequest(name, password, headers...))
	got.is(r.t, http.StatusCreated, "")
	return got.field(r.t, "token")
}

func loginRequest(name, password string, headers ...string) request {
	// Two texts can always be written as JSON.
	body, _ := json.Marshal(map[string]string{"username": name, "password": password})
	return request{method: "POST", path: "/login", body: string(body), headers: headers}
}

// session is the ID of a token's session.
func (r *replica) session(token string) string {
	r.t.Helper()
	got := r.get(token, "/users/me/sessions/me")
	got.is(r.t, http.StatusOK, "")
	return got.field(r.t, "id")
}

// is checks the status, the error code (where there should be one), and what
// holds for every answer.
func (a answer) is(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d %s; body %s", a.status, status, code, a.text)
	}
	if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if got := a.header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options %q", got)
	}
	if code != "" {
		if got := a.field(t, "code"); got != code {
			t.Errorf("code %q, want %q", got, code)
		}
	}
}

// object decodes the body, numbers as they are written.
func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(a.text)))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("body %q: %v", a.text, err)
	}
	return object
}

// field is one member of the body as text.
func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	switch value := a.object(t)[name].(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	default:
		t.Fatalf("body %s: %s is %T", a.text, name, value)
		return ""
	}
}

// names are the members of an object, in order.
func names(object map[string]any) []string {
	return slices.Sorted(maps.Keys(object))
}

// syncBuffer collects logs of concurrent requests.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// trust makes the tests' own connections a trusted proxy, so that a test can
// come from any address.
func trust(c *config.Config) {
	c.HTTP.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}
