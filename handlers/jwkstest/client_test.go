package jwkstest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

const password = "correct horse battery staple"

// sessiond is a program built from this tree with a Redis of its own.
type sessiond struct {
	t       *testing.T
	program string
	environ []string
}

func build(t *testing.T) *sessiond {
	t.Helper()
	dir := t.TempDir()
	s := &sessiond{t: t, program: filepath.Join(dir, "sessiond")}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", s.program, "./cmd/sessiond")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s.environ = []string{
		"SESSIOND_REDIS_ADDRESSES=" + redistest.Start(t).Addr(),
		"SESSIOND_TOKENS_KEY_DIRECTORY=" + filepath.Join(dir, "keys"),
		"SESSIOND_TOKENS_ISSUER=https://sessions.example",
		"SESSIOND_LIMITS_LOGIN_REQUESTS=1000000",
		"SESSIOND_LIMITS_API_REQUESTS=1000000",
		"SESSIOND_PASSWORDS_BCRYPT_COST=4",
		"SESSIOND_HTTP_ADDRESS=127.0.0.1:0", "SESSIOND_ADMIN_ADDRESS=127.0.0.1:0", "SESSIOND_HTTP_DRAIN_DELAY=0s",
	}
	return s
}

// run runs one of sessiond's commands and returns what it printed.
func (s *sessiond) run(stdin string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), s.program, args...)
	cmd.Env, cmd.Stdin = s.environ, strings.NewReader(stdin)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		s.t.Fatalf("sessiond %q: %v\n%s", args, err, exit.Stderr)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// serve runs the server until the end of the test and returns the API's URL.
func (s *sessiond) serve() string {
	s.t.Helper()
	cmd := exec.CommandContext(context.Background(), s.program, "serve")
	var log lockedBuffer
	cmd.Env, cmd.Stderr = s.environ, &log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if s.t.Failed() {
			s.t.Log(log.String())
		}
	})
	address := ""
	redistest.Eventually(s.t, "sessiond to listen", func() bool {
		for line := range strings.Lines(log.String()) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				address = entry.Address
			}
		}
		return address != ""
	})
	return "http://" + address + "/api"
}

// login returns a token of alice's.
func login(t *testing.T, base string) string {
	t.Helper()
	body := `{"username":"alice","password":"` + password + `"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/login", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("login: %d %s, %v", resp.StatusCode, text, err)
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Token
}

// A client that knows sessiond by its key set alone verifies tokens, also those
// of a key that came while it was running, and refuses others.
func TestThirdPartyClientVerifiesTokens(t *testing.T) {
	t.Parallel()
	s := build(t)
	first := s.run("", "keys", "create")
	s.run(password+"\n", "users", "add", "alice")
	base := s.serve()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{base + "/.well-known/jwks.json"}, keyfunc.Override{
		HTTPTimeout:       time.Minute,
		RefreshInterval:   time.Hour,
		RefreshUnknownKID: rate.NewLimiter(rate.Inf, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"ES256"}),
		jwt.WithIssuer("https://sessions.example"),
		jwt.WithExpirationRequired(),
	)
	verify := func(token string) (*jwt.Token, error) { return parser.Parse(token, keys.Keyfunc) }

	old := login(t, base)
	token, err := verify(old)
	if err != nil || token.Header["kid"] != first {
		t.Fatalf("kid %v, %v; want %s", token.Header["kid"], err, first)
	}
	if _, err := verify(old[:len(old)-4] + "AAAA"); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		t.Errorf("a forged token: %v", err)
	}

	// The first one is gone: the new one is an only key and signs at once.
	second := s.run("", "keys", "create")
	s.run("", "keys", "retire", "--force", first)
	redistest.Eventually(t, "the new key to sign", func() bool {
		token, err := verify(login(t, base))
		if err != nil {
			t.Errorf("a token of a new key: %v", err)
		}
		return t.Failed() || token.Header["kid"] == second
	})
}

// lockedBuffer takes the output of a process while a test reads it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
