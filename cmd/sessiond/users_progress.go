package main

import (
	"io"
	"time"
)

// progressInterval keeps a terminal from being the slowest part of a command.
const progressInterval = 200 * time.Millisecond

// progress shows on a terminal's current line how far a command has come. A nil
// progress shows nothing.
type progress struct {
	w           io.Writer
	now         func() time.Time
	start, last time.Time
	shown       bool
}

// newProgress returns nil where standard error is no terminal.
func (a *app) newProgress() *progress {
	terminal, ok := asTerminal(a.stderr)
	if !ok {
		return nil
	}
	now := a.now()
	return &progress{w: terminal, now: a.now, start: now, last: now}
}

// show replaces the line by what write writes, now and then.
func (p *progress) show(write func(io.Writer)) {
	if p == nil || p.now().Sub(p.last) < progressInterval {
		return
	}
	p.clear()
	write(p.w)
	p.last, p.shown = p.now(), true
}

// rate returns how many of n there were in a second.
func (p *progress) rate(n int) int {
	return int(float64(n) / max(p.now().Sub(p.start).Seconds(), 0.001))
}

// clear empties the line for whatever comes next: carriage return, then erase
// to the end of the line (ECMA-48, EL).
func (p *progress) clear() {
	if p == nil || !p.shown {
		return
	}
	_, _ = io.WriteString(p.w, "\r\x1b[K")
	p.shown = false
}
