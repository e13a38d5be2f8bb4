package handlers_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/handlers/page"
)

// wrongPassword is nobody's.
const wrongPassword = "Tr0ub4dor&3"

// secrets are the beginnings of what no log may hold: tokens (`{"` in base64),
// bcrypt hashes, and the passwords that tests send.
var secrets = []string{"eyJ", "$2a$", "$2y$", password, wrongPassword}

// checkLogs holds after every test, whatever it is about: the log is one JSON
// object a line, tells no secret, and knows routes but no paths.
func (s *service) checkLogs() {
	for line := range strings.Lines(s.logs.String()) {
		for _, secret := range secrets {
			if strings.Contains(line, secret) {
				s.t.Errorf("the log tells a secret (%.4s…): %s", secret, line)
			}
		}
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			s.t.Errorf("log line %q: %v", line, err)
			continue
		}
		if entry["msg"] == "request" {
			s.checkRequestLine(entry)
		}
		if entry["msg"] == "panic" {
			s.t.Errorf("a handler panicked: %s", line)
		}
	}
}

var requestAttributes = []string{"duration_ms", "ip", "level", "method", "msg", "route", "status", "time", "user"}

func (s *service) checkRequestLine(entry map[string]any) {
	if diff := cmp.Diff(requestAttributes, names(entry)); diff != "" {
		s.t.Errorf("attributes of a request's line (-want +got):\n%s", diff)
	}
	base := s.config.HTTP.BasePath
	routes := []any{
		"unknown", base, base + "/", base + "/login", base + "/users/{uid}/sessions",
		base + "/users/{uid}/sessions/all", base + "/users/{uid}/sessions/{sid}",
		base + "/users/{uid}/sessions/{sid}/name", "/verify", "/introspect",
		base + "/.well-known/jwks.json", base + "/openapi.json", base + "/docs", base + "/docs/{file}",
	}
	for _, path := range page.New(base).Paths() {
		routes = append(routes, path)
	}
	if !slices.Contains(routes, entry["route"]) {
		s.t.Errorf("route %q in the log", entry["route"])
	}
}

// requestLines are the log's entries for requests, once there are n of them:
// a line is written after its answer went out.
func (s *service) requestLines(t *testing.T, n int) []map[string]any {
	t.Helper()
	var entries []map[string]any
	eventually(t, "a log line for each request", func() bool {
		entries = nil
		for line := range strings.Lines(s.logs.String()) {
			var entry map[string]any
			if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == "request" {
				entries = append(entries, entry)
			}
		}
		return len(entries) >= n
	})
	if len(entries) != n {
		t.Fatalf("%d log lines for %d requests", len(entries), n)
	}
	return entries
}
