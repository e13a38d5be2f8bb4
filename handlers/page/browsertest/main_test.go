package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what should take a moment. Only a test
// that fails ever waits that long.
const patience = time.Minute

// What all tests share: each has an account, an origin and a browser context of
// its own.
var (
	sessiond sessiondProcess
	browser  context.Context
)

// sessiondProcess is a sessiond that serves.
type sessiondProcess struct {
	binary  string
	environ []string
	url     *url.URL
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	// The directory of a Redis server that is about to end may still change.
	dir, err := os.MkdirTemp("", "sessiond-browsertest")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithCancel(context.Background())
	var processes []*exec.Cmd
	defer func() {
		cancel()
		for _, process := range processes {
			_ = process.Wait() // It was killed, and says so.
		}
	}()

	redis, address, err := startRedis(ctx, dir)
	if err != nil {
		return 0, err
	}
	processes = append(processes, redis)
	server, err := startSessiond(ctx, dir, address)
	if err != nil {
		return 0, err
	}
	processes = append(processes, server)

	stop, err := startBrowser(ctx, filepath.Join(dir, "chromium"))
	if err != nil {
		return 0, err
	}
	defer stop()
	return m.Run(), nil
}

func startRedis(ctx context.Context, dir string) (*exec.Cmd, string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	address := listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err = errors.Join(err, listener.Close()); err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(ctx, "redis-server", "--port", port, "--bind", "127.0.0.1",
		"--dir", dir, "--save", "", "--maxmemory-policy", "noeviction")
	return cmd, address, cmd.Start()
}

// startSessiond builds the program as it is released but for the race detector,
// which the other tests have it built with, and starts it.
func startSessiond(ctx context.Context, dir, redis string) (*exec.Cmd, error) {
	sessiond.binary = filepath.Join(dir, "sessiond")
	build := exec.CommandContext(ctx, "go", "build", "-race", "-o", sessiond.binary, "./cmd/sessiond")
	build.Dir = filepath.Join("..", "..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build sessiond: %w\n%s", err, output)
	}
	sessiond.environ = []string{
		"PATH=" + os.Getenv("PATH"),
		"SESSIOND_HTTP_ADDRESS=127.0.0.1:0",
		"SESSIOND_ADMIN_ADDRESS=127.0.0.1:0",
		"SESSIOND_REDIS_ADDRESSES=" + redis,
		"SESSIOND_TOKENS_KEY_DIRECTORY=" + filepath.Join(dir, "keys"),
		"SESSIOND_PASSWORDS_BCRYPT_COST=4",
		// No test reaches them: they make the API answer as if it had.
		"SESSIOND_LIMITS_LOGIN_REQUESTS=10000",
		"SESSIOND_LIMITS_API_REQUESTS=1000000",
		"SESSIOND_SESSIONS_MAX_PER_USER=200",
	}
	if output, err := sessiondCommand(ctx, "", "keys", "create"); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}

	cmd := exec.CommandContext(ctx, sessiond.binary, "serve")
	cmd.Env = sessiond.environ
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	go followLog(stderr, address)
	select {
	case host, ok := <-address:
		if !ok {
			return nil, fmt.Errorf("sessiond ended: %w", cmd.Wait())
		}
		sessiond.url = &url.URL{Scheme: "http", Host: host}
	case <-time.After(patience):
		return nil, errors.New("sessiond does not listen")
	}
	return cmd, awaitRedis(ctx)
}

// followLog reads the log to its end, sends the address that it tells, and
// shows what should not be in it.
func followLog(log interface{ Read([]byte) (int, error) }, address chan<- string) {
	defer close(address)
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Level, Msg, Address string }
		// What is no JSON is the report of a race, or of a panic.
		err := json.Unmarshal(lines.Bytes(), &line)
		if err == nil && line.Msg == "listening" {
			address <- line.Address
		}
		if err != nil || line.Level == "ERROR" {
			fmt.Fprintln(os.Stderr, "sessiond:", lines.Text())
		}
	}
}

// awaitRedis waits until the first command gets through to Redis.
func awaitRedis(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		output, err := sessiondCommand(ctx, "", "users", "list")
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("Redis does not answer: %w\n%s", err, output)
		}
	}
}

func sessiondCommand(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, sessiond.binary, args...)
	cmd.Env = sessiond.environ
	cmd.Stdin = strings.NewReader(stdin)
	output, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(output)), err
}

// startBrowser starts a Chromium that talks to nobody but the tests.
func startBrowser(ctx context.Context, profile string) (stop func(), err error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("%w (`make test` installs it)", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // The tests may run as root, and in containers.
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Env("TZ=UTC"),
		chromedp.WSURLReadTimeout(patience),
	)
	allocator, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	browser, _ = chromedp.NewContext(allocator)
	if err := chromedp.Do(browser); err != nil {
		cancelAllocator()
		return nil, fmt.Errorf("start Chromium: %w", err)
	}
	return func() {
		_ = chromedp.Cancel(browser)
		cancelAllocator()
	}, nil
}
