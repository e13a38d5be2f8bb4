// Package failover_test runs the whole API on Redis while Redis is killed,
// frozen, failed over, filled or out of reach: what the store promises then
// shows only with the parts together.
package failover_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/handlers"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
	"github.com/sessiond/sessiond/tokens"
)

// TestMain keeps the client from printing each of thousands of refused
// connections.
func TestMain(m *testing.M) {
	logging.Disable()
	os.Exit(m.Run())
}

// password is every account's.
const password = "correct horse battery staple"

// service is sessiond on one Redis, with as many replicas as a test asks for.
type service struct {
	t       testing.TB
	config  config.Config
	keyring *tokens.Keyring
	issuer  *tokens.Issuer
	// connect makes each replica's client.
	connect func(config.Redis) redis.UniversalClient
	logs    *syncBuffer
	// store prepares accounts and sessions, with a patience of its own.
	store *redisstore.Store
}

// newService prepares a service with limits that no test reaches by accident.
func newService(t testing.TB, r config.Redis, changes ...func(*config.Config)) *service {
	t.Helper()
	c := config.Default()
	r.Timeout, r.WaitReplicas = c.Redis.Timeout, c.Redis.WaitReplicas
	c.Redis = r
	c.Limits.Login.Requests = 1_000_000
	c.Limits.API.Requests = 1_000_000_000
	// A window that no test run is long enough to leave.
	c.Limits.API.Window = 200 * 365 * 24 * time.Hour
	c.Sessions.MaxPerUser = 10_000
	c.Passwords.BcryptCost = bcrypt.MinCost
	for _, change := range changes {
		change(&c)
	}
	keyring, err := tokens.GenerateKeyring(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := tokens.NewIssuer(keyring, tokens.IssuerOptions{Issuer: c.Tokens.Issuer})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, config: c, keyring: keyring, issuer: issuer, connect: redisstore.Connect, logs: &syncBuffer{}}
	patient := redisstore.OptionsFrom(c)
	patient.Timeout, patient.WaitReplicas = 30*time.Second, 0
	s.store = redisstore.New(redisstore.Connect(c.Redis), patient)
	t.Cleanup(func() { _ = s.store.Close() })
	return s
}

func waitReplicas(n int) func(*config.Config) {
	return func(c *config.Config) { c.Redis.WaitReplicas = n }
}

// replica is one sessiond.
type replica struct {
	*service
	url    string
	client *http.Client
	api    *handlers.API
	own    *redisstore.Store
	stop   func()
}

// replica starts one more sessiond on the same Redis.
func (s *service) replica() *replica {
	s.t.Helper()
	verifier, err := tokens.NewVerifier(s.keyring, tokens.VerifierOptions{Issuer: s.config.Tokens.Issuer})
	if err != nil {
		s.t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store := redisstore.New(s.connect(s.config.Redis), redisstore.OptionsFrom(s.config))
	api := handlers.New(store, redisstore.NewPasswords(s.config.Passwords.BcryptCost), s.issuer, verifier, log, handlers.Options{
		BasePath:      s.config.HTTP.BasePath,
		Version:       "test",
		SessionTTL:    s.config.Sessions.TTL,
		RememberMeTTL: s.config.Sessions.RememberMeTTL,
	})
	server := httptest.NewServer(api)
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	r := &replica{
		service: s, url: server.URL + s.config.HTTP.BasePath,
		client: &http.Client{Transport: transport, Timeout: 30 * time.Second}, api: api, own: store,
	}
	r.stop = sync.OnceFunc(func() {
		transport.CloseIdleConnections()
		server.Close()
		api.Close()
		_ = store.Close()
	})
	s.t.Cleanup(r.stop)
	return r
}

// answer is what came back, and when it was asked for.
type answer struct {
	asked  time.Time
	status int
	header http.Header
	text   string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.text) }

// ask sends a request to a path below the base path. No answer at all is a
// status of 0: sessiond itself never leaves, so no test may see one.
func (r *replica) ask(method, path, token, body string) answer {
	asked := time.Now()
	req, err := http.NewRequestWithContext(context.Background(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		return answer{asked: asked, text: err.Error()}
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return answer{asked: asked, text: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{asked: asked, text: err.Error()}
	}
	return answer{asked: asked, status: resp.StatusCode, header: resp.Header, text: string(text)}
}

// check is the cheapest request that a live session admits.
func (r *replica) check(token string) answer {
	return r.ask(http.MethodGet, "/users/me/sessions/me", token, "")
}

func (r *replica) list(token string) answer {
	return r.ask(http.MethodGet, "/users/me/sessions", token, "")
}

func (r *replica) end(token, sid string) answer {
	return r.ask(http.MethodDelete, "/users/me/sessions/"+sid, token, "")
}

func (r *replica) login(name string) answer {
	return r.ask(http.MethodPost, "/login", "", fmt.Sprintf(`{"username":%q,"password":%q}`, name, password))
}

// count is how many sessions a list or a deletion tells of.
func (a answer) count(t testing.TB) int {
	t.Helper()
	var body struct {
		Count *int `json:"count"`
	}
	if err := json.Unmarshal([]byte(a.text), &body); err != nil || body.Count == nil {
		t.Errorf("no count in %s", a)
		return -1
	}
	return *body.Count
}

// is fails the test where the status is another.
func (a answer) is(t testing.TB, what string, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: %s, want %d", what, a, status)
	}
}

var testHash = sync.OnceValues(func() (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	return string(hash), err
})

var names atomic.Int64

// addUser makes an account with a name that is nobody's.
func (s *service) addUser() redisstore.User {
	s.t.Helper()
	hash, err := testHash()
	if err != nil {
		s.t.Fatal(err)
	}
	user, err := s.store.AddUser(context.Background(), redisstore.NewUser{
		Username: fmt.Sprintf("user-%d", names.Add(1)), PasswordHash: hash,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return user
}

// session is a session as its bearer knows it.
type session struct {
	uid, sid, token string
}

// addSessions starts n sessions of a user without logging in n times.
func (s *service) addSessions(user redisstore.User, n int) []session {
	s.t.Helper()
	sessions := make([]session, n)
	for i := range sessions {
		created, outcome, err := s.store.CreateSession(context.Background(), redisstore.NewSession{
			UserID: user.ID, PasswordHash: user.PasswordHash, Name: "a test", TTL: s.config.Sessions.TTL,
		})
		if err != nil || outcome != redisstore.Created {
			s.t.Fatalf("create a session: outcome %d, %v", outcome, err)
		}
		token, err := s.issuer.Issue(tokens.Claims{
			UserID: user.ID, SessionID: created.ID, IssuedAt: created.CreatedAt, ExpiresAt: created.ExpiresAt,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		sessions[i] = session{uid: user.ID, sid: created.ID, token: token}
	}
	return sessions
}

// syncBuffer collects logs of concurrent requests.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// maxLog is in bytes. What a long run logs beyond that is dropped.
const maxLog = 1 << 20

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buffer.Len() > maxLog {
		return len(p), nil
	}
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// causes are the log's messages and errors, each with how often it came.
func (b *syncBuffer) causes() map[string]int {
	causes := make(map[string]int)
	for line := range strings.Lines(b.String()) {
		var entry struct {
			Message string `json:"msg"`
			Error   string `json:"error"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Error != "" {
			causes[entry.Message+": "+entry.Error]++
		}
	}
	return causes
}

// topology is one way to run Redis with replicas.
type topology struct {
	redis config.Redis
	// primary and replica serve a user; awaitFailover waits for another primary
	// than old to serve that user.
	primary, replica func(uid string) *redistest.Server
	awaitFailover    func(uid string, old *redistest.Server) *redistest.Server
}

func startSentinel(t testing.TB) (*redistest.Sentinel, topology) {
	t.Helper()
	setup := redistest.StartSentinel(t)
	return setup, topology{
		redis:         config.Redis{Mode: config.ModeSentinel, Addresses: setup.Addrs(), MasterName: setup.MasterName()},
		primary:       func(string) *redistest.Server { return setup.Primary() },
		replica:       func(string) *redistest.Server { return setup.Replica() },
		awaitFailover: func(_ string, old *redistest.Server) *redistest.Server { return setup.AwaitFailover(old) },
	}
}

func startCluster(t testing.TB) (*redistest.Cluster, topology) {
	t.Helper()
	cluster := redistest.StartCluster(t)
	return cluster, topology{
		redis:   config.Redis{Mode: config.ModeCluster, Addresses: cluster.Addrs()},
		primary: func(uid string) *redistest.Server { return cluster.PrimaryOf(userKey(uid)) },
		replica: func(uid string) *redistest.Server { return cluster.ReplicaOf(userKey(uid)) },
		awaitFailover: func(uid string, old *redistest.Server) *redistest.Server {
			return cluster.AwaitFailover(userKey(uid), old)
		},
	}
}

// onBoth runs a test on Sentinel and on Cluster.
func onBoth(t *testing.T, test func(t *testing.T, top topology)) {
	t.Helper()
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		_, top := startSentinel(t)
		test(t, top)
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		_, top := startCluster(t)
		test(t, top)
	})
}

// replicated waits until the replica of a user's primary has all that the
// primary has.
func (top topology) replicated(t testing.TB, uid string) {
	t.Helper()
	caughtUp(t, top.primary(uid), uid)
}

// caughtUp waits until a replica of the primary has everything. A replica that
// has just copied the data set gets what follows only after a second.
func caughtUp(t testing.TB, primary *redistest.Server, uid string) {
	t.Helper()
	client := primary.Client()
	redistest.Eventually(t, "the replica to have everything", func() bool {
		// WAIT is about what its own connection wrote.
		pipe := client.Pipeline()
		pipe.Set(context.Background(), "caught-up:{"+uid+"}", "", time.Minute)
		replicas := redis.NewIntCmd(context.Background(), "wait", 1, 100)
		_ = pipe.Process(context.Background(), replicas)
		_, err := pipe.Exec(context.Background())
		return err == nil && replicas.Val() == 1
	})
}

func userKey(uid string) string { return "user:{" + uid + "}" }

func sessionKey(s session) string { return "session:{" + s.uid + "}:" + s.sid }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func splitAddr(t testing.TB, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	must(t, err)
	return host, port
}

// atOnce runs n calls at the same time and waits for them.
func atOnce(n int, call func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { call(i) })
	}
	all.Wait()
}
