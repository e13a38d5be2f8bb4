package main_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// nginx runs with a configuration of deploy and what differs from place to place.
type nginx struct {
	*program
	dir, address string
}

// startNginx runs deploy/nginx.conf as it is in front of servers, with files of
// the test's own beside it.
func startNginx(t *testing.T, servers ...string) *nginx {
	t.Helper()
	n := newNginx(t)
	if err := os.Mkdir(filepath.Join(n.dir, "nginx"), 0o700); err != nil {
		t.Fatal(err)
	}
	n.write(t, "nginx.conf", readFile(t, "../../deploy/nginx.conf"))
	n.write(t, "nginx/listen.conf", "listen "+n.address+";\n")
	n.setServers(t, servers...)
	n.start(t)
	return n
}

func newNginx(t *testing.T) *nginx {
	t.Helper()
	return &nginx{dir: t.TempDir(), address: freeAddress(t)}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// start runs nginx with the files that were written.
func (n *nginx) start(t *testing.T) {
	t.Helper()
	path := installed(t, "nginx")
	n.program = startProgram(t, nil, path, n.arguments()...)
	t.Cleanup(func() {
		n.signal(syscall.SIGTERM)
		n.wait()
		if strings.Contains(n.stderr.String(), "[alert]") || strings.Contains(n.stderr.String(), "[emerg]") {
			t.Errorf("nginx complains:\n%s", &n.stderr)
		}
	})
	redistest.Eventually(t, "nginx to listen", func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", n.address)
		if err != nil {
			return n.exited()
		}
		return conn.Close() == nil
	})
	if n.exited() {
		t.Fatalf("nginx ended:\n%s", &n.stderr)
	}
}

func (n *nginx) arguments() []string {
	return []string{"-p", n.dir, "-c", filepath.Join(n.dir, "nginx.conf"), "-e", "stderr"}
}

func (n *nginx) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// setServers writes the list of servers as deploy/nginx/upstream.conf has it. A
// server may have parameters behind its address.
func (n *nginx) setServers(t *testing.T, servers ...string) {
	t.Helper()
	var list strings.Builder
	for _, server := range servers {
		fmt.Fprintf(&list, "server %s max_fails=1 fail_timeout=1s;\n", server)
	}
	n.write(t, "nginx/upstream.conf", list.String())
}

// reload makes nginx read its files again, and returns when the processes that
// know the old ones have finished what they had.
func (n *nginx) reload() {
	n.t.Helper()
	old := make(map[int]bool)
	for _, pid := range children(n.t, n.cmd.Process.Pid) {
		old[pid] = true
	}
	p := startProgram(n.t, nil, n.cmd.Path, append(n.arguments(), "-s", "reload")...)
	if code := p.wait(); code != 0 {
		n.t.Fatalf("nginx -s reload: code %d\n%s", code, &p.stderr)
	}
	redistest.Eventually(n.t, "the reload", func() bool {
		for _, pid := range children(n.t, n.cmd.Process.Pid) {
			if old[pid] {
				return false
			}
		}
		return true
	})
}

func (n *nginx) url(path string) string { return "http://" + n.address + "/api" + path }

// loginsOf returns how many logins a replica had.
func loginsOf(r *replica) int {
	count := 0
	for _, entry := range logLines(r.stderr.String(), "request") {
		if entry["route"] == "/api/login" {
			count++
		}
	}
	return count
}

// addresses returns the public addresses of replicas.
func addresses(replicas []*replica) []string {
	all := make([]string, len(replicas))
	for i, r := range replicas {
		all[i] = r.address
	}
	return all
}

// startBehindNginx runs three replicas behind nginx. They believe nginx, which
// is at 127.0.0.1; tests that are about that come from other addresses.
func (d *deployment) startBehindNginx() ([]*replica, *nginx) {
	d.t.Helper()
	d.environ = append(d.environ, "SESSIOND_HTTP_TRUSTED_PROXIES=127.0.0.1")
	var replicas []*replica
	for range 3 {
		replicas = append(replicas, d.startRestartable())
	}
	for _, r := range replicas {
		r.awaitReady()
	}
	return replicas, startNginx(d.t, addresses(replicas)...)
}
