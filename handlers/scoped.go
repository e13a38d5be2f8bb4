package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens/strictjson"
)

// createScopedSession handles POST /users/:uid/sessions: a full session makes
// one that may do less, such as a script's, once the password was given again.
func (a *API) createScopedSession(w http.ResponseWriter, r *http.Request, c *caller) error {
	ctx := r.Context()
	// Nobody makes sessions of others, nor does a scoped session make another.
	if uid := pathVar(r, "uid"); (uid != "me" && uid != c.userID) || c.session.PermissionFlags != nil {
		return errInsufficientPermissions
	}
	quota, err := a.store.AllowScopedSession(ctx, c.userID)
	if err := a.admitLogin(w, quota, err); err != nil {
		return err
	}
	wish, err := readScopedSession(w, r)
	if err != nil {
		return err
	}
	user, found, err := a.store.User(ctx, c.userID)
	if err != nil {
		return err
	}
	if !found {
		return errInvalidSession
	}
	if err := a.verifyPassword(ctx, user, wish.password); err != nil {
		return err
	}
	session, token, err := a.startSession(ctx, redisstore.NewSession{
		UserID:          user.ID,
		PasswordHash:    user.PasswordHash,
		Name:            wish.name,
		TTL:             a.ttl(wish.longLived),
		PermissionFlags: &wish.flags,
		IP:              infoOf(ctx).clientIP.String(),
		UserAgent:       r.UserAgent(),
	})
	if errors.Is(err, errUnknownUser) {
		return errInvalidSession
	}
	if err != nil {
		return err
	}
	return respond(w, http.StatusCreated, scopedBody{sessionBody: newSessionBody(session, false), Token: token})
}

type scopedBody struct {
	sessionBody

	Token string `json:"token"`
}

type scopedSession struct {
	name, password string
	flags          int64
	longLived      bool
}

func readScopedSession(w http.ResponseWriter, r *http.Request) (scopedSession, error) {
	members, err := readObject(w, r)
	if err != nil {
		return scopedSession{}, err
	}
	var wish scopedSession
	var missing []string
	var ok bool
	if wish.name, ok = readSessionName(members["name"]); !ok {
		missing = append(missing, "name")
	}
	if wish.flags, ok = readFlags(members["permissionFlags"]); !ok {
		missing = append(missing, "permissionFlags")
	}
	if wish.longLived, err = readOptionalBool(members["longLived"]); err != nil {
		missing = append(missing, "longLived")
	}
	if wish.password, _ = strictjson.String(members["password"]); wish.password == "" {
		missing = append(missing, "password")
	}
	if len(missing) > 0 {
		return scopedSession{}, errMissingFields(missing...)
	}
	return wish, nil
}

// readFlags reads a bit set written as a whole number. 0 is one: a token for the
// verify endpoint alone.
func readFlags(raw json.RawMessage) (int64, bool) {
	digits, ok := strictjson.Whole(raw)
	if !ok {
		return 0, false
	}
	flags, err := strconv.ParseInt(digits, 10, 64)
	return flags, err == nil && flags <= maxPermissionFlags
}

// verifyPassword tells whether a password is the account's.
func (a *API) verifyPassword(ctx context.Context, user redisstore.User, password string) error {
	match, err := a.passwords.Verify(ctx, user.PasswordHash, password)
	switch {
	case errors.Is(err, redisstore.ErrHashingBusy):
		return errHashingBusy
	case err != nil:
		return err
	case !match:
		return errInvalidPassword
	default:
		return nil
	}
}
