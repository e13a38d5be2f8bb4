package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessiond/sessiond/handlers/client"
)

// TestRetries runs on the clock of synctest: an hour takes no time.
func TestRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		refusals []string // Retry-After of the answers before success
		deadline time.Duration
		requests int
		waited   time.Duration
		ok       bool
	}{
		{"none needed", nil, 0, 1, 0, true},
		{"waits as long as asked", []string{"20", "1"}, 0, 3, 21 * time.Second, true},
		{"waits for a date", []string{"Sat, 01 Jan 2000 00:00:05 GMT"}, 0, 2, 5 * time.Second, true},
		{"a date that is over", []string{"Fri, 31 Dec 1999 23:00:00 GMT"}, 0, 2, time.Second, true},
		{"no more than twice", []string{"1", "1", "1"}, 0, 3, 2 * time.Second, false},
		{"not longer than the longest", []string{"61"}, 0, 1, 0, false},
		{"not past the deadline", []string{"30"}, 30 * time.Second, 1, 0, false},
		{"within the deadline", []string{"30"}, 31 * time.Second, 2, 30 * time.Second, true},
		{"no more past the deadline", []string{"20", "20"}, 30 * time.Second, 2, 20 * time.Second, false},
		{"unsaid", []string{""}, 0, 1, 0, false},
		{"not a number", []string{"soon"}, 0, 1, 0, false},
		{"negative", []string{"-1"}, 0, 1, 0, false},
		{"endless", []string{"99999999999999999999"}, 0, 1, 0, false},
		{"more than a duration", []string{"9223372037"}, 0, 1, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				c := newClient(t, "http://example.com", client.WithRetries(2, time.Minute), offline(func(w http.ResponseWriter, r *http.Request) {
					if body, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(body), `"username":"a"`) {
						t.Errorf("body %q, %v", body, err)
					}
					if requests++; requests > len(test.refusals) {
						answer(w, http.StatusCreated, `{"token":"to.k.en","exp":2111018682}`)
						return
					}
					w.Header().Set("Retry-After", test.refusals[requests-1])
					answer(w, http.StatusTooManyRequests, `{"code":"RATELIMITED_ERROR","message":"Later."}`)
				}))
				ctx := t.Context()
				if test.deadline > 0 {
					limited, cancel := context.WithTimeout(ctx, test.deadline)
					defer cancel()
					ctx = limited
				}
				start := time.Now()
				got, err := c.Login(ctx, client.LoginRequest{Username: "a", Password: "b"})
				if requests != test.requests || time.Since(start) != test.waited {
					t.Errorf("%d requests in %s, want %d in %s", requests, time.Since(start), test.requests, test.waited)
				}
				if test.ok != (err == nil && got.Token == "to.k.en") || !test.ok && !errors.Is(err, client.ErrRateLimited) {
					t.Errorf("login %+v, error %v", got, err)
				}
			})
		})
	}
}

func TestCanceledWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, "http://example.com", client.WithRetries(1, time.Hour), offline(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			answer(w, http.StatusTooManyRequests, `{"code":"RATELIMITED_ERROR","message":"Later."}`)
		}))
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(time.Second, cancel).Stop()
		err := failure(c.As("x").Current(ctx))
		if !errors.Is(err, client.ErrRateLimited) || !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

// TestNothingElseIsRepeated has failures after which a write may have happened.
func TestNothingElseIsRepeated(t *testing.T) {
	t.Parallel()
	tests := map[string]http.HandlerFunc{
		"internal error": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			answer(w, http.StatusInternalServerError, `{"code":"INTERNAL_SERVER_ERROR","message":"Internal Server Error"}`)
		},
		"proxy's refusal": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"lost reply": cutOff,
		"half a reply": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			answer(w, http.StatusOK, `{"count":`)
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			url := stub(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					answer(w, http.StatusOK, `{"id":1795442682596,"exp":2111018682}`)
					return
				}
				requests.Add(1)
				handler(w, r)
			})
			c := newClient(t, url, client.WithRetries(5, time.Hour))
			// A connection that has worked before is one on which net/http itself
			// would repeat what it takes for safe.
			if _, err := c.As("x").Current(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := failure(c.As("x").EndAll(t.Context(), client.EndAllOptions{})); err == nil {
				t.Error("no error")
			}
			if got := requests.Load(); got != 1 {
				t.Errorf("%d requests", got)
			}
		})
	}
}
