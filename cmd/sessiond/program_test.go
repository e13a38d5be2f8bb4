package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sessiond "github.com/sessiond/sessiond/cmd/sessiond"
)

// asSessiond makes the test binary be sessiond. So the processes that tests
// start are main itself, without another build, and under the race detector
// where the tests are.
const asSessiond = "TEST_BINARY_IS_SESSIOND"

func TestMain(m *testing.M) {
	if os.Getenv(asSessiond) != "" {
		sessiond.Main()
		return
	}
	os.Exit(m.Run())
}

// program is a process that ends with its test at the latest.
type program struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr lockedBuffer
	done           chan struct{} // Closed once the process is gone.
}

// startProgram runs a program with nothing but environ in its environment.
func startProgram(t *testing.T, environ []string, path string, args ...string) *program {
	t.Helper()
	// The context never ends: that of the test does before its cleanup runs.
	cmd := exec.CommandContext(context.Background(), path, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environ...)
	cmd.SysProcAttr = endWithParent()
	p := &program{t: t, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr

	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The kernel takes the end of the thread that forked for the parent's.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // The exit code tells.
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s %q wrote at last:\n%s", filepath.Base(path), args, tail(p.stderr.String()))
		}
	})
	return p
}

// startSessiond runs sessiond in a process of its own.
func startSessiond(t *testing.T, environ []string, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, append([]string{asSessiond + "=1"}, environ...), self, args...)
}

// result is what a shell sees of a command.
type result struct {
	stdout, stderr string
	code           int
}

// runSessiond runs a command of sessiond to its end.
func runSessiond(t *testing.T, environ []string, stdin string, args ...string) result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append([]string{asSessiond + "=1"}, environ...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// installed returns the path of a program that the tests need.
func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	// Where Debian keeps nginx.
	if path, sbinErr := exec.LookPath("/usr/sbin/" + name); sbinErr == nil {
		return path
	}
	t.Fatalf("%v (`make test` installs it)", err)
	return ""
}

func (p *program) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("%v to %s: %v", sig, p.cmd.Path, err)
	}
}

func (p *program) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.done
}

// wait returns the exit code, once there is one.
func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("%s still runs after %v", p.cmd.Path, patience)
		return 0
	}
}

func (p *program) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// patience is how long a test waits for what should take a moment. Only a test
// that fails ever waits that long.
const patience = time.Minute

// ports are those that tests of this process have chosen.
var ports = struct {
	sync.Mutex
	taken map[int]bool
}{taken: make(map[int]bool)}

// freeAddress returns an address for a server that has to come back to it. Its
// port is below those that systems give to outgoing connections, and above
// those of the Redis servers of other tests.
func freeAddress(t *testing.T) string {
	t.Helper()
	const lowest, count = 31001, 1700
	ports.Lock()
	defer ports.Unlock()
	for range 10 * count {
		port := lowest + rand.IntN(count)
		if ports.taken[port] {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		ports.taken[port] = true
		return address
	}
	t.Fatal("no free port")
	return ""
}

// lockedBuffer takes the output of a process while a test reads it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.buffer.Write(p)
	if err != nil {
		return n, fmt.Errorf("keep output: %w", err)
	}
	return n, nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func tail(text string) string {
	const most = 4 << 10
	return text[max(len(text)-most, 0):]
}
