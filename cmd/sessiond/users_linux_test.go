package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// start runs a command whose standard input and error are the person's terminal.
func (p *person) start(sh *shell, args ...string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- run(p.t.Context(), args, sh.environ, p.tty, new(bytes.Buffer), p.tty) }()
	return done
}

// What destroys asks first on a terminal.
func TestDestructionAsks(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	id := sh.add("alice")
	session := sh.loginAlice("a")
	tests := []struct {
		question string
		args     []string
	}{
		{"End 1 session of alice (" + id + ")? [y/N] ", []string{"sessions", "end", "alice", session.ID}},
		{"End all sessions of alice (" + id + ")? [y/N] ", []string{"sessions", "end", "alice", "--all"}},
		{"End all sessions of all users? [y/N] ", []string{"sessions", "end", "--everyone"}},
		{"Remove user alice (" + id + ") and all sessions? [y/N] ", []string{"users", "remove", "alice"}},
	}
	for _, tt := range tests {
		p := newPerson(t)
		done := p.start(sh, tt.args...)
		p.waitFor(tt.question)
		p.typeIn("n\n")
		if err := receive(t, done); !errors.Is(err, errDeclined) {
			t.Errorf("%q after no: %v, want %v", tt.args, err, errDeclined)
		}
	}
	if got := sh.ok("sessions", "list", "alice"); strings.Count(got, "\n") != 1 {
		t.Errorf("sessions list: %q, want the one session", got)
	}
	for _, tt := range tests {
		p := newPerson(t)
		if strings.HasPrefix(tt.question, "End 1") {
			continue // Ended together with all.
		}
		done := p.start(sh, tt.args...)
		p.waitFor(tt.question)
		p.typeIn("y\n")
		if err := receive(t, done); err != nil {
			t.Errorf("%q after yes: %v", tt.args, err)
		}
	}
	sh.fails(`no user "alice"`, "users", "show", "alice")
}

func TestProgress(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	now := time.Unix(0, 0)
	a := &app{stderr: p.tty, now: func() time.Time { return now }}
	im := &importer{app: a, lines: &lineReader{number: 10, bytes: 50}, size: 200, progress: a.newProgress()}
	im.progress.show(im.writeProgress) // Too soon.
	now = now.Add(time.Second)
	im.progress.show(im.writeProgress)
	p.waitFor("10 lines, 10/s, 25 %")
	im.reject(10, errMissing)
	p.waitFor("\r\x1b[Kline 10: missing")
	if got := p.seen; strings.Count(got, "lines,") != 1 {
		t.Errorf("the terminal shows %q", got)
	}

	var nobody bytes.Buffer
	none := (&app{stderr: &nobody, now: time.Now}).newProgress()
	none.show(im.writeProgress)
	none.clear()
	if none != nil || nobody.Len() > 0 {
		t.Errorf("progress without a terminal: %q", nobody.String())
	}
}
