package handlers_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/config"
)

// root sends a request to a path that is not below the base path.
func (r *replica) root(t *testing.T, method, path string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, r.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, text: string(body)}
}

func TestSessionsPage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, base string }{
		{"default", "/api"},
		{"at the root", ""},
		{"deep", "/auth/v1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, func(c *config.Config) {
				c.HTTP.BasePath = test.base
				// The page counts towards no limit: there is none left for it.
				c.Limits.API.Requests = 1
			})
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} {
				got := r.root(t, method, "/sessions")
				if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/html; charset=utf-8" {
					t.Fatalf("%s: status %d, %s", method, got.status, got.header.Get("Content-Type"))
				}
				if policy := got.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") {
					t.Errorf("%s: Content-Security-Policy %q", method, policy)
				}
				if got.header.Get("RateLimit-Limit") != "" {
					t.Errorf("%s: counted towards a limit", method)
				}
				if want := `<meta name="api-base" content="` + test.base + `">`; method == http.MethodGet && !strings.Contains(got.text, want) {
					t.Errorf("no %s in the page", want)
				}
			}
			script := r.root(t, http.MethodGet, "/sessions/page.js").header.Get("Content-Type")
			if script != "text/javascript; charset=utf-8" {
				t.Errorf("page.js is %q", script)
			}
		})
	}
}

// TestSessionsPageOnly: what is beside the page is as unknown as ever.
func TestSessionsPageOnly(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, test := range []struct{ method, path string }{
		{http.MethodPost, "/sessions"},
		{http.MethodDelete, "/sessions"},
		{http.MethodGet, "/sessions/"},
		{http.MethodGet, "/sessions/page.html"},
		{http.MethodGet, "/sessions/../sessions"},
		{http.MethodGet, "/sessions%2Fpage.js"},
		{http.MethodGet, "//sessions"},
	} {
		r.root(t, test.method, test.path).is(t, http.StatusNotFound, "INVALID_ENDPOINT_ERROR")
	}
}
