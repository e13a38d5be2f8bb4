package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// A key comes and another goes while replicas serve; none of them is restarted.
func TestReplicasFollowTheKeyDirectory(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "keys")
	d := deploy(t, "SESSIOND_TOKENS_KEY_DIRECTORY="+directory, "SESSIOND_TOKENS_ACTIVATION_DELAY=720h")
	d.addUser("alice")
	replicas := []*replica{d.start(), d.start()}
	first, _, _ := strings.Cut(d.command("", "keys", "list"), "\t")
	old := login(t, replicas[0].url(""), "alice")

	published := func(r *replica) string {
		return send(t, request{method: "GET", url: r.url("/.well-known/jwks.json")}).text
	}
	second := strings.TrimSpace(d.command("", "keys", "create"))
	for _, r := range replicas {
		redistest.Eventually(t, "the new key", func() bool { return strings.Contains(published(r), second) })
		send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: old}).is(t, http.StatusOK, "")
	}

	// What a slip of the hand leaves behind changes nothing.
	broken := filepath.Join(directory, "broken.pem")
	if err := os.WriteFile(broken, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas {
		redistest.Eventually(t, "the log to tell of it", func() bool {
			return logLine(r.stderr.String(), "key directory: the keys in use stay") != nil
		})
		send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: old}).is(t, http.StatusOK, "")
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}

	d.command("", "keys", "retire", "--force", first)
	for _, r := range replicas {
		redistest.Eventually(t, "the old key to go", func() bool { return !strings.Contains(published(r), first) })
		send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: old}).
			is(t, http.StatusUnauthorized, "INVALID_SESSION_ERROR")
	}
	token := login(t, replicas[1].url(""), "alice")
	send(t, request{method: "GET", url: replicas[0].url("/users/me/sessions/me"), token: token}).is(t, http.StatusOK, "")
}
