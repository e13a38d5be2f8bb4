package handlers

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/sessiond/sessiond/tokens"
)

// Gateway returns what gateways and services behind them ask, on a listener
// that the public does not reach, and that has no limits:
//
//	/verify           is the token of this request good, and whose is it?
//	POST /introspect  the same of a token in a form (RFC 7662)
//
// The secret admits callers of /introspect, which does not exist without one.
func (a *API) Gateway(secret string) http.Handler {
	mux := http.NewServeMux()
	// Envoy asks with the method of the request that it asks about, and adds
	// its path.
	verify := named("/verify", a.handle(a.verify))
	mux.Handle("/verify", verify)
	mux.Handle("/verify/", verify)
	if secret != "" {
		mux.Handle("POST /introspect", named("/introspect", a.handle(a.introspect(secret))))
	}
	mux.Handle("/", a.handle(func(http.ResponseWriter, *http.Request) error { return errInvalidEndpoint }))
	return a.observe(noStore(a.recoverPanics(noRedirects(mux))))
}

// named is the route that logs and metrics tell.
func named(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		infoOf(r.Context()).route = route
		next.ServeHTTP(w, r)
	})
}

// noRedirects keeps http.ServeMux from answering a path that it would clean, as
// Envoy may send it, with a redirect: what is asked about is below one of its
// patterns all the same.
func noRedirects(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/verify/") {
			r.URL.Path = "/verify/"
		}
		mux.ServeHTTP(w, r)
	})
}

// verify handles /verify: it answers 204 and tells whose the token is in headers
// that a gateway copies to the request. All of them are always there, an empty
// one too, so that each replaces what the client may have sent by that name.
func (a *API) verify(w http.ResponseWriter, r *http.Request) error {
	c, err := a.lookUp(r)
	switch {
	case err != nil:
		return a.unavailable(r.Context(), err)
	case c == nil:
		return errInvalidSession
	case c.banned:
		return errBanned
	}
	h := w.Header()
	h.Set("X-User-Id", c.userID)
	h.Set("X-Session-Id", c.session.ID)
	h.Set("X-User-Staff", strconv.FormatBool(c.staff))
	h.Set("X-Session-Permissions", c.permissions())
	w.WriteHeader(http.StatusNoContent)
	a.touches.add(c)
	return nil
}

// permissions is the session's flags, empty for a full session.
func (c *caller) permissions() string {
	if c.session.PermissionFlags == nil {
		return ""
	}
	return strconv.FormatInt(*c.session.PermissionFlags, 10)
}

// lookUp is the token check without a charge. The caller is nil where the
// request bears no token of a live session.
func (a *API) lookUp(r *http.Request) (*caller, error) {
	claims, signed := a.claims(r)
	if !signed {
		a.metrics.unsigned(r)
		return nil, nil //nolint:nilnil // No caller is an answer.
	}
	return a.lookUpClaims(r.Context(), claims)
}

func (a *API) lookUpClaims(ctx context.Context, claims tokens.Claims) (*caller, error) {
	access, err := a.store.Lookup(ctx, bearerOf(claims))
	a.metrics.checked(ctx, access, err)
	if err != nil || !access.Live {
		return nil, err
	}
	return newCaller(ctx, claims, access), nil
}

// unavailable is how a gateway is told that Redis is out: unlike the API, it has
// a status of its own for that.
func (a *API) unavailable(ctx context.Context, err error) error {
	a.logInternal(ctx, err)
	return errUnavailable
}

// introspect handles POST /introspect. A token that admits nobody, be it
// unknown, ended or of a banned user, is "not active" and no more (RFC 7662,
// section 2.2).
func (a *API) introspect(secret string) handlerFunc {
	// Digests are of one length: comparing them tells nothing of the secret's.
	want := sha256.Sum256([]byte(secret))
	return func(w http.ResponseWriter, r *http.Request) error {
		got := sha256.Sum256([]byte(bearer(r)))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return errInvalidSession
		}
		token, err := readToken(w, r)
		if err != nil {
			return err
		}
		claims, err := a.verifier.Verify(token)
		if err != nil {
			a.metrics.tokenChecks.WithLabelValues(tokenInvalid).Inc()
			return respond(w, http.StatusOK, inactiveBody{})
		}
		c, err := a.lookUpClaims(r.Context(), claims)
		if err != nil {
			return a.unavailable(r.Context(), err)
		}
		if c == nil || c.banned {
			return respond(w, http.StatusOK, inactiveBody{})
		}
		a.touches.add(c)
		return respond(w, http.StatusOK, introspectionBody{
			Active: true, TokenType: "Bearer", Subject: c.userID, SessionID: c.session.ID,
			IssuedAt: claims.IssuedAt.Unix(), ExpiresAt: c.session.ExpiresAt.Unix(),
			Staff: c.staff, PermissionFlags: c.session.PermissionFlags,
		})
	}
}

type inactiveBody struct {
	Active bool `json:"active"`
}

type introspectionBody struct {
	Active          bool   `json:"active"`
	TokenType       string `json:"token_type"`
	Subject         string `json:"sub"`
	SessionID       string `json:"sid"`
	IssuedAt        int64  `json:"iat"`
	ExpiresAt       int64  `json:"exp"`
	Staff           bool   `json:"staff"`
	PermissionFlags *int64 `json:"permission_flags"`
}

// readToken reads the one `token` of a form.
func readToken(w http.ResponseWriter, r *http.Request) (string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return "", errBodyTooLarge
		}
		return "", errMissingFields("token")
	}
	values := r.PostForm["token"]
	if len(values) != 1 || values[0] == "" {
		return "", errMissingFields("token")
	}
	return values[0], nil
}
