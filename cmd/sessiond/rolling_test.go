package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// How much wrk does at a time.
const (
	loadThreads     = 2
	loadConnections = 8
)

// Three replicas are restarted in turn by SIGTERM alone, nginx finds out from
// refused connections, and not one read fails.
func TestRollingRestartOfReads(t *testing.T) {
	t.Parallel()
	d := deploy(t, "SESSIOND_HTTP_DRAIN_DELAY=500ms")
	d.addUser("alice")
	replicas, front := d.startBehindNginx()
	load := startLoad(t, front, login(t, front.url(""), "alice"))
	for _, r := range replicas {
		r.awaitRequest()
		r.restart()
		r.awaitRequest()
	}
	got := load.stop()
	if got.Failed != 0 || got.Requests == 0 {
		t.Errorf("%d of %d requests failed", got.Failed, got.Requests)
	}
}

// Where nginx is told before, as deploy/nginx/upstream.conf says, no write fails
// either, and none is done twice.
func TestRollingRestartOfWrites(t *testing.T) {
	t.Parallel()
	d := deploy(t, "SESSIOND_HTTP_DRAIN_DELAY=500ms")
	d.addUser("alice")
	d.addUser("bob")
	replicas, front := d.startBehindNginx()
	var programs []*program
	for _, r := range replicas {
		programs = append(programs, r.program)
	}
	load := startLoad(t, front, login(t, front.url(""), "alice"), loginBody("bob", password))
	for i, r := range replicas {
		r.awaitRequest()
		servers := addresses(replicas)
		servers[i] += " down"
		front.setServers(t, servers...)
		front.reload()
		r.restart()
		programs = append(programs, r.program)
		front.setServers(t, addresses(replicas)...)
		front.reload()
		r.awaitRequest()
	}
	got := load.stop()
	if got.Failed != 0 || got.Logins == 0 || got.Ended == 0 {
		t.Errorf("%d of %d requests failed, %d logins, %d sessions ended", got.Failed, got.Requests, got.Logins, got.Ended)
	}

	// When wrk stops, it waits for no answer; and a log line is written after
	// the answer went out.
	var logins, ended int
	redistest.Eventually(t, "the last lines", func() bool {
		logins, ended = writesOf(programs)
		return logins > got.Logins && ended >= got.Ended
	})
	logins-- // Before the load.
	if logins > got.Logins+loadConnections {
		t.Errorf("%d logins were served and %d answered", logins, got.Logins)
	}
	if ended > got.Ended+loadConnections {
		t.Errorf("%d sessions were ended and %d deletions answered", ended, got.Ended)
	}
}

// writesOf counts the logins and deletions that were served.
func writesOf(programs []*program) (logins, ended int) {
	for _, p := range programs {
		for _, entry := range logLines(p.stderr.String(), "request") {
			switch fmt.Sprint(entry["method"], " ", entry["status"]) {
			case "POST 201":
				logins++
			case "DELETE 200":
				ended++
			}
		}
	}
	return logins, ended
}

// awaitRequest waits until the replica has served a request of the load.
func (r *replica) awaitRequest() {
	r.t.Helper()
	redistest.Eventually(r.t, "nginx to use the replica", func() bool {
		return strings.Contains(r.stderr.String(), `"method":"GET","route":"/api/users/{uid}/sessions/{sid}","status":200`)
	})
}

// load is wrk at work.
type load struct{ *program }

// loadResult is what wrk saw.
type loadResult struct {
	Requests int
	// Failed are those with an error of the connection, or a status over 399.
	Failed        int
	Logins, Ended int
}

// startLoad sends requests until it is stopped. The arguments are those of
// testdata/load.lua.
func startLoad(t *testing.T, front *nginx, arguments ...string) *load {
	t.Helper()
	options := []string{
		"--threads", fmt.Sprint(loadThreads), "--connections", fmt.Sprint(loadConnections),
		"--duration", "10m", "--timeout", "1m", "--script", "testdata/load.lua", "http://" + front.address, "--",
	}
	return &load{startProgram(t, nil, installed(t, "wrk"), append(options, arguments...)...)}
}

func (l *load) stop() loadResult {
	l.t.Helper()
	l.signal(syscall.SIGINT)
	l.wait()
	lines := strings.Split(strings.TrimSpace(l.stdout.String()), "\n")
	var result loadResult
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		l.t.Fatalf("wrk printed no result: %v\n%s%s", err, &l.stdout, &l.stderr)
	}
	l.t.Logf("wrk: %+v", result)
	return result
}
