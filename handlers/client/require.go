package client

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// verifyTimeout bounds how long a request waits for sessiond, which takes 2
// seconds at most.
const verifyTimeout = 5 * time.Second

// Require lets only those requests reach next that bear the token of a live
// session, and tells next whose it is: see [IdentityFrom]. It asks sessiond for
// every request, as [Client.Verify] does, and remembers nothing.
//
// Others are answered as the API itself would: 401 with WWW-Authenticate, 403
// where the user is banned, 429 with Retry-After. Where sessiond, or the Redis
// behind it, does not answer within 5 seconds it is 503, and nobody is let in.
//
// Headers in which gateways tell who the sender is (X-User-Id, X-Session-Id,
// X-User-Staff, X-Session-Permissions) never pass: a handler that believed them
// would believe the client. CORS belongs in front, because preflights bear no
// token.
func (c *Client) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		identity, err := c.identify(r)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		// The request is the server's; a handler may change a copy only.
		r = r.WithContext(NewContext(r.Context(), identity))
		r.Header = r.Header.Clone()
		for name := range r.Header {
			if isIdentityHeader(name) {
				delete(r.Header, name)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (c *Client) identify(r *http.Request) (Identity, error) {
	lines := r.Header.Values("Authorization")
	// Of two tokens nobody can tell which one something in front has looked at.
	if len(lines) != 1 {
		return Identity{}, errNotAToken
	}
	token := lines[0]
	// The scheme's case does not count (RFC 9110, section 11.1).
	if scheme, rest, found := strings.Cut(token, " "); found && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimLeft(rest, " ")
	}
	ctx, cancel := context.WithTimeout(r.Context(), verifyTimeout)
	defer cancel()
	return c.Verify(ctx, token)
}

// isIdentityHeader also knows the spellings that CGI and its kin can't tell
// apart, because a handler may pass its request on.
func isIdentityHeader(name string) bool {
	switch http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-")) {
	case headerUser, headerSession, headerStaff, headerPermissions:
		return true
	default:
		return false
	}
}

// refusal is an answer in the API's own shape.
type refusal struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (c *Client) refuse(w http.ResponseWriter, r *http.Request, err error) {
	h := w.Header()
	var answer refusal
	switch {
	case errors.Is(err, ErrInvalidSession):
		// RFC 9110, section 15.5.2, asks for a challenge with every 401.
		h.Set("WWW-Authenticate", "Bearer")
		answer = refusal{http.StatusUnauthorized, codeInvalidSession, "Invalid Session"}
	case errors.Is(err, ErrBanned):
		answer = refusal{http.StatusForbidden, "BANNED_ERROR", "Banned"}
	case errors.Is(err, ErrInsufficientPermissions):
		answer = refusal{http.StatusForbidden, "INSUFFICIENT_PERMISSIONS_ERROR", "Insufficient Permissions"}
	case errors.Is(err, ErrRateLimited):
		if failure, ok := errors.AsType[*Error](err); ok && failure.RetryAfter > 0 {
			h.Set("Retry-After", strconv.FormatInt(int64(failure.RetryAfter/time.Second), 10))
		}
		answer = refusal{http.StatusTooManyRequests, "RATELIMITED_ERROR", "You Have Been Ratelimited. Please Try Again Later."}
	default:
		// Not the sender's fault: their session may well be live.
		if r.Context().Err() == nil {
			c.log().ErrorContext(r.Context(), "sessiond could not be asked", slog.Any("error", err))
		}
		answer = refusal{http.StatusServiceUnavailable, "INTERNAL_SERVER_ERROR", "Internal Server Error"}
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(answer.status)
	// That the client went away meanwhile is nobody's error.
	_ = json.NewEncoder(w).Encode(answer)
}

type identityKey struct{}

// NewContext returns a context with an identity, which is what tests of a
// handler behind [Client.Require] need.
func NewContext(ctx context.Context, identity Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, identity)
}

// IdentityFrom returns who sent the request of a handler behind
// [Client.Require], from the request's context. It is false where there is no
// such middleware.
func IdentityFrom(ctx context.Context) (Identity, bool) {
	identity, ok := ctx.Value(identityKey{}).(Identity)
	return identity, ok
}
