package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// password is every test account's.
const password = "correct horse battery staple"

// deployment is a Redis, a key and settings, for any number of replicas.
type deployment struct {
	t       *testing.T
	redis   *redistest.Server
	environ []string
}

// deploy prepares a deployment with limits that no test reaches by accident.
// The settings, as variables, win over that.
func deploy(t *testing.T, settings ...string) *deployment {
	t.Helper()
	d := &deployment{t: t, redis: redistest.Start(t)}
	d.environ = append([]string{
		"SESSIOND_REDIS_ADDRESSES=" + d.redis.Addr(),
		"SESSIOND_TOKENS_KEY_DIRECTORY=" + filepath.Join(t.TempDir(), "keys"),
		"SESSIOND_LIMITS_LOGIN_REQUESTS=1000000",
		"SESSIOND_LIMITS_API_REQUESTS=100000000",
		"SESSIOND_PASSWORDS_BCRYPT_COST=4",
		"SESSIOND_HTTP_DRAIN_DELAY=0s",
	}, settings...)
	d.command("", "keys", "create")
	return d
}

// command runs one of sessiond's commands, which has to succeed, and returns
// what it printed.
func (d *deployment) command(stdin string, args ...string) string {
	d.t.Helper()
	got := runSessiond(d.t, d.environ, stdin, args...)
	if got.code != 0 {
		d.t.Fatalf("sessiond %q: %+v", args, got)
	}
	return got.stdout
}

func (d *deployment) addUser(name string) {
	d.t.Helper()
	d.command(password+"\n", "users", "add", name)
}

// replica is one running sessiond.
type replica struct {
	*program
	// environ are its settings with its addresses, which it keeps.
	environ                []string
	address, admin, verify string
}

// start runs a replica on addresses that are free.
func (d *deployment) start(settings ...string) *replica {
	d.t.Helper()
	return startServe(d.t, slices.Concat(d.environ, []string{
		"SESSIOND_HTTP_ADDRESS=127.0.0.1:0", "SESSIOND_ADMIN_ADDRESS=127.0.0.1:0",
	}, settings))
}

// startRestartable is start with addresses that nobody else takes during a
// restart.
func (d *deployment) startRestartable() *replica {
	d.t.Helper()
	return d.start("SESSIOND_HTTP_ADDRESS="+freeAddress(d.t), "SESSIOND_ADMIN_ADDRESS="+freeAddress(d.t))
}

// startServe runs `sessiond serve` and returns once it listens.
func startServe(t *testing.T, environ []string) *replica {
	t.Helper()
	r := &replica{program: startSessiond(t, environ, "serve"), environ: environ}
	redistest.Eventually(t, "sessiond to listen", func() bool {
		line := logLine(r.stderr.String(), "listening")
		if line == nil {
			return r.exited()
		}
		r.address, _ = line["address"].(string)
		r.admin, _ = line["admin"].(string)
		r.verify, _ = line["verify"].(string)
		return true
	})
	if r.address == "" {
		t.Fatalf("sessiond serve ended with code %d:\n%s", r.wait(), &r.stderr)
	}
	t.Cleanup(func() {
		// Whatever the test was about.
		r.kill()
		checkLog(t, r.program)
	})
	return r
}

// restart ends the replica as an orchestrator does, starts it again at the same
// addresses, and returns once it is ready.
func (r *replica) restart() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != 0 {
		r.t.Errorf("exit code %d after SIGTERM:\n%s", code, &r.stderr)
	}
	*r = *startServe(r.t, r.environ)
	r.awaitReady()
}

func (r *replica) awaitReady() {
	r.t.Helper()
	redistest.Eventually(r.t, "readiness", func() bool { return r.probe("/readyz") == http.StatusOK })
}

// probe returns the status that the admin address answers with, or 0.
func (r *replica) probe(path string) int {
	got, err := trySend(request{method: "GET", url: "http://" + r.admin + path})
	if err != nil {
		return 0
	}
	return got.status
}

func (r *replica) url(path string) string { return "http://" + r.address + "/api" + path }

// request is one request and its headers, as pairs of name and value.
type request struct {
	method, url string
	token       string
	body        string
	headers     []string
	// from is the address to send it from, or "" for any.
	from string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

// send sends a request on a connection of its own.
func send(t *testing.T, r request) answer {
	t.Helper()
	got, err := trySend(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func trySend(r request) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	for pair := range slices.Chunk(r.headers, 2) {
		req.Header.Add(pair[0], pair[1])
	}
	if r.token != "" {
		req.Header.Set("Authorization", r.token)
	}
	dialer := &net.Dialer{}
	if r.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(r.from)}
	}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// member returns a member of the answer's body as text, or "".
func (a answer) member(name string) string {
	var body map[string]any
	if json.Unmarshal([]byte(a.text), &body) != nil {
		return ""
	}
	text, _ := body[name].(string)
	return text
}

// is checks the status and, where it is not "", the code.
func (a answer) is(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status || (code != "" && a.member("code") != code) {
		t.Errorf("answered %d %s; want %d %s", a.status, a.text, status, code)
	}
}

func loginBody(name, password string) string {
	body, _ := json.Marshal(map[string]string{"username": name, "password": password}) // Never fails for text.
	return string(body)
}

// login logs in at the base URL of an API and returns the token.
func login(t *testing.T, base, name string) string {
	t.Helper()
	got := send(t, request{method: "POST", url: base + "/login", body: loginBody(name, password)})
	got.is(t, http.StatusCreated, "")
	return got.member("token")
}

// logLines returns the log's entries with a message, oldest first.
func logLines(log, message string) []map[string]any {
	var entries []map[string]any
	for line := range strings.Lines(log) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
			entries = append(entries, entry)
		}
	}
	return entries
}

// logLine returns the first of them, or nil.
func logLine(log, message string) map[string]any {
	if lines := logLines(log, message); len(lines) > 0 {
		return lines[0]
	}
	return nil
}

// logTime returns when the log's first entry with a message was written.
func logTime(t *testing.T, log, message string) time.Time {
	t.Helper()
	text, _ := logLine(log, message)["time"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatalf("log without %q: %v\n%s", message, err, log)
	}
	return at
}

// checkLog holds for each replica of each test: nothing on standard output, and
// on standard error a JSON object a line, with no token, hash or password. The
// one exception are the lines for which it exits with an error.
func checkLog(t *testing.T, p *program) {
	t.Helper()
	if p.stdout.String() != "" {
		t.Errorf("serve printed %q", &p.stdout)
	}
	for line := range strings.Lines(p.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("log line %q is no JSON", line)
		}
		for _, secret := range []string{"eyJ", "$2a$", password, wrongPassword} {
			if strings.Contains(line, secret) {
				t.Errorf("the log tells a secret (%.4s…): %s", secret, line)
			}
		}
	}
}

// wrongPassword is nobody's.
const wrongPassword = "Tr0ub4dor&3"
