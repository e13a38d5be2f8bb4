package handlers

import (
	"context"
	"net/http"
	"strings"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
)

// caller is who sent a request: a session that was live when it was checked.
type caller struct {
	userID  string
	session redisstore.Session
	staff   bool
	banned  bool
}

// newCaller is the bearer of a token whose session is live.
func newCaller(ctx context.Context, claims tokens.Claims, access redisstore.Access) *caller {
	infoOf(ctx).userID = claims.UserID
	return &caller{
		userID:  claims.UserID,
		session: access.Session,
		staff:   access.Staff,
		banned:  access.Banned,
	}
}

// claims reads the request's token as far as its signature goes. The flag tells
// whether there is a token that some key of ours signed and that has not
// expired; only the store knows whether it still admits anybody.
func (a *API) claims(r *http.Request) (tokens.Claims, bool) {
	claims, err := a.verifier.Verify(bearer(r))
	return claims, err == nil
}

func bearerOf(claims tokens.Claims) redisstore.Bearer {
	return redisstore.Bearer{UserID: claims.UserID, SessionID: claims.SessionID, ExpiresAt: claims.ExpiresAt}
}

// bearer is the token that a request bears, with or without its scheme, or
// nothing.
func bearer(r *http.Request) string {
	lines := r.Header.Values("Authorization")
	// Of two tokens nobody can tell which one a proxy in front has looked at.
	if len(lines) != 1 {
		return ""
	}
	// The scheme's case does not count (RFC 9110, section 11.1).
	if scheme, rest, found := strings.Cut(lines[0], " "); found && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimLeft(rest, " ")
	}
	return lines[0]
}

// userHandler is a handler of requests that may bear a live session; its caller
// is nil where they don't.
type userHandler func(w http.ResponseWriter, r *http.Request, c *caller) error

// signedIn lets in who bears a live session of a user who is not banned.
func (a *API) signedIn(next userHandler) handlerFunc {
	return a.limited(func(w http.ResponseWriter, r *http.Request, c *caller) error {
		switch {
		case c == nil:
			return errInvalidSession
		case c.banned:
			return errBanned
		}
		err := next(w, r, c)
		a.touches.add(c)
		return err
	})
}

// account returns the ID of the user whose sessions the path names: the
// caller's own or, for staff, that of any user who exists. The caller's session
// must be allowed what the request wants.
func (a *API) account(r *http.Request, c *caller, wanted permission) (string, error) {
	uid := pathVar(r, "uid")
	if uid == "me" || uid == c.userID {
		if !c.may(wanted.own) {
			return "", errInsufficientPermissions
		}
		return c.userID, nil
	}
	// Before the user is looked up: who may not see is not told who exists.
	if !c.staff || !c.may(wanted.others) {
		return "", errInsufficientPermissions
	}
	_, found, err := a.store.User(r.Context(), uid)
	if err != nil {
		return "", err
	}
	if !found {
		return "", errUnknownUser
	}
	return uid, nil
}

// is tells whether a session is the one that sent the request.
func (c *caller) is(uid, sid string) bool {
	return uid == c.userID && sid == c.session.ID
}

// namesItself tells whether the path names the very session that sent the
// request, which any session may end.
func (c *caller) namesItself(r *http.Request) bool {
	uid, sid := pathVar(r, "uid"), pathVar(r, "sid")
	return (uid == "me" || uid == c.userID) && (sid == "me" || sid == c.session.ID)
}

// sessionID resolves "me", which is the caller's own session and so names none
// of another user's.
func sessionID(sid, uid string, c *caller) (string, bool) {
	if sid == "me" {
		return c.session.ID, uid == c.userID
	}
	return sid, redisstore.ValidSessionID(sid)
}
