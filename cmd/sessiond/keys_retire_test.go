package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
)

// keyShell is a shell with a key directory.
type keyShell struct {
	*shell
	directory string
}

func newKeyShell(t *testing.T, settings ...string) *keyShell {
	t.Helper()
	sh := &keyShell{shell: newShell(t), directory: t.TempDir()}
	sh.environ = append(append(sh.environ, "SESSIOND_TOKENS_KEY_DIRECTORY="+sh.directory), settings...)
	sh.add("alice")
	return sh
}

// key makes a key that is some time old.
func (sh *keyShell) key(age time.Duration) (kid string) {
	sh.Helper()
	kid, err := tokens.CreateKey(sh.directory, time.Now().Add(-age))
	if err != nil {
		sh.Fatal(err)
	}
	return kid
}

// legacyKey makes a key under an ID that spells no time.
func (sh *keyShell) legacyKey() (kid string) {
	sh.Helper()
	made := sh.key(time.Hour)
	if err := os.Rename(sh.path(made), sh.path("legacy")); err != nil {
		sh.Fatal(err)
	}
	return "legacy"
}

func (sh *keyShell) path(kid string) string { return filepath.Join(sh.directory, kid+".pem") }

func (sh *keyShell) has(kid string) bool {
	sh.Helper()
	_, err := os.Stat(sh.path(kid))
	if err != nil && !os.IsNotExist(err) {
		sh.Fatal(err)
	}
	return err == nil
}

// signed starts a session of alice that a key signed.
func (sh *keyShell) signed(kid string) redisstore.Session {
	sh.Helper()
	user := sh.user("alice")
	session, outcome, err := sh.store.CreateSession(sh.Context(), redisstore.NewSession{
		UserID: user.ID, PasswordHash: user.PasswordHash, TTL: time.Hour, KeyID: kid,
	})
	if err != nil || outcome != redisstore.Created {
		sh.Fatalf("login of alice: outcome %d, %v", outcome, err)
	}
	return session
}

func TestKeysRetire(t *testing.T) {
	t.Parallel()
	sh := newKeyShell(t)
	old, current, waiting := sh.key(48*time.Hour), sh.key(time.Hour), sh.key(0)
	session := sh.signed(old)
	sh.signed(old)
	sh.signed(current)

	sh.fails(old+" signed 2 live sessions: wait until they have ended, or log their users out with --force", "keys", "retire", old)
	sh.fails(current+" signs new tokens: make another key and wait until that one does", "keys", "retire", current)
	sh.fails(`no key "other" in `+sh.directory, "keys", "retire", "other")
	for _, kid := range []string{old, current, waiting} {
		if !sh.has(kid) {
			t.Errorf("%s is gone after a refusal", kid)
		}
	}

	sh.ok("sessions", "end", "alice", session.ID)
	sh.fails(old+" signed 1 live session: wait until they have ended, or log their users out with --force", "keys", "retire", old)
	sh.ok("sessions", "end", "alice", "--all")
	if out := sh.ok("keys", "retire", old); out != old+" retired; it signed 0 live sessions\n" || sh.has(old) {
		t.Errorf("printed %q, still there: %t", out, sh.has(old))
	}
	// One that waits has signed nothing yet.
	if out := sh.ok("keys", "retire", waiting); out != waiting+" retired; it signed 0 live sessions\n" || sh.has(waiting) {
		t.Errorf("printed %q, still there: %t", out, sh.has(waiting))
	}
	for _, flags := range [][]string{nil, {"--force"}} {
		sh.fails(current+" is the last key that can sign: sessiond keys create makes another", append([]string{"keys", "retire", current}, flags...)...)
	}
}

// A key that fell into wrong hands goes at once.
func TestKeysRetireForce(t *testing.T) {
	t.Parallel()
	sh := newKeyShell(t)
	current := sh.key(time.Hour)
	sh.signed(current)
	sh.loginAlice("of a key that nobody knows")
	next := sh.key(0)
	want := current + " retired; it signed 1 live session and maybe 1 more that do not tell their key\n"
	if out := sh.ok("keys", "retire", "--force", current); out != want || sh.has(current) {
		t.Errorf("printed %q, still there: %t", out, sh.has(current))
	}
	if out := sh.ok("keys", "list"); out != next+"\tcurrent\t"+created(t, next, 0)+"\n" {
		t.Errorf("keys list: %q", out)
	}
}

// Sessions that do not tell their key may be of any that was there.
func TestKeysRetireUnknownSessions(t *testing.T) {
	t.Parallel()
	sh := newKeyShell(t)
	old := sh.key(48 * time.Hour)
	sh.key(time.Hour)
	sh.loginAlice("of a key that nobody knows")
	sh.fails(old+" signed 0 live sessions and maybe 1 more that do not tell their key: "+
		"wait until they have ended, or log their users out with --force", "keys", "retire", old)
	if !sh.has(old) {
		t.Error("it is gone")
	}
}

func TestKeysRetireLegacy(t *testing.T) {
	t.Parallel()
	sh := newKeyShell(t, "SESSIOND_TOKENS_LEGACY_KEY_ID=legacy")
	legacy := sh.legacyKey()
	sh.signed(sh.key(time.Hour))
	user := sh.user("alice")
	key := "session:{" + user.ID + "}:1687067614"
	sh.server.CLI("HSET", key, "name", "x", "exp", "4102444800")
	sh.fails("legacy signed 1 live session: wait until they have ended, or log their users out with --force", "keys", "retire", legacy)
	sh.server.CLI("DEL", key)
	for _, flags := range [][]string{nil, {"--force"}} {
		sh.fails("legacy signed 0 live sessions, but tokens.legacy_key_id names it: unset that first, in all replicas",
			append([]string{"keys", "retire", legacy}, flags...)...)
	}
	sh.environ = append(sh.environ, "SESSIOND_TOKENS_LEGACY_KEY_ID=")
	if out := sh.ok("keys", "retire", legacy); out != "legacy retired; it signed 0 live sessions\n" || sh.has(legacy) {
		t.Errorf("printed %q, still there: %t", out, sh.has(legacy))
	}
}

// Where the sessions can't be counted, nothing is deleted.
func TestKeysRetireNeedsRedis(t *testing.T) {
	t.Parallel()
	sh := newKeyShell(t)
	old := sh.key(48 * time.Hour)
	sh.key(time.Hour)
	if got := sh.run("keys", "retire"); got.code != exitUsage {
		t.Errorf("without a key: %+v", got)
	}
	sh.server.Kill()
	if got := sh.run("keys", "retire", old); got.code != exitError || got.stdout != "" || !sh.has(old) {
		t.Errorf("without Redis: %+v, still there: %t", got, sh.has(old))
	}
}
