package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
	"github.com/sessiond/sessiond/tokens/strictjson"
)

// login handles POST /login: it starts a session and answers with its token.
func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := a.limitLogin(ctx, w); err != nil {
		return err
	}
	if err := a.refuseLiveSession(r); err != nil {
		return err
	}
	credentials, err := readCredentials(w, r)
	if err != nil {
		return err
	}
	user, err := a.checkPassword(ctx, credentials)
	if err != nil {
		return err
	}
	infoOf(ctx).userID = user.ID
	if !user.BannedAt.IsZero() {
		return errBanned
	}
	user.PasswordHash = a.strengthen(ctx, user, credentials.password)

	session, token, err := a.startSession(ctx, redisstore.NewSession{
		UserID:       user.ID,
		PasswordHash: user.PasswordHash,
		Name:         sessionName(r.Header),
		TTL:          a.ttl(credentials.rememberMe),
		IP:           infoOf(ctx).clientIP.String(),
		UserAgent:    r.UserAgent(),
	})
	if err != nil {
		return err
	}
	return respond(w, http.StatusCreated, loginBody{Token: token, Exp: session.ExpiresAt.Unix()})
}

type loginBody struct {
	Token string `json:"token"`
	Exp   int64  `json:"exp"`
}

// refuseLiveSession refuses who is logged in already. A stale or malformed
// token is no obstacle, or its bearer could never log in again.
func (a *API) refuseLiveSession(r *http.Request) error {
	claims, signed := a.claims(r)
	if !signed {
		return nil
	}
	access, err := a.store.Lookup(r.Context(), bearerOf(claims))
	if err != nil {
		return err
	}
	if access.Live {
		return errInvalidSession
	}
	return nil
}

type credentials struct {
	username, password string
	rememberMe         bool
}

func readCredentials(w http.ResponseWriter, r *http.Request) (credentials, error) {
	members, err := readObject(w, r)
	if err != nil {
		return credentials{}, err
	}
	var c credentials
	var missing []string
	if c.username, _ = strictjson.String(members["username"]); strings.TrimSpace(c.username) == "" {
		missing = append(missing, "username")
	}
	// A password is never trimmed.
	if c.password, _ = strictjson.String(members["password"]); c.password == "" {
		missing = append(missing, "password")
	}
	c.rememberMe, err = readOptionalBool(members["rememberMe"])
	if err != nil {
		missing = append(missing, "rememberMe")
	}
	if len(missing) > 0 {
		return credentials{}, errMissingFields(missing...)
	}
	return c, nil
}

var errNotBool = errors.New("neither true nor false")

// readOptionalBool takes null for what a client sends that has no value.
func readOptionalBool(raw json.RawMessage) (bool, error) {
	if raw == nil || strictjson.IsNull(raw) {
		return false, nil
	}
	value, ok := strictjson.Bool(raw)
	if !ok {
		return false, errNotBool
	}
	return value, nil
}

// checkPassword returns the user whose name and password these are.
func (a *API) checkPassword(ctx context.Context, c credentials) (redisstore.User, error) {
	user, found, err := a.store.UserByName(ctx, c.username)
	if err != nil {
		return redisstore.User{}, err
	}
	if !found {
		return redisstore.User{}, errUnknownUser
	}
	return user, a.verifyPassword(ctx, user, c.password)
}

// errHashingBusy is what a login is told that found the queue for hashing full.
var errHashingBusy = errRateLimited(5 * time.Second)

// strengthen replaces a hash that was made with less work than new ones, which
// only a login can do, and returns the account's hash. A login does not fail
// for it.
func (a *API) strengthen(ctx context.Context, user redisstore.User, password string) string {
	if !a.passwords.Weak(user.PasswordHash) {
		return user.PasswordHash
	}
	hash, err := a.passwords.Hash(ctx, password)
	if err == nil {
		var replaced bool
		replaced, err = a.store.UpgradePasswordHash(ctx, user.ID, user.PasswordHash, hash)
		if replaced {
			return hash
		}
	}
	if err != nil {
		a.log.WarnContext(ctx, "a weak password hash stays", slog.String("user", user.ID), slog.Any("error", err))
	}
	return user.PasswordHash
}

// startSession creates a session and its token, unless the account changed since
// its password was verified.
func (a *API) startSession(ctx context.Context, n redisstore.NewSession) (redisstore.Session, string, error) {
	// The session notes the key that signs its token, also if another takes over
	// in between: keys retire counts on it.
	signer := a.issuer.Signer()
	n.KeyID = signer.KeyID()
	session, outcome, err := a.store.CreateSession(ctx, n)
	if err != nil {
		return redisstore.Session{}, "", err
	}
	switch outcome {
	case redisstore.UserUnknown:
		return redisstore.Session{}, "", errUnknownUser
	case redisstore.UserBanned:
		return redisstore.Session{}, "", errBanned
	case redisstore.PasswordChanged:
		return redisstore.Session{}, "", errInvalidPassword
	}
	token, err := signer.Issue(tokens.Claims{
		UserID: n.UserID, SessionID: session.ID, IssuedAt: session.CreatedAt, ExpiresAt: session.ExpiresAt,
	})
	return session, token, err
}

func (a *API) ttl(rememberMe bool) time.Duration {
	if rememberMe {
		return a.options.RememberMeTTL
	}
	return a.options.SessionTTL
}
