package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// command is a program to run.
type command struct {
	path   string
	args   []string
	dir    string
	env    []string // Added to the lab's own.
	stderr string   // A file; "" keeps the end of it for an error message.
}

// child is a running program.
type child struct {
	cmd    *exec.Cmd
	done   chan struct{} // Closed once the process is gone and reaped.
	err    error         // How it ended; to be read after done.
	stderr *tail
}

// start runs a program until kill, or until this process ends in whatever way.
func (l *lab) start(c command, stdout io.Writer) (*child, error) {
	// The context never ends: kill does, and reaches the whole group.
	cmd := exec.CommandContext(context.Background(), c.path, c.args...) //nolint:gosec // The programs and arguments are this program's own.
	cmd.Dir, cmd.Env, cmd.Stdout = c.dir, environ(c.env), stdout
	cmd.SysProcAttr = childAttributes()

	p := &child{cmd: cmd, done: make(chan struct{}), stderr: &tail{}}
	cmd.Stderr = p.stderr
	var file *os.File
	if c.stderr != "" {
		var err error
		file, err = os.OpenFile(c.stderr, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		cmd.Stderr = file
	}

	started := make(chan error, 1)
	go func() {
		// The kernel's promise to end the child holds for the thread that
		// forked it: the thread has to stay until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		if file != nil {
			_ = file.Close()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	l.children = append(l.children, p)
	return p, nil
}

func (p *child) pid() int {
	return p.cmd.Process.Pid
}

func (p *child) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process and whatever it started, and waits until it is gone.
func (p *child) kill() {
	if !p.gone() {
		// Only while it has not been reaped does the number still name it.
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
	<-p.done
}

// fault explains why a child that should be running is not.
func (p *child) fault(c command) error {
	hint := p.stderr.String()
	if c.stderr != "" {
		hint = "its log is in " + c.stderr + ", see -log"
	}
	return fmt.Errorf("%s ended: %w: %s", c.path, errors.Join(p.err), hint)
}

// output runs a program to its end and returns what it printed.
func (l *lab) output(ctx context.Context, c command) (string, error) {
	var stdout bytes.Buffer
	p, err := l.start(c, &stdout)
	if err != nil {
		return "", err
	}
	defer func() { l.forget(p) }()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.kill()
		return "", ctx.Err()
	}
	if p.err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", c.path, strings.Join(c.args, " "), p.err, p.stderr)
	}
	return stdout.String(), nil
}

func (l *lab) forget(p *child) {
	for i, c := range l.children {
		if c == p {
			l.children = append(l.children[:i], l.children[i+1:]...)
			return
		}
	}
}

// startServer runs a server and waits until ready says that it answers.
func (l *lab) startServer(ctx context.Context, c command, ready func() bool) (*child, error) {
	p, err := l.start(c, io.Discard)
	if err != nil {
		return nil, err
	}
	err = poll(ctx, time.Minute, c.path+" to answer", func() bool { return p.gone() || ready() })
	if err != nil {
		return nil, err
	}
	if p.gone() {
		return nil, p.fault(c)
	}
	return p, nil
}

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	data []byte
}

const tailSize = 4096

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	t.data = t.data[max(0, len(t.data)-tailSize):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.data))
}
