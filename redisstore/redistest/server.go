package redistest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// host is the only address the servers listen on.
const host = "127.0.0.1"

// Server is a running Redis server that ends with the test.
type Server struct {
	tb       testing.TB
	dir      string
	password string
	port     int
	// arguments gives the command line for the port that was found free.
	arguments func(port int) []string
	process   *process
	seen      bool // it has answered at this address
}

// Start runs a Redis server on a free loopback port, without persistence, and
// returns once it answers. Further args go to the command line last, so they
// override what is there: Start(t, "--appendonly", "yes"). With
// "--requirepass" the server's own clients use that password.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	server := launch(tb, tb.TempDir(), args...)
	server.awaitReady()
	return server
}

// launch starts a server without waiting for it, so that the members of a
// topology start side by side.
func launch(tb testing.TB, dir string, args ...string) *Server {
	tb.Helper()
	return launchWith(tb, dir, password(args), func(port int) []string {
		return append([]string{
			"--port", strconv.Itoa(port),
			"--bind", host,
			"--save", "",
			"--appendonly", "no",
			// A replica's first copy would otherwise wait 5 s for company.
			"--repl-diskless-sync-delay", "0",
		}, args...)
	})
}

func launchWith(tb testing.TB, dir, password string, arguments func(port int) []string) *Server {
	tb.Helper()
	server := &Server{tb: tb, dir: dir, password: password, arguments: arguments}
	server.port = reservePort(tb)
	tb.Cleanup(server.cleanup)
	server.run()
	return server
}

// password finds the password in a server's command line.
func password(args []string) string {
	for i, arg := range args[:max(len(args)-1, 0)] {
		if arg == "--requirepass" {
			return args[i+1]
		}
	}
	return ""
}

// Addr returns the server's address as host:port. It stays the same over a
// Restart.
func (s *Server) Addr() string { return host + ":" + strconv.Itoa(s.port) }

// Kill ends the server with SIGKILL, as a crash would, and waits until it is
// gone. A server that is frozen or gone already is fine. It may be called
// from any goroutine, but not at the same time as Restart.
func (s *Server) Kill() {
	s.tb.Helper()
	if err := s.process.kill(); err != nil {
		s.tb.Errorf("redistest: %v", err)
	}
}

// Restart ends the server, if it runs, and starts it again on the same port
// and directory. Only what it had persisted is still there, by default
// nothing.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	s.run()
	s.awaitReady()
}

// Freeze stops the server with SIGSTOP: connections stay open and new ones
// are still accepted by the kernel, but nothing is answered until Thaw. It
// may be called from any goroutine.
func (s *Server) Freeze() {
	s.tb.Helper()
	if err := s.process.freeze(); err != nil {
		s.tb.Errorf("redistest: %v", err)
	}
}

// Thaw lets a frozen server go on with SIGCONT; it then also runs the
// commands that piled up meanwhile. It may be called from any goroutine.
func (s *Server) Thaw() {
	s.tb.Helper()
	if err := s.process.signal(syscall.SIGCONT); err != nil {
		s.tb.Errorf("redistest: %v", err)
	}
}

// CLI runs redis-cli on the server and returns what it printed, without the
// last line break. It fails the test when redis-cli reports an error.
func (s *Server) CLI(args ...string) string {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	args = append([]string{"-e", "-h", host, "-p", strconv.Itoa(s.port)}, args...)
	cmd := exec.CommandContext(ctx, cliBinary(s.tb), args...)
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+s.password)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		s.tb.Fatalf("redistest: redis-cli %q: %v\n%s%s", args, err, &stdout, &stderr)
	}
	return strings.TrimSuffix(stdout.String(), "\n")
}

// Log returns what the server's log ends with, its last kilobytes.
func (s *Server) Log() string { return string(s.logTail()) }

// Client returns a plain client of the server, which is closed when the test
// ends.
func (s *Server) Client() *redis.Client {
	client := redis.NewClient(s.options())
	s.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// client is for this package's own questions: it asks once.
func (s *Server) client() *redis.Client {
	options := s.options()
	options.MaxRetries = -1
	options.DialerRetries = 1
	return redis.NewClient(options)
}

func (s *Server) options() *redis.Options {
	return &redis.Options{
		Addr:                  s.Addr(),
		Password:              s.password,
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}

// run starts the process on the reserved port.
func (s *Server) run() {
	s.tb.Helper()
	process, err := startProcess(serverBinary(s.tb), s.arguments(s.port), s.dir, s.logPath())
	if err != nil {
		s.tb.Fatalf("redistest: %v", err)
	}
	s.process = process
}

func (s *Server) logPath() string { return filepath.Join(s.dir, "server.log") }

// cleanup ends the server and, if the test failed, shows how its log ends.
func (s *Server) cleanup() {
	releasePort(s.port)
	if s.process == nil {
		return
	}
	s.Kill()
	if s.tb.Failed() {
		s.tb.Logf("the log of the Redis server at %s ends:\n%s", s.Addr(), s.logTail())
	}
}

func (s *Server) logTail() []byte {
	const most = 4 << 10
	log, err := os.ReadFile(s.logPath())
	if err != nil {
		return []byte(err.Error())
	}
	return log[max(len(log)-most, 0):]
}
