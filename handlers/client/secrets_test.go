package client_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/handlers/client"
)

// TestErrorsTellNoSecret sends secrets to servers that send them back wherever
// they can.
func TestErrorsTellNoSecret(t *testing.T) {
	t.Parallel()
	const token, secret = "eyJ0b2tlbg.c2VjcmV0.c2ln", "hunter2hunter2"
	echo := token + secret
	tests := map[string]http.HandlerFunc{
		"error": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 400, `{"code":"`+echo+`","message":"`+echo+`","fields":["`+echo+`"]}`)
		},
		"fields": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 400, `{"code":"MISSING_FIELDS_ERROR","message":"`+echo+`","fields":["`+echo+`"]}`)
		},
		"page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/"+echo)
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, echo)
		},
		"redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://%zz"+echo)
			w.WriteHeader(http.StatusFound)
		},
		"broken JSON": func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, `{"id":"`+echo+`"`) },
		"wrong time":  func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, `{"createdAt":"`+echo+`"}`) },
		"cut off":     cutOff,
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := stub(t, handler)
			c := newClient(t, url, client.WithVerifyURL(url))
			a := c.As(token)
			for _, err := range []error{
				failure(c.Login(t.Context(), client.LoginRequest{Username: "a", Password: secret})),
				failure(a.CreateScoped(t.Context(), client.ScopedRequest{Name: "n", Password: secret})),
				failure(a.Current(t.Context())),
				failure(c.As(token + "\n").Current(t.Context())),
				failure(a.User(token).Current(t.Context())),
				failure(c.Verify(t.Context(), token)),
			} {
				if err == nil || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), secret) {
					t.Errorf("error %v", err)
				}
			}
		})
	}

	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	account := newClient(t, "http://example.com").As(token)
	logger.Info("account", slog.Any("account", account))
	fmt.Fprintf(&log, "%v %+v %#v %s", account, account, account, account.User(token))
	if strings.Contains(log.String(), token) || !strings.Contains(log.String(), "account of me") {
		t.Errorf("an account prints as %s", log.String())
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := stub(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s went elsewhere", r.Method, r.URL)
	})
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := stub(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere, status)
		})
		own := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
		c := newClient(t, url, client.WithVerifyURL(url), client.WithHTTPClient(own))
		for _, err := range []error{
			failure(c.Login(t.Context(), client.LoginRequest{Username: "a", Password: "b"})),
			failure(c.As("x").Current(t.Context())),
			failure(c.Verify(t.Context(), "x")),
		} {
			if !errors.Is(err, client.ErrUnexpectedAnswer) {
				t.Errorf("%d: error %v", status, err)
			}
		}
		if own.Transport != nil {
			t.Error("the caller's client was changed")
		}
	}
}
