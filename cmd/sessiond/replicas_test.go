package main_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
)

// What one replica does holds for all of them at once, through nginx and not.
func TestReplicasShareSessions(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.addUser("alice")
	replicas, front := d.startBehindNginx()
	first, second, third := replicas[0], replicas[1], replicas[2]

	token := login(t, first.url(""), "alice")
	for _, r := range replicas {
		// Each has then verified the signature and remembers it.
		send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: token}).is(t, http.StatusOK, "")
	}
	send(t, request{method: "DELETE", url: second.url("/users/me/sessions/me"), token: token}).
		is(t, http.StatusOK, "")
	for _, url := range []string{third.url(""), first.url(""), second.url(""), front.url(""), front.url(""), front.url("")} {
		send(t, request{method: "GET", url: url + "/users/me/sessions/me", token: token}).
			is(t, http.StatusUnauthorized, "INVALID_SESSION_ERROR")
	}

	token = login(t, front.url(""), "alice")
	send(t, request{method: "DELETE", url: front.url("/users/me/sessions"), token: token, body: `{"ids":["me"]}`}).
		is(t, http.StatusOK, "DELETE_SESSIONS_SUCCESS")
	for _, r := range replicas {
		send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: token}).
			is(t, http.StatusUnauthorized, "INVALID_SESSION_ERROR")
	}
}

// Both limits are counted for all replicas together, by the address that nginx
// sees, whatever a client says of itself.
func TestReplicasShareLimits(t *testing.T) {
	t.Parallel()
	d := deploy(t, "SESSIOND_LIMITS_LOGIN_REQUESTS=3", "SESSIOND_LIMITS_LOGIN_WINDOW=30m",
		"SESSIOND_LIMITS_API_REQUESTS=7", "SESSIOND_LIMITS_API_WINDOW=720h")
	d.addUser("alice")
	replicas, front := d.startBehindNginx()

	logIn := func(base, from string, headers ...string) answer {
		t.Helper()
		return send(t, request{method: "POST", url: base + "/login", body: loginBody("alice", password), from: from, headers: headers})
	}
	token := ""
	for i := range 3 {
		got := logIn(front.url(""), "127.0.0.2", "X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i))
		got.is(t, http.StatusCreated, "")
		token = got.member("token")
	}
	for i, header := range []string{"X-Forwarded-For", "x-forwarded-for", "X-Real-IP", "Forwarded", "True-Client-IP"} {
		for _, value := range []string{"203.0.113.7", "127.0.0.1", "203.0.113.8, 127.0.0.1", "127.0.0.1, 127.0.0.1", "for=203.0.113.9", ""} {
			got := logIn(front.url(""), "127.0.0.2", header, value, header, fmt.Sprintf("192.0.2.%d", i))
			got.is(t, http.StatusTooManyRequests, "RATELIMITED_ERROR")
			if got.header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
		}
	}
	// Straight to a replica the address is as spent, and no header is believed.
	for _, r := range replicas {
		logIn(r.url(""), "127.0.0.2", "X-Forwarded-For", "203.0.113.7").is(t, http.StatusTooManyRequests, "RATELIMITED_ERROR")
	}
	// Others have their own allowance, also nginx's neighbours on its address.
	logIn(front.url(""), "127.0.0.3").is(t, http.StatusCreated, "")
	for range 3 {
		logIn(front.url(""), "127.0.0.1", "X-Forwarded-For", "203.0.113.7").is(t, http.StatusCreated, "")
	}
	logIn(front.url(""), "127.0.0.1", "X-Forwarded-For", "203.0.113.8").is(t, http.StatusTooManyRequests, "RATELIMITED_ERROR")

	for left := 6; left >= 0; left-- {
		got := send(t, request{method: "GET", url: front.url("/users/me/sessions/me"), token: token})
		got.is(t, http.StatusOK, "")
		if remaining := got.header.Get("RateLimit-Remaining"); remaining != strconv.Itoa(left) {
			t.Errorf("RateLimit-Remaining %s, want %d", remaining, left)
		}
	}
	for _, r := range replicas {
		send(t, request{method: "GET", url: r.url("/users/me/sessions/me"), token: token}).
			is(t, http.StatusTooManyRequests, "RATELIMITED_ERROR")
	}
}
