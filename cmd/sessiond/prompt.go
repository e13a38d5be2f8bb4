package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

var (
	errNoPassword        = errors.New("no password given")
	errPasswordsDiffer   = errors.New("the two passwords differ")
	errPromptInterrupted = errors.New("interrupted")
	errLineTooLong       = fmt.Errorf("the line has more than %d bytes", maxLine)
)

// maxLine bounds what is read as one line. It is far more than a password may
// have (72 bytes), so that a longer one is still refused for its own reason.
const maxLine = 4096

// readPassword returns a password that is to be set. On a terminal it asks for
// it twice and does not show it; otherwise the password is the first line of
// standard input, without its line break but with all its spaces.
func (a *app) readPassword(ctx context.Context, prompt string) (string, error) {
	terminal, ok := asTerminal(a.stdin)
	if !ok {
		password, err := readLine(a.stdin)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read password: %w", err)
		}
		if password == "" {
			return "", fmt.Errorf("%w on standard input", errNoPassword)
		}
		return password, nil
	}
	password, err := a.readHidden(ctx, terminal, prompt+": ")
	if err != nil {
		return "", err
	}
	if password == "" {
		return "", errNoPassword
	}
	again, err := a.readHidden(ctx, terminal, prompt+" again: ")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", errPasswordsDiffer
	}
	return password, nil
}

// readHidden reads a line that the terminal does not show. A signal must not
// end the process meanwhile, or the shell would be left without an echo.
func (a *app) readHidden(ctx context.Context, terminal *os.File, prompt string) (string, error) {
	fd := int(terminal.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()

	type result struct {
		line []byte
		err  error
	}
	done := make(chan result, 1)
	fmt.Fprint(a.stderr, prompt)
	go func() {
		// Reading from a terminal cannot be called off: after a signal this
		// stays until the process ends.
		line, err := term.ReadPassword(fd)
		done <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		err := errPromptInterrupted
		if restore := term.Restore(fd, state); restore != nil {
			err = fmt.Errorf("%w; run stty echo: %w", err, restore)
		}
		fmt.Fprintln(a.stderr)
		return "", err
	case r := <-done:
		fmt.Fprintln(a.stderr) // The one typed was not shown either.
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return "", fmt.Errorf("read password: %w", r.err)
		}
		return string(r.line), nil
	}
}

// confirm asks whether to go on, where a person is there to ask: standard input
// and standard error are both a terminal. Elsewhere it asks nothing and says
// yes, since a script meant what it said. Anything but yes is no.
func (a *app) confirm(question string) (bool, error) {
	if _, ok := asTerminal(a.stdin); !ok {
		return true, nil
	}
	if _, ok := asTerminal(a.stderr); !ok {
		return true, nil
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	answer, err := readLine(a.stdin)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// asTerminal returns a stream as a file if it is a terminal.
func asTerminal(stream any) (*os.File, bool) {
	file, ok := stream.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}

// readLine reads one line and not a byte more: what follows is for whoever
// reads next. It takes off one line break, \n or \r\n. At the end of the input
// it returns what there is, with [io.EOF].
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for {
		n, err := r.Read(one)
		if n == 1 {
			if one[0] == '\n' {
				return strings.TrimSuffix(string(line), "\r"), nil
			}
			if len(line) == maxLine {
				return "", errLineTooLong
			}
			line = append(line, one[0])
		}
		if err != nil {
			return string(line), err
		}
	}
}
