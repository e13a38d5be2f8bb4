package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// What scripts read is what the API sends.
func TestSessionsAsJSON(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	sh.add("alice")
	if got := sh.ok("sessions", "list", "alice", "--json"); got != "" {
		t.Errorf("a list of none: %q", got)
	}
	a, b := sh.loginAlice("<Köln>\tx"), sh.loginAlice("b")
	lines := strings.Split(strings.TrimSuffix(sh.ok("sessions", "list", "alice", "--json"), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("lines %q", lines)
	}
	var got struct {
		ID              json.Number
		Name, CreatedAt string
		Exp             int64
		UsedAt, IP      *string
	}
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID.String() != a.ID || got.Name != "<Köln>\tx" || got.Exp != a.ExpiresAt.Unix() || got.UsedAt != nil || got.IP != nil {
		t.Errorf("%s of %+v", lines[1], a)
	}

	if got := sh.ok("sessions", "end", "alice", b.ID, "--json"); got != `{"ended":["`+b.ID+`"]}`+"\n" {
		t.Errorf("end: %q", got)
	}
	if got := sh.ok("sessions", "end", "alice", "--all", "--json"); got != `{"ended":["`+a.ID+`"]}`+"\n" {
		t.Errorf("end all: %q", got)
	}
	if got := sh.ok("sessions", "end", "alice", "--all", "--json"); got != `{"ended":[]}`+"\n" {
		t.Errorf("end all again: %q", got)
	}
}

// On a terminal the list is a table with a head.
func TestSessionsAsTable(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	id := sh.add("alice")
	sh.loginAlice("a")
	sh.loginAlice("a longer name")
	sessions, err := sh.store.FullSessions(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := printSessions(&table, sessions, true); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(table.String(), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "ID ") || strings.Contains(table.String(), "\t") {
		t.Fatalf("table\n%s", table.String())
	}
	column := strings.Index(lines[0], "CREATED")
	for _, line := range lines[1:3] {
		if !strings.HasPrefix(line[column:], "20") {
			t.Errorf("columns do not line up:\n%s", table.String())
		}
	}
}

func TestEndEveryone(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	sh.add("alice")
	sh.add("bob")
	sh.loginAlice("a")
	sh.loginAlice("b")
	sh.login("bob", "c")
	if got := sh.ok("sessions", "end", "--everyone"); got != "3 sessions ended\n" {
		t.Errorf("printed %q", got)
	}
	for _, name := range []string{"alice", "bob"} {
		if got := sh.ok("sessions", "list", name); got != "" {
			t.Errorf("%s still has\n%s", name, got)
		}
	}
	last := sh.loginAlice("d")
	if got := sh.ok("sessions", "list", "alice"); !strings.HasPrefix(got, last.ID+"\t") {
		t.Errorf("listed %q, want the new session", got)
	}
	if got := sh.ok("sessions", "end", "--everyone", "--json"); got != `{"count":1}`+"\n" {
		t.Errorf("printed %q", got)
	}
}
