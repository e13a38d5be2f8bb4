package main

import (
	"errors"
	"testing"
	"time"
)

// A key is deleted for good, so a person is asked.
func TestKeysRetireAsks(t *testing.T) {
	t.Parallel()
	sh := newKeyShell(t)
	old := sh.key(48 * time.Hour)
	sh.key(time.Hour)
	for _, answer := range []string{"n", "y"} {
		p := newPerson(t)
		done := p.start(sh.shell, "keys", "retire", old)
		p.waitFor("Delete key " + old + ", which signed 0 live sessions? [y/N] ")
		p.typeIn(answer + "\n")
		err := receive(t, done)
		if declined := answer == "n"; errors.Is(err, errDeclined) != declined || sh.has(old) != declined {
			t.Errorf("after %s: %v, still there: %t", answer, err, sh.has(old))
		}
	}
}
