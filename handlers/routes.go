package handlers

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	webpage "github.com/sessiond/sessiond/handlers/page"
)

// routes is the whole API. Whatever is not here is an unknown endpoint.
func (a *API) routes() *mux.Router {
	// Cleaned paths would be answered with a bare redirect; decoded ones would
	// let %2F reach into another route.
	root := mux.NewRouter().SkipClean(true).UseEncodedPath()

	route := func(method, path string, h handlerFunc) {
		methods := []string{method}
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		root.Handle(a.options.BasePath+path, a.handle(h)).Methods(methods...)
	}

	// The router tries one after the other: what is asked most comes first.
	route("GET", "/users/{uid}/sessions/{sid}", a.signedIn(a.getSession))
	route("GET", "/users/{uid}/sessions", a.signedIn(a.listSessions))
	route("POST", "/users/{uid}/sessions", a.signedIn(a.createScopedSession))
	route("DELETE", "/users/{uid}/sessions", a.signedIn(a.deleteSessions))
	route("DELETE", "/users/{uid}/sessions/all", a.signedIn(a.deleteAllSessions))
	route("DELETE", "/users/{uid}/sessions/{sid}", a.signedIn(a.deleteSession))
	route("PUT", "/users/{uid}/sessions/{sid}/name", a.signedIn(a.renameSession))

	// The login has a limit of its own; all else is under the API's.
	route("POST", "/login", a.countLogins(a.login))

	route("GET", "", a.limited(a.hello))
	route("GET", "/", a.limited(a.hello))
	route("GET", "/.well-known/jwks.json", a.limited(a.jwks))
	route("GET", "/openapi.json", a.limited(a.openAPI))
	route("GET", "/docs", a.limited(a.docs))
	route("GET", "/docs/{file}", a.limited(a.docs))

	// The page for people is no part of the API: no limit counts it.
	sessionsPage := webpage.New(a.options.BasePath)
	for _, path := range sessionsPage.Paths() {
		root.Handle(path, sessionsPage).Methods(http.MethodGet, http.MethodHead)
	}

	root.NotFoundHandler = a.handle(a.unknown)
	root.MethodNotAllowedHandler = root.NotFoundHandler
	return root
}

// dispatch notes the route that the router finds, and calls its handler. The
// router's own ServeHTTP would copy the request twice to note the same.
func dispatch(router *mux.Router) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var match mux.RouteMatch
		// It always matches: unknown endpoints have a handler, too.
		router.Match(r, &match)
		if match.MatchErr == nil && match.Route != nil {
			info := infoOf(r.Context())
			info.vars = match.Vars
			if template, err := match.Route.GetPathTemplate(); err == nil {
				info.route = template
			}
		}
		match.Handler.ServeHTTP(w, r)
	})
}

// pathVar is what the path has in place of a variable of its route.
func pathVar(r *http.Request, name string) string {
	return infoOf(r.Context()).vars[name]
}

// hello handles GET on the base path itself: it tells clients that the API is
// up.
func (a *API) hello(w http.ResponseWriter, _ *http.Request, _ *caller) error {
	return respond(w, http.StatusOK, helloBody{Hello: "world", Version: a.options.Version})
}

type helloBody struct {
	Hello   string `json:"hello"`
	Version string `json:"version"`
}

// unknown answers every path and method that is no endpoint. Under the base
// path it counts towards the limit like any other request.
func (a *API) unknown(w http.ResponseWriter, r *http.Request) error {
	if !a.underBasePath(r) {
		return errInvalidEndpoint
	}
	return a.limited(func(http.ResponseWriter, *http.Request, *caller) error {
		return errInvalidEndpoint
	})(w, r)
}

func (a *API) underBasePath(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), a.options.BasePath)
	return ok && (rest == "" || rest[0] == '/')
}
