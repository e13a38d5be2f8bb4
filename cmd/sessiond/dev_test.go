package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// startDev runs `sessiond dev` on free ports and returns what it printed.
func startDev(t *testing.T) (tour string) {
	t.Helper()
	p := startSessiond(t, []string{
		"SESSIOND_HTTP_ADDRESS=127.0.0.1:0", "SESSIOND_ADMIN_ADDRESS=127.0.0.1:0", "SESSIOND_PASSWORDS_BCRYPT_COST=4",
	}, "dev")
	redistest.Eventually(t, "dev to explain itself", func() bool {
		tour = p.stdout.String()
		return strings.Contains(tour, "Ctrl-C") || p.exited()
	})
	if p.exited() {
		t.Fatalf("dev ended:\n%s", &p.stderr)
	}
	t.Cleanup(func() {
		p.signal(syscall.SIGINT)
		if code := p.wait(); code != 0 {
			t.Errorf("exit code %d after Ctrl-C", code)
		}
	})
	return tour
}

// shell runs lines as if they were pasted, and returns what each printed.
func shell(t *testing.T, lines ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", strings.Join(lines, "\necho ---\n"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return strings.Split(string(output), "---\n")
}

// What dev prints works when it is pasted, top to bottom.
func TestDevTour(t *testing.T) {
	t.Parallel()
	tour := startDev(t)
	var lines []string
	for line := range strings.Lines(tour) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "TOKEN=") || strings.HasPrefix(line, "curl ") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 5 {
		t.Fatalf("%d lines to paste:\n%s", len(lines), tour)
	}
	output := shell(t, lines...)
	for i, want := range []string{"", `"name":"My first session"`, `"count":1`, "DELETE_SESSION_SUCCESS", "INVALID_SESSION_ERROR"} {
		if !strings.Contains(output[i], want) || (i > 0 && !json.Valid([]byte(output[i]))) {
			t.Errorf("%s\nprinted %q, want %q", lines[i], output[i], want)
		}
	}

	base, _, _ := strings.Cut(strings.Fields(lines[1])[2], "/users/")
	for _, account := range accounts(t, tour) {
		got := send(t, request{method: "POST", url: base + "/login", body: loginBody(account[0], account[1])})
		got.is(t, 201, "")
	}
}

// accounts are the names and passwords of the tour.
func accounts(t *testing.T, tour string) [][2]string {
	t.Helper()
	var all [][2]string
	for line := range strings.Lines(tour) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "Accounts"))
		if len(fields) >= 3 && fields[1] == "password" {
			all = append(all, [2]string{strings.TrimSuffix(fields[0], ","), fields[2]})
		}
	}
	if len(all) != 2 {
		t.Fatalf("%d accounts in\n%s", len(all), tour)
	}
	return all
}

// The embedded Redis and the metrics are where dev says.
func TestDevRedisAndMetrics(t *testing.T) {
	t.Parallel()
	tour := startDev(t)
	var redisCLI, metrics string
	for line := range strings.Lines(tour) {
		if _, command, found := strings.Cut(line, "Redis     "); found {
			redisCLI = strings.TrimSpace(command)
		}
		if _, url, found := strings.Cut(line, "Metrics   "); found {
			metrics = strings.TrimSpace(url)
		}
	}
	output := shell(t, redisCLI+" PING", redisCLI+" KEYS 'username:*'", "curl -s "+metrics)
	names := strings.Fields(output[1])
	slices.Sort(names)
	if strings.TrimSpace(output[0]) != "PONG" || !slices.Equal(names, []string{"username:alice", "username:grace"}) {
		t.Errorf("%s: %q", redisCLI, output[:2])
	}
	if !strings.Contains(output[2], "sessiond_build_info{") {
		t.Errorf("%s: %.200q", metrics, output[2])
	}
}

// Its accounts have known passwords, so it listens on loopback alone.
func TestDevRefusesOtherAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ variable, setting string }{
		{"SESSIOND_HTTP_ADDRESS=:8080", "http.address"},
		{"SESSIOND_HTTP_ADDRESS=0.0.0.0:8080", "http.address"},
		{"SESSIOND_HTTP_ADDRESS=[::]:8080", "http.address"},
		{"SESSIOND_HTTP_ADDRESS=192.0.2.1:8080", "http.address"},
		{"SESSIOND_HTTP_ADDRESS=example.com:8080", "http.address"},
		{"SESSIOND_HTTP_ADDRESS=localhost.example.com:8080", "http.address"},
		{"SESSIOND_ADMIN_ADDRESS=:9090", "admin.address"},
	} {
		got := runSessiond(t, []string{tt.variable}, "", "dev")
		if got.code != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, "sessiond: "+tt.setting+": ") {
			t.Errorf("%s: %+v; want exit code 1 and a line about %s", tt.variable, got, tt.setting)
		}
	}
}
