package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/handlers"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
	"github.com/sessiond/sessiond/tokens"
)

// shell runs commands against a Redis of its own.
type shell struct {
	*testing.T
	server  *redistest.Server
	environ []string
	store   *redisstore.Store
}

func newShell(t *testing.T) *shell {
	t.Helper()
	server := redistest.Start(t)
	sh := &shell{T: t, server: server, environ: []string{
		"SESSIOND_REDIS_ADDRESSES=" + server.Addr(),
		"SESSIOND_PASSWORDS_BCRYPT_COST=4",
		"SESSIOND_LIMITS_LOGIN_REQUESTS=1000",
	}}
	c := sh.config()
	sh.store = redisstore.New(redisstore.Connect(c.Redis), redisstore.OptionsFrom(c))
	t.Cleanup(func() { _ = sh.store.Close() })
	return sh
}

func (sh *shell) config() config.Config {
	sh.Helper()
	c, err := config.Load("", sh.environ)
	if err != nil {
		sh.Fatal(err)
	}
	return c
}

func (sh *shell) run(args ...string) result {
	sh.Helper()
	return sessiond(sh.T, sh.environ, "", args...)
}

// ok runs a command that must succeed and say nothing on standard error.
func (sh *shell) ok(args ...string) string {
	sh.Helper()
	return sh.okWith("", args...)
}

func (sh *shell) okWith(stdin string, args ...string) string {
	sh.Helper()
	got := sessiond(sh.T, sh.environ, stdin, args...)
	if got.code != exitOK || got.stderr != "" {
		sh.Fatalf("%q: %+v; want success", args, got)
	}
	return got.stdout
}

// fails runs a command that must say why it fails, and print nothing.
func (sh *shell) fails(why string, args ...string) {
	sh.Helper()
	sh.failsWith("", why, args...)
}

func (sh *shell) failsWith(stdin, why string, args ...string) {
	sh.Helper()
	want := result{stderr: "sessiond: " + why + "\n", code: exitError}
	if got := sessiond(sh.T, sh.environ, stdin, args...); got != want {
		sh.Errorf("%q: %+v\nwant %+v", args, got, want)
	}
}

func (sh *shell) add(name string, flags ...string) (id string) {
	sh.Helper()
	out := sh.okWith("secret\n", append([]string{"users", "add", name}, flags...)...)
	id = strings.TrimSuffix(out, "\n")
	if out != id+"\n" || !redisstore.ValidUserID(id) {
		sh.Fatalf("users add printed %q, want an ID alone", out)
	}
	return id
}

func (sh *shell) user(idOrName string) redisstore.User {
	sh.Helper()
	user, found, err := sh.store.FindUser(sh.Context(), idOrName)
	if err != nil || !found {
		sh.Fatalf("user %s: found %v, %v", idOrName, found, err)
	}
	return user
}

// loginAlice starts a session of the user alice as the API would.
func (sh *shell) loginAlice(name string) redisstore.Session {
	sh.Helper()
	return sh.login("alice", name)
}

func (sh *shell) login(username, name string) redisstore.Session {
	sh.Helper()
	user := sh.user(username)
	session, outcome, err := sh.store.CreateSession(sh.Context(), redisstore.NewSession{
		UserID: user.ID, PasswordHash: user.PasswordHash, Name: name, TTL: time.Hour,
	})
	if err != nil || outcome != redisstore.Created {
		sh.Fatalf("login of %s: outcome %d, %v", username, outcome, err)
	}
	return session
}

func TestUsersAdd(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	alice, bob := sh.add("alice"), sh.add("Bob Ross", "--staff")
	if user := sh.user("ALICE"); user.ID != alice || user.Staff {
		t.Errorf("alice is %+v", user)
	}
	if user := sh.user("bob ross"); user.ID != bob || !user.Staff || user.Username != "Bob Ross" {
		t.Errorf("Bob Ross is %+v", user)
	}
	match, err := redisstore.NewPasswords(4).Verify(t.Context(), sh.user(alice).PasswordHash, "secret")
	if !match || err != nil {
		t.Errorf("the password is not the one given: %v, %v", match, err)
	}

	sh.failsWith("x\n", "add user: user name is taken", "users", "add", "Alice")
	sh.failsWith("", "no password given on standard input", "users", "add", "carol")
	sh.failsWith(strings.Repeat("x", 73)+"\n", "a password takes 1 to 72 bytes, none of them NUL", "users", "add", "carol")
	sh.failsWith("a\x00b\n", "a password takes 1 to 72 bytes, none of them NUL", "users", "add", "carol")
	for _, name := range []string{"", " carol", "1700000000000", "a\nb", "\xff"} {
		sh.failsWith("x\n", redisstore.ErrUsernameInvalid.Error(), "users", "add", name)
	}
	if got := strings.Count(sh.ok("users", "list"), "\n"); got != 2 {
		t.Errorf("%d users, want 2", got)
	}
}

// Of two that are added at the same moment, one has the name.
func TestUsersAddAtOnce(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	for i := range 20 {
		name := fmt.Sprintf("alice %d", i)
		results := make([]result, 2)
		var both sync.WaitGroup
		for j, spelling := range []string{name, strings.ToUpper(name)} {
			both.Go(func() { results[j] = sessiond(t, sh.environ, "secret\n", "users", "add", spelling) })
		}
		both.Wait()
		winner := 0
		if results[1].code == exitOK {
			winner = 1
		}
		won, lost := results[winner], results[1-winner]
		if won.code != exitOK || lost != (result{stderr: "sessiond: add user: user name is taken\n", code: exitError}) {
			t.Fatalf("two at once: %+v", results)
		}
		if user := sh.user(name); user.ID+"\n" != won.stdout {
			t.Errorf("%s is %s, want %s", name, user.ID, won.stdout)
		}
	}
}

func TestUsersShowAndList(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	if got := sh.ok("users", "list"); got != "" {
		t.Errorf("a list of nobody: %q", got)
	}
	alice, bob := sh.add("alice", "--staff"), sh.add("bob")
	sh.loginAlice("a")
	sh.loginAlice("b")
	sh.ok("users", "ban", "bob")
	created := sh.user(alice).CreatedAt.UTC().Format(time.RFC3339)
	banned := sh.user(bob).BannedAt.UTC().Format(time.RFC3339)

	want := "id\t" + alice + "\nname\talice\nstaff\ttrue\nbanned\t-\ncreated\t" + created + "\nsessions\t2\n"
	for _, who := range []string{alice, "Alice"} {
		if got := sh.ok("users", "show", who); got != want {
			t.Errorf("users show %s:\n%s\nwant\n%s", who, got, want)
		}
	}
	if got := sh.ok("users", "show", "bob"); !strings.Contains(got, "\nstaff\tfalse\nbanned\t"+banned+"\n") {
		t.Errorf("users show bob:\n%s", got)
	}
	list := sh.ok("users", "list")
	for _, line := range []string{
		alice + "\talice\tstaff\t-\t" + created + "\n",
		bob + "\tbob\t-\t" + banned + "\t" + sh.user(bob).CreatedAt.UTC().Format(time.RFC3339) + "\n",
	} {
		if !strings.Contains(list, line) || strings.Count(list, "\n") != 2 {
			t.Errorf("users list:\n%s\nlacks\n%s", list, line)
		}
	}
	// Somebody put a name into Redis by hand that would take over a terminal.
	sh.server.CLI("HSET", "user:{"+bob+"}", "username", "b\x1b[2J\n1700000000000\tb")
	if got := sh.ok("users", "list"); strings.Count(got, "\n") != 2 || !strings.Contains(got, `"b\x1b[2J\n1700000000000\tb"`) {
		t.Errorf("users list: %q", got)
	}
}

func TestUsersUnknown(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	for _, who := range []string{"nobody", "1700000000000", "", "a\nb", "*", "{x}"} {
		why := fmt.Sprintf("no user %q", who)
		for _, command := range []string{"show", "ban", "unban", "set-password", "set-staff", "remove"} {
			sh.failsWith("secret\n", why, "users", command, who)
		}
		sh.fails(why, "sessions", "list", who)
		sh.fails(why, "sessions", "end", who, "--all")
	}
	if got := sh.server.CLI("DBSIZE"); got != "0" {
		t.Errorf("%s keys came from nothing", got)
	}
}

func TestUsersUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"users", "add"},
		{"users", "add", "a", "b"},
		{"users", "import"},
		{"users", "show"},
		{"users", "remove", "a", "b"},
		{"users", "set-staff"},
		{"users", "set-staff", "a", "maybe"},
		{"users", "set-staff", "a", "1"},
		{"users", "list", "a"},
		{"sessions", "list"},
		{"sessions", "end"},
		{"sessions", "end", "a"},
		{"sessions", "end", "a", "1700000000000", "--all"},
		{"sessions", "end", "a", "--everyone"},
		{"sessions", "end", "--all", "--everyone"},
	} {
		// No Redis is asked what makes no sense.
		got := sessiond(t, []string{"SESSIOND_REDIS_ADDRESSES=127.0.0.1:1"}, "", args...)
		if got.code != exitUsage || !strings.Contains(got.stderr, "sessiond: see sessiond "+args[0]+" "+args[1]+" --help\n") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestUsersWithoutRedis(t *testing.T) {
	t.Parallel()
	environ := []string{"SESSIOND_REDIS_ADDRESSES=127.0.0.1:1"}
	for _, args := range [][]string{
		{"users", "add", "a"},
		{"users", "list"},
		{"users", "show", "a"},
		{"users", "ban", "a"},
		{"users", "remove", "a"},
		{"users", "import", "-"},
		{"sessions", "list", "a"},
		{"sessions", "end", "a", "--all"},
		{"sessions", "end", "--everyone"},
	} {
		got := sessiond(t, environ, "secret\n", args...)
		if got.code != exitError || got.stdout != "" || !strings.HasPrefix(got.stderr, "sessiond: no answer from Redis (standalone 127.0.0.1:1): ") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// api serves sessiond's API on the shell's Redis.
func (sh *shell) api() (baseURL string, issuer *tokens.Issuer) {
	sh.Helper()
	keyring, err := tokens.GenerateKeyring(time.Now())
	if err != nil {
		sh.Fatal(err)
	}
	issuer, err = tokens.NewIssuer(keyring, tokens.IssuerOptions{})
	if err != nil {
		sh.Fatal(err)
	}
	verifier, err := tokens.NewVerifier(keyring, tokens.VerifierOptions{})
	if err != nil {
		sh.Fatal(err)
	}
	c := sh.config()
	store := redisstore.New(redisstore.Connect(c.Redis), redisstore.OptionsFrom(c))
	api := handlers.New(store, redisstore.NewPasswords(4), issuer, verifier, newLogger(sh.Output(), c.Log), handlers.Options{
		SessionTTL: c.Sessions.TTL, RememberMeTTL: c.Sessions.RememberMeTTL,
	})
	server := httptest.NewServer(api)
	sh.Cleanup(func() {
		server.Close()
		api.Close()
		_ = store.Close()
	})
	return server.URL, issuer
}

// TestCommandsActOnTheNextRequest changes an account under the eyes of the API.
func TestCommandsActOnTheNextRequest(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	url, issuer := sh.api()
	id := sh.add("alice")
	var session redisstore.Session
	var token string
	login := func() {
		t.Helper()
		session = sh.loginAlice("a")
		var err error
		token, err = issuer.Issue(tokens.Claims{UserID: id, SessionID: session.ID, IssuedAt: session.CreatedAt, ExpiresAt: session.ExpiresAt})
		if err != nil {
			t.Fatal(err)
		}
	}
	request := func(what, method, path, body string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body == "" {
			req.Header.Set("Authorization", token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s %s = %d, want %d", what, method, path, resp.StatusCode, want)
		}
	}
	own := func(what string, want int) {
		t.Helper()
		request(what, http.MethodGet, "/users/me/sessions/me", "", want)
	}
	login()
	own("after the login", http.StatusOK)
	sh.ok("users", "ban", "alice")
	own("banned", http.StatusForbidden)
	sh.ok("users", "unban", "alice")
	own("no longer banned", http.StatusOK)

	request("not staff", http.MethodGet, "/users/1700000000000/sessions", "", http.StatusForbidden)
	sh.ok("users", "set-staff", "alice")
	request("staff", http.MethodGet, "/users/1700000000000/sessions", "", http.StatusNotFound)
	sh.ok("users", "set-staff", "alice", "false")
	request("staff no longer", http.MethodGet, "/users/1700000000000/sessions", "", http.StatusForbidden)
	sh.ok("users", "set-staff", "alice", "true")
	request("staff again", http.MethodGet, "/users/1700000000000/sessions", "", http.StatusNotFound)

	if got := sh.okWith("new secret\n", "users", "set-password", "alice"); got != "1 session ended\n" {
		t.Errorf("set-password printed %q", got)
	}
	own("with a new password", http.StatusUnauthorized)
	request("the old password", http.MethodPost, "/login", `{"username":"alice","password":"secret"}`, http.StatusUnauthorized)
	request("the new password", http.MethodPost, "/login", `{"username":"alice","password":"new secret"}`, http.StatusCreated)

	login()
	own("after another login", http.StatusOK)
	sh.ok("sessions", "end", "alice", session.ID)
	own("ended", http.StatusUnauthorized)
	login()
	own("after another login", http.StatusOK)
	sh.ok("users", "remove", "alice")
	own("removed", http.StatusUnauthorized)
	request("the login of the removed", http.MethodPost, "/login", `{"username":"alice","password":"new secret"}`, http.StatusNotFound)
	if left := sh.server.CLI("KEYS", "*session*"); left != "" {
		t.Errorf("keys are left: %s", left)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	id := sh.add("alice")
	if got := sh.ok("sessions", "list", "alice"); got != "" {
		t.Errorf("a list of none: %q", got)
	}
	a, b, c := sh.loginAlice("Firefox"), sh.loginAlice("Köln"), sh.loginAlice("curl")
	if err := sh.store.TouchSession(t.Context(), id, b.ID); err != nil {
		t.Fatal(err)
	}
	line := func(s redisstore.Session, used string) string {
		return strings.Join([]string{s.ID, s.Name, s.CreatedAt.UTC().Format(time.RFC3339), s.ExpiresAt.UTC().Format(time.RFC3339), used, "-"}, "\t") + "\n"
	}
	touched, _, err := sh.store.Session(t.Context(), id, b.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := line(c, "-") + line(b, touched.UsedAt.UTC().Format(time.RFC3339)) + line(a, "-")
	for _, who := range []string{id, "ALICE"} {
		if got := sh.ok("sessions", "list", who); got != want {
			t.Errorf("sessions list %s:\n%s\nwant\n%s", who, got, want)
		}
	}

	sh.fails("no session \"1700000000000\"\nsessiond: no session \"me\\n\"", "sessions", "end", "alice", "me\n", "1700000000000")
	got := sh.run("sessions", "end", "alice", a.ID, "1700000000000", a.ID)
	if want := (result{stdout: "1 session ended\n", stderr: "sessiond: no session \"1700000000000\"\n"}); got != want {
		t.Errorf("sessions end: %+v\nwant %+v", got, want)
	}
	if got := sh.ok("sessions", "end", "alice", "--all"); got != "2 sessions ended\n" {
		t.Errorf("sessions end --all: %q", got)
	}
	if got := sh.ok("sessions", "end", "alice", "--all"); got != "0 sessions ended\n" {
		t.Errorf("sessions end --all again: %q", got)
	}
	sh.fails(fmt.Sprintf("no session %q", b.ID), "sessions", "end", "alice", b.ID)
}
