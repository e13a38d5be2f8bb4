package main_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

// What serve tells Prometheus is of the API and the store that it runs: there
// is a count from each that only its own requests can have brought about.
func TestMetrics(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.addUser("ada")
	r := d.start()
	token := login(t, r.url(""), "ada")
	send(t, request{method: "GET", url: r.url("/users/me/sessions"), token: token}).is(t, http.StatusOK, "")

	scrape := func() string {
		got := send(t, request{method: "GET", url: "http://" + r.admin + "/metrics"})
		got.is(t, http.StatusOK, "")
		return got.text
	}
	// A request is counted after its answer.
	redistest.Eventually(t, "the request to be counted", func() bool {
		return strings.Contains(scrape(), `sessiond_http_requests_total{code="200",method="GET",route="/api/users/{uid}/sessions"} 1`)
	})
	text := scrape()
	for _, line := range []string{
		`sessiond_logins_total{outcome="created"} 1`,
		`sessiond_token_checks_total{verdict="live"} 1`,
		`sessiond_redis_command_duration_seconds_count{command="pipeline"} 1`,
		"sessiond_ready 1",
		"sessiond_build_info{",
		"go_goroutines ",
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("no %q in:\n%s", line, text)
		}
	}

	lint := exec.CommandContext(t.Context(), installed(t, "promtool"), "check", "metrics")
	lint.Stdin = strings.NewReader(text)
	if output, err := lint.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, output)
	}
}
