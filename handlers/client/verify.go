package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// Identity is who sent a request.
type Identity struct {
	UserID    string
	SessionID int64
	// Staff is known of the verify endpoint alone, and else false.
	Staff bool
	// PermissionFlags is nil for a full session.
	PermissionFlags *Flags
}

// May tells whether the session may do what flag stands for. Flags that sessiond
// has no name for are yours to give a meaning.
func (i Identity) May(flag Flags) bool { return i.PermissionFlags.Has(flag) }

// The headers in which the verify endpoint answers.
const (
	headerUser        = "X-User-Id"
	headerSession     = "X-Session-Id"
	headerStaff       = "X-User-Staff"
	headerPermissions = "X-Session-Permissions"
)

// Verify asks sessiond whose token this is. Nothing is remembered: a session
// that was ended is refused by the very next call. A token that admits nobody is
// [ErrInvalidSession], a banned user [ErrBanned].
//
// With [WithVerifyURL] it asks the verify endpoint, which no limit applies to.
// Otherwise it asks the API for the token's session, which has drawbacks: each
// call counts towards the user's API limit, and towards that of the service's
// own address where the token is refused, [ErrRateLimited]; a scoped session
// needs FlagReadSessions, or it is [ErrInsufficientPermissions]; nobody is
// known to be staff.
func (c *Client) Verify(ctx context.Context, token string) (Identity, error) {
	switch {
	case !validToken(token):
		return Identity{}, errNotAToken
	case c.verifyURL != "":
		return c.verifyAtGateway(ctx, token)
	default:
		return c.verifyAtAPI(ctx, token)
	}
}

func (c *Client) verifyAtGateway(ctx context.Context, token string) (Identity, error) {
	got, err := c.exchange(ctx, call{method: http.MethodGet, url: c.verifyURL, token: token})
	switch {
	case err != nil:
		return Identity{}, err
	case got.status >= http.StatusBadRequest:
		return Identity{}, got.failure()
	case got.status != http.StatusNoContent:
		return Identity{}, unexpected(got.status, "a status that the verify endpoint does not have")
	}
	identity, ok := readIdentity(got.header)
	if !ok {
		return Identity{}, unexpected(got.status, "it does not tell who the sender is")
	}
	return identity, nil
}

// readIdentity wants every header, each once: without X-Session-Permissions,
// say, a scoped session would pass for a full one.
func readIdentity(h http.Header) (Identity, bool) {
	for _, name := range []string{headerUser, headerSession, headerStaff, headerPermissions} {
		if len(h.Values(name)) != 1 {
			return Identity{}, false
		}
	}
	sid, err := strconv.ParseInt(h.Get(headerSession), 10, 64)
	if err != nil || sid <= 0 || !validUserID(h.Get(headerUser)) {
		return Identity{}, false
	}
	identity := Identity{UserID: h.Get(headerUser), SessionID: sid}
	switch h.Get(headerStaff) {
	case "true":
		identity.Staff = true
	case "false":
	default:
		return Identity{}, false
	}
	if text := h.Get(headerPermissions); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return Identity{}, false
		}
		flags := Flags(n)
		identity.PermissionFlags = &flags
	}
	return identity, true
}

func (c *Client) verifyAtAPI(ctx context.Context, token string) (Identity, error) {
	var session Session
	err := c.once(ctx, call{
		method: http.MethodGet, url: c.base + "/users/me/sessions/me", token: token,
		status: http.StatusOK, result: &session,
	})
	if err != nil {
		return Identity{}, err
	}
	// The answer does not name the user. The token does, and may be believed
	// now that sessiond has checked its signature; that it names the session of
	// the answer, too, tells that nothing between mixed up two answers.
	uid, sid, ok := subject(token)
	if !ok || sid != session.ID {
		return Identity{}, unexpected(http.StatusOK, "it is about another session")
	}
	return Identity{UserID: uid, SessionID: session.ID, PermissionFlags: session.PermissionFlags}, nil
}

// subject reads whom a token names: user and session. It checks no signature.
func subject(token string) (uid string, sid int64, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", 0, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", 0, false
	}
	var claims struct {
		Subject   string `json:"sub"`
		SessionID string `json:"sid"`
		IssuedAt  int64  `json:"iat"`
	}
	if json.Unmarshal(payload, &claims) != nil || !validUserID(claims.Subject) {
		return "", 0, false
	}
	// A token of the older API names its session by its own time.
	if claims.SessionID == "" {
		return claims.Subject, claims.IssuedAt, true
	}
	sid, err = strconv.ParseInt(claims.SessionID, 10, 64)
	return claims.Subject, sid, err == nil
}
