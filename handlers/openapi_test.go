package handlers_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/handlers/openapi"
	"github.com/sessiond/sessiond/handlers/page"
)

func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	for _, base := range []string{"/api", "/v2/api"} {
		r := startOn(t, server, func(c *config.Config) { c.HTTP.BasePath = base }).replica()
		got := r.get("", "/openapi.json")
		got.is(t, 200, "")
		var served, want any
		if err := json.Unmarshal([]byte(got.text), &served); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(openapi.Document(base, "test"), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, served); diff != "" {
			t.Errorf("the document at %s (-want +got):\n%s", base, diff)
		}
	}
}

// Every endpoint is in the document, and nothing else.
func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	r := start(t)
	routes, err := r.api.Routes()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		if strings.HasPrefix(path, page.Path) {
			continue // The page for people is no part of the API.
		}
		below, ok := strings.CutPrefix(path, r.config.HTTP.BasePath)
		if !ok {
			t.Errorf("%s is not below the base path", route)
		}
		if below == "" {
			below = "/" // The two are one endpoint.
		}
		served[method+" "+below] = true
	}
	described := map[string]bool{}
	for path, operations := range r.contract.Paths {
		for method := range operations {
			described[strings.ToUpper(method)+" "+path] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(served)), slices.Sorted(maps.Keys(described))); diff != "" {
		t.Errorf("endpoints (-served +described):\n%s", diff)
	}
}

// The page and what it loads, as a browser asks for it the first time and again.
func TestDocs(t *testing.T) {
	t.Parallel()
	r := start(t)
	for path, contentType := range map[string]string{
		"/docs":                        "text/html; charset=utf-8",
		"/docs/docs.css":               "text/css; charset=utf-8",
		"/docs/docs.js":                "text/javascript; charset=utf-8",
		"/docs/swagger-ui.css":         "text/css; charset=utf-8",
		"/docs/swagger-ui-bundle.js":   "text/javascript; charset=utf-8",
		"/docs/swagger-ui.LICENSE.txt": "text/plain; charset=utf-8",
	} {
		first := r.get("", path)
		if first.status != 200 || first.header.Get("Content-Type") != contentType || first.text == "" {
			t.Errorf("%s: status %d, headers %v", path, first.status, first.header)
		}
		again := r.do(request{method: "GET", path: path, headers: []string{"If-None-Match", first.header.Get("ETag")}})
		if again.status != 304 || again.text != "" {
			t.Errorf("%s again: status %d, body %.80q", path, again.status, again.text)
		}
		head := r.do(request{method: "HEAD", path: path})
		if head.status != 200 || head.text != "" {
			t.Errorf("HEAD %s: status %d, body %.80q", path, head.status, head.text)
		}
	}
	for _, path := range []string{"/docs/", "/docs/x", "/docs/docs.html", "/docs/..%2Fopenapi.json", "/docs/docs.css/", "/openapi.yaml"} {
		r.get("", path).is(t, 404, "INVALID_ENDPOINT_ERROR")
	}
	r.do(request{method: "POST", path: "/docs"}).is(t, 404, "INVALID_ENDPOINT_ERROR")
}

// requests are one to each operation of the document, by its ID: those of the
// first example, where there is a body.
func (c *contract) requests(token string) map[string]request {
	fill := strings.NewReplacer("{uid}", "me", "{sid}", "me", "{file}", "docs.css")
	all := map[string]request{}
	for path, operations := range c.Paths {
		for method, op := range operations {
			req := request{method: strings.ToUpper(method), path: fill.Replace(path), token: token}
			if op.OperationID == "login" {
				req.token = ""
			}
			if op.RequestBody != nil {
				examples := op.RequestBody.Content["application/json"].Examples
				req.body = string(examples[slices.Sorted(maps.Keys(examples))[0]].Value)
			}
			all[op.OperationID] = req
		}
	}
	return all
}

// The bodies that the document shows are ones that the API takes.
func TestDocumentedRequestBodies(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	for id, req := range r.contract.requests(r.login("ada")) {
		if req.body == "" || id == "deleteSessions" {
			continue
		}
		if got := r.do(req); got.status >= 300 {
			t.Errorf("%s: status %d, body %s", id, got.status, got.text)
		}
	}
	r.do(r.contract.requests(r.login("ada"))["deleteSessions"]).is(t, 200, "DELETE_SESSIONS_SUCCESS")
}

func TestEveryOperationIsLimited(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Limits.Login.Requests, c.Limits.API.Requests = 1, 1 })
	r.addUser("ada")
	token := r.login("ada")
	r.get(token, "").is(t, 200, "")
	for id, req := range r.contract.requests(token) {
		t.Run(id, func(t *testing.T) {
			r.as(t).do(req).is(t, 429, "RATELIMITED_ERROR")
		})
	}
}

func TestEveryOperationNeedsRedis(t *testing.T) {
	t.Parallel()
	o := beforeOutage(t)
	o.redis.Kill()
	for id, req := range o.contract.requests(o.live) {
		t.Run(id, func(t *testing.T) {
			o.as(t).do(req).is(t, 500, "INTERNAL_SERVER_ERROR")
		})
	}
}

// What refuses requests before their operations look at them refuses all alike.
func TestEveryOperationRefuses(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	bob := r.addUser("bob")
	r.addStaff("root")
	banned := r.addUser("banned")
	token, bannedToken, staff := r.login("ada"), r.login("banned"), r.login("root")
	if _, err := r.store.BanUser(t.Context(), banned.ID); err != nil {
		t.Fatal(err)
	}
	for id, req := range r.contract.requests(token) {
		if !strings.HasPrefix(req.path, "/users/") {
			continue
		}
		t.Run(id, func(t *testing.T) {
			r := r.as(t)
			with := func(token, uid, sid string) request {
				changed := req
				changed.token = token
				changed.path = strings.Replace(changed.path, "/users/me", "/users/"+uid, 1)
				changed.path = strings.Replace(changed.path, "/sessions/me", "/sessions/"+sid, 1)
				return changed
			}
			r.do(with("", "me", "me")).is(t, 401, "INVALID_SESSION_ERROR")
			r.do(with(bannedToken, "me", "me")).is(t, 403, "BANNED_ERROR")
			r.do(with(token, bob.ID, "me")).is(t, 403, "INSUFFICIENT_PERMISSIONS_ERROR")
			if id != "createScopedSession" {
				r.do(with(staff, unknownUser, unknownSession)).is(t, 404, "INVALID_USER_ERROR")
			}
			if strings.Contains(req.path, "/sessions/me") {
				r.do(with(token, "me", unknownSession)).is(t, 404, "INVALID_SESSION_ERROR")
			}
			if req.body != "" {
				long := req
				long.body = strings.Repeat(" ", 102_401)
				r.do(long).is(t, http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE_ERROR")
			}
		})
	}
}
