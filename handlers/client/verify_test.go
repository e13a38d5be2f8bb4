package client_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/handlers/client"
)

// verified answers as the verify endpoint does.
func verified(w http.ResponseWriter, headers ...string) {
	for i := 0; i+1 < len(headers); i += 2 {
		w.Header().Add(headers[i], headers[i+1])
	}
	w.WriteHeader(http.StatusNoContent)
}

func TestRequireAsksTheVerifyEndpoint(t *testing.T) {
	t.Parallel()
	url := stub(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") {
		case "GET /verify Bearer full":
			verified(w, "X-User-Id", "1647015028626", "X-Session-Id", "1687067614", "X-User-Staff", "true", "X-Session-Permissions", "")
		case "GET /verify Bearer scoped":
			verified(w, "X-User-Id", "1647015028626", "X-Session-Id", "1795442682596", "X-User-Staff", "false", "X-Session-Permissions", "0")
		case "GET /verify Bearer banned":
			answer(w, http.StatusForbidden, `{"code":"BANNED_ERROR","message":"Banned"}`)
		case "GET /verify Bearer dead":
			answer(w, http.StatusUnauthorized, `{"code":"INVALID_SESSION_ERROR","message":"Invalid Session"}`)
		default:
			answer(w, http.StatusServiceUnavailable, `{"code":"INTERNAL_SERVER_ERROR","message":"Internal Server Error"}`)
		}
	})
	var log strings.Builder
	c := newClient(t, "http://127.0.0.1:1", client.WithVerifyURL(url+"/verify"), client.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))

	got := ask(t, c, "full",
		"X-User-Id", "1", "X-User-ID", "2", "X-Session-Id", "3", "X-User-Staff", "true", "X-Session-Permissions", "1",
		"X_user-id", "4", "X-Forwarded-For", "192.0.2.1")
	want := client.Identity{UserID: "1647015028626", SessionID: 1687067614, Staff: true}
	if diff := cmp.Diff(want, got.identity); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	if !got.identity.May(client.FlagStaffModifySessions) {
		t.Error("a full session may not do everything")
	}
	passed := http.Header{"Authorization": {"full"}, "X-Forwarded-For": {"192.0.2.1"}}
	if diff := cmp.Diff(passed, got.passed); diff != "" {
		t.Errorf("headers that pass (-want +got):\n%s", diff)
	}

	got = ask(t, c, "scoped")
	none := client.Flags(0)
	want = client.Identity{UserID: "1647015028626", SessionID: 1795442682596, PermissionFlags: &none}
	if diff := cmp.Diff(want, got.identity); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	if got.identity.May(client.FlagReadSessions) {
		t.Error("a session without flags may read")
	}
	refused(t, ask(t, c, "banned"), http.StatusForbidden, "BANNED_ERROR")
	refused(t, ask(t, c, "dead"), http.StatusUnauthorized, "INVALID_SESSION_ERROR")
	if log.Len() > 0 {
		t.Errorf("the log has %s", log.String())
	}
	refused(t, ask(t, c, "unlucky"), http.StatusServiceUnavailable, "INTERNAL_SERVER_ERROR")
	if !strings.Contains(log.String(), "could not be asked") || strings.Contains(log.String(), "unlucky") {
		t.Errorf("the log has %s", log.String())
	}
}

// TestRequireFailsClosed has answers that are no permission, even though they
// are no refusal either.
func TestRequireFailsClosed(t *testing.T) {
	t.Parallel()
	const user, session = "1647015028626", "1687067614"
	tests := map[string]http.HandlerFunc{
		"200": func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, `{}`) },
		"page": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<h1>Sign in</h1>", http.StatusUnauthorized)
		},
		"other JSON": func(w http.ResponseWriter, _ *http.Request) { answer(w, 401, `{"error":"invalid_token"}`) },
		"500":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"cut off":    cutOff,
		"bare 204":   func(w http.ResponseWriter, _ *http.Request) { verified(w) },
		"no permissions": func(w http.ResponseWriter, _ *http.Request) {
			verified(w, "X-User-Id", user, "X-Session-Id", session, "X-User-Staff", "false")
		},
		"odd permissions": func(w http.ResponseWriter, _ *http.Request) {
			verified(w, "X-User-Id", user, "X-Session-Id", session, "X-User-Staff", "false", "X-Session-Permissions", "all")
		},
		"negative permissions": func(w http.ResponseWriter, _ *http.Request) {
			verified(w, "X-User-Id", user, "X-Session-Id", session, "X-User-Staff", "false", "X-Session-Permissions", "-1")
		},
		"odd staff": func(w http.ResponseWriter, _ *http.Request) {
			verified(w, "X-User-Id", user, "X-Session-Id", session, "X-User-Staff", "1", "X-Session-Permissions", "")
		},
		"two users": func(w http.ResponseWriter, _ *http.Request) {
			verified(w, "X-User-Id", user, "X-User-Id", user, "X-Session-Id", session, "X-User-Staff", "false", "X-Session-Permissions", "")
		},
		"odd user": func(w http.ResponseWriter, _ *http.Request) {
			verified(w, "X-User-Id", "alice", "X-Session-Id", session, "X-User-Staff", "false", "X-Session-Permissions", "")
		},
		"odd session": func(w http.ResponseWriter, _ *http.Request) {
			verified(w, "X-User-Id", user, "X-Session-Id", "me", "X-User-Staff", "false", "X-Session-Permissions", "")
		},
	}
	quiet := client.WithLogger(slog.New(slog.DiscardHandler))
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := stub(t, handler)
			got := ask(t, newClient(t, url, client.WithVerifyURL(url), quiet), "x")
			refused(t, got, http.StatusServiceUnavailable, "INTERNAL_SERVER_ERROR")
			refused(t, ask(t, newClient(t, url, quiet), "x"), http.StatusServiceUnavailable, "INTERNAL_SERVER_ERROR")
		})
	}
}

// TestRequireDoesNotMixUpSessions has something between that answers with the
// session of somebody else.
func TestRequireDoesNotMixUpSessions(t *testing.T) {
	t.Parallel()
	shared.addUser(t, "heidi")
	token := login(t, shared.client(t), "heidi")
	url := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"id":1687067614000,"name":"n","exp":2111018682}`)
	})
	quiet := client.WithLogger(slog.New(slog.DiscardHandler))
	refused(t, ask(t, newClient(t, url, quiet), token), http.StatusServiceUnavailable, "INTERNAL_SERVER_ERROR")
}

// TestRequireKnowsOlderTokens has a token of the older API, whose session is its
// own time in seconds.
func TestRequireKnowsOlderTokens(t *testing.T) {
	t.Parallel()
	// {"sub":"1647015028626","iat":1687067614,"exp":2002643614}
	const token = "e30.eyJzdWIiOiIxNjQ3MDE1MDI4NjI2IiwiaWF0IjoxNjg3MDY3NjE0LCJleHAiOjIwMDI2NDM2MTR9.c2ln"
	url := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"id":1687067614,"name":"n","exp":2002643614,"permissionFlags":null}`)
	})
	got := ask(t, newClient(t, url), token)
	want := client.Identity{UserID: "1647015028626", SessionID: 1687067614}
	if diff := cmp.Diff(want, got.identity); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}
