package handlers_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
)

func TestJWKS(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Limits.API.Requests = 3 })
	kid := r.keyring.Keys()[0].ID
	for i, req := range []request{
		{method: "GET", path: "/.well-known/jwks.json"},
		// Where it admits to nothing, no token is better than another.
		{method: "GET", path: "/.well-known/jwks.json", token: "x"},
	} {
		got := r.do(req)
		got.is(t, http.StatusOK, "")
		if left := got.header.Get("RateLimit-Remaining"); left != strconv.Itoa(2-i) {
			t.Errorf("RateLimit-Remaining %s", left)
		}
		keys, _ := got.object(t)["keys"].([]any)
		if len(keys) != 1 {
			t.Fatalf("body %s", got.text)
		}
		key, _ := keys[0].(map[string]any)
		if diff := cmp.Diff([]string{"alg", "crv", "kid", "kty", "use", "x", "y"}, names(key)); diff != "" {
			t.Errorf("members of a key (-want +got):\n%s", diff)
		}
		if key["kid"] != kid {
			t.Errorf("kid %v, want %s", key["kid"], kid)
		}
	}
	head := r.do(request{method: "HEAD", path: "/.well-known/jwks.json"})
	if head.status != http.StatusOK || head.text != "" {
		t.Errorf("HEAD: %d %q", head.status, head.text)
	}
	r.do(request{method: "GET", path: "/.well-known/jwks.json"}).is(t, http.StatusTooManyRequests, "RATELIMITED_ERROR")
}
