package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// newTrailShell is a shell whose users have trails.
func newTrailShell(t *testing.T) *shell {
	t.Helper()
	sh := newShell(t)
	sh.environ = append(sh.environ, "SESSIOND_EVENTS_MAX_PER_USER=100")
	return sh
}

// eventFields cuts lines into their columns and checks the first, the time.
func eventFields(t *testing.T, out string) [][]string {
	t.Helper()
	var rows [][]string
	for line := range strings.Lines(out) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if _, err := time.Parse(eventTime, row[0]); err != nil {
			t.Errorf("line %q: %v", line, err)
		}
		rows = append(rows, row[1:])
	}
	return rows
}

func TestEvents(t *testing.T) {
	t.Parallel()
	sh := newTrailShell(t)
	alice, bob := sh.add("alice"), sh.add("bob")
	sh.ok("users", "ban", "alice")
	sh.ok("users", "ban", "alice")
	sh.ok("users", "unban", "alice")
	session := sh.loginAlice("a") // By a store without trails.
	sh.ok("sessions", "end", "alice", session.ID)
	sh.ok("users", "ban", "bob")

	want := [][]string{
		{"user.banned", alice, "-", "operator", "-"},
		{"user.unbanned", alice, "-", "operator", "-"},
		{"session.ended", alice, session.ID, "operator", "operator"},
	}
	for _, who := range []string{"ALICE", alice} {
		if diff := cmp.Diff(want, eventFields(t, sh.ok("events", "--user", who))); diff != "" {
			t.Errorf("the trail of %s (-want +got):\n%s", who, diff)
		}
	}
	wantAll := [][]string{
		want[0], want[1],
		{"session.created", alice, session.ID, "user:" + alice, "-"},
		want[2],
		{"user.banned", bob, "-", "operator", "-"},
	}
	var all [][]string
	redistest.Eventually(t, "all events", func() bool {
		all = eventFields(t, sh.ok("events"))
		return len(all) >= len(wantAll)
	})
	published := func(row []string) bool { return row[0] == "session.created" }
	if diff := cmp.Diff(filterRows(wantAll, published), filterRows(all, published)); diff != "" {
		t.Errorf("events of all users (-want +got):\n%s", diff)
	}

	// A trail outlives its account.
	sh.ok("users", "remove", "alice")
	if got := eventFields(t, sh.ok("events", "--user", alice)); len(got) != len(want) {
		t.Errorf("the trail of a removed account: %q", got)
	}
	sh.fails(`no user "alice"`, "events", "--user", "alice")
}

// filterRows leaves out those events that another process published, at its own
// time.
func filterRows(rows [][]string, out func([]string) bool) [][]string {
	var kept [][]string
	for _, row := range rows {
		if !out(row) {
			kept = append(kept, row)
		}
	}
	return kept
}

func TestEventsAsJSON(t *testing.T) {
	t.Parallel()
	sh := newTrailShell(t)
	alice := sh.add("alice")
	sh.ok("users", "ban", "alice")
	var got map[string]any
	if err := json.Unmarshal([]byte(sh.ok("events", "--user", alice, "--json")), &got); err != nil {
		t.Fatal(err)
	}
	if at, _ := got["time"].(string); at == "" {
		t.Errorf("no time in %v", got)
	}
	delete(got, "time")
	want := map[string]any{"type": "user.banned", "user": alice, "session": nil, "actor": "operator", "reason": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEventsFollow(t *testing.T) {
	t.Parallel()
	sh := newTrailShell(t)
	alice := sh.add("alice")
	sh.ok("users", "ban", "alice")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"events", "--user", "alice", "--follow"}, sh.environ, strings.NewReader(""), in, io.Discard)
		_ = in.Close()
		done <- err
	}()
	lines := make(chan string)
	go func() {
		defer close(lines)
		text := bufio.NewScanner(out)
		for text.Scan() {
			lines <- text.Text()
		}
	}()
	next := func(what string) {
		t.Helper()
		select {
		case line := <-lines:
			if !strings.Contains(line, "\t"+what+"\t"+alice+"\t") {
				t.Errorf("line %q, want %s", line, what)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no line about %s", what)
		}
	}
	next("user.banned")
	sh.ok("users", "unban", "alice")
	next("user.unbanned")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
}
