package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// person sits at a pseudo-terminal whose other side is a command's.
type person struct {
	t    *testing.T
	side *os.File // What the person types into and reads from.
	tty  *os.File // What the command has.
	seen string
}

func newPerson(t *testing.T) *person {
	t.Helper()
	side, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = side.Close() })
	connection, err := side.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var ioctl error
	if err := connection.Control(func(fd uintptr) {
		if ioctl = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); ioctl == nil {
			number, ioctl = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || ioctl != nil {
		t.Skipf("no pseudo-terminals here: %v", errors.Join(err, ioctl))
	}
	// Blocking, as a shell's terminal is.
	fd, err := unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	tty := os.NewFile(uintptr(fd), "tty")
	t.Cleanup(func() { _ = tty.Close() })
	return &person{t: t, side: side, tty: tty}
}

// waitFor reads until the terminal has shown text since the last call.
func (p *person) waitFor(text string) {
	p.t.Helper()
	if err := p.side.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	shown, buffer := "", make([]byte, 256)
	for !strings.Contains(shown, text) {
		n, err := p.side.Read(buffer)
		if err != nil {
			p.t.Fatalf("the terminal shows %q, %v; want %q", shown, err, text)
		}
		shown += string(buffer[:n])
		p.seen += string(buffer[:n])
	}
}

func (p *person) waitForEcho(want bool) {
	p.t.Helper()
	for start := time.Now(); p.echo() != want; runtime.Gosched() {
		if time.Since(start) > 10*time.Second {
			p.t.Fatalf("echo stays %v", !want)
		}
	}
}

func (p *person) echo() bool {
	p.t.Helper()
	state, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func (p *person) setEcho(on bool) {
	p.t.Helper()
	state, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	state.Lflag &^= unix.ECHO
	if on {
		state.Lflag |= unix.ECHO
	}
	if err := unix.IoctlSetTermios(int(p.tty.Fd()), unix.TCSETS, state); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) typeIn(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.side, text); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) app() *app { return &app{stdin: p.tty, stdout: p.tty, stderr: p.tty} }

type answer struct {
	password string
	err      error
}

func (p *person) startReadPassword(ctx context.Context) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		password, err := p.app().readPassword(ctx, "Password")
		done <- answer{password, err}
	}()
	return done
}

// receive fails the test where a command has been left waiting for input.
func receive[T any](t *testing.T, done <-chan T) T {
	t.Helper()
	select {
	case got := <-done:
		return got
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting for input")
	}
	var none T
	return none
}

func TestReadPasswordFromTerminal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first, second string
		want          answer
	}{
		"the same twice":  {" hunter 2 ", " hunter 2 ", answer{" hunter 2 ", nil}},
		"two that differ": {"hunter2", "hunter3", answer{"", errPasswordsDiffer}},
		"one left empty":  {"hunter2", "", answer{"", errPasswordsDiffer}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			done := p.startReadPassword(t.Context())
			p.waitFor("Password: ")
			p.waitForEcho(false)
			p.typeIn(tt.first + "\n")
			p.waitFor("Password again: ")
			p.waitForEcho(false)
			p.typeIn(tt.second + "\n")
			if got := receive(t, done); got.password != tt.want.password || !errors.Is(got.err, tt.want.err) {
				t.Errorf("readPassword = %+v; want %+v", got, tt.want)
			}
			p.waitForEcho(true)
			if strings.Contains(p.seen, "hunter") {
				t.Errorf("the terminal showed %q", p.seen)
			}
		})
	}
}

func TestNoPasswordFromTerminal(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	done := p.startReadPassword(t.Context())
	p.waitFor("Password: ")
	p.waitForEcho(false)
	p.typeIn("\n")
	if got := receive(t, done); !errors.Is(got.err, errNoPassword) {
		t.Errorf("readPassword = %+v; want %v", got, errNoPassword)
	}
}

func TestInterruptedPasswordRestoresTheEcho(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := p.startReadPassword(ctx)
	p.waitFor("Password: ")
	p.waitForEcho(false)
	cancel()
	if got := receive(t, done); !errors.Is(got.err, errPromptInterrupted) {
		t.Errorf("readPassword = %+v; want %v", got, errPromptInterrupted)
	}
	if !p.echo() {
		t.Error("the terminal is left without an echo")
	}

	// The read that was left behind would steal from whoever gets its file
	// descriptor next. It has ended when it has switched the echo on again.
	p.setEcho(false)
	p.typeIn("\n")
	p.waitForEcho(true)
}

func TestConfirmOnTerminal(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string]bool{
		"y\n": true, "Y\n": true, "yes\n": true, "YES\n": true,
		"\n": false, "n\n": false, "yeah\n": false, "\x04": false,
	} {
		t.Run(strings.TrimSpace(keys), func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			done := make(chan bool, 1)
			go func() {
				ok, err := p.app().confirm("Remove alice?")
				done <- ok && err == nil
			}()
			p.waitFor("Remove alice? [y/N] ")
			p.typeIn(keys)
			if got := receive(t, done); got != want {
				t.Errorf("confirm after %q = %v; want %v", keys, got, want)
			}
		})
	}
}

// With only one of the two streams a terminal, nobody is asked.
func TestConfirmNeedsBothStreams(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	for name, a := range map[string]*app{
		"input":  {stdin: p.tty, stderr: io.Discard},
		"output": {stdin: strings.NewReader("n\n"), stderr: p.tty},
	} {
		if ok, err := a.confirm("Remove?"); !ok || err != nil {
			t.Errorf("a terminal for %s alone: confirm = %v, %v; want true", name, ok, err)
		}
	}
}
