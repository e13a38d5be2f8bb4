package client

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
)

// Account is a user's sessions as the bearer of one token reaches them. It is
// safe for concurrent use, and prints without its token.
type Account struct {
	client *Client
	token  string
	uid    string
}

// As returns the account of the user whose token this is. It sends nothing yet:
// a token that admits nobody shows as [ErrInvalidSession] in the calls.
func (c *Client) As(token string) *Account {
	return &Account{client: c, token: token, uid: "me"}
}

// User returns the account of another user, by ID, as the same token reaches
// it: staff alone may, else all calls are [ErrInsufficientPermissions]. There,
// nothing is the current session, and no session can be made.
func (a *Account) User(userID string) *Account {
	return &Account{client: a.client, token: a.token, uid: userID}
}

// String tells whose account this is.
func (a *Account) String() string {
	if a.uid != "me" && !validUserID(a.uid) {
		return "account of nobody"
	}
	return "account of " + a.uid
}

// GoString is String: %#v would show the token.
func (a *Account) GoString() string { return a.String() }

// LogValue is String: a logger that looks inside would show the token.
func (a *Account) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Current returns the session of the token itself.
func (a *Account) Current(ctx context.Context) (Session, error) {
	return a.session(ctx, call{method: http.MethodGet, url: "/me"})
}

// Session returns a session, or [ErrUnknownSession].
func (a *Account) Session(ctx context.Context, id int64) (Session, error) {
	return a.session(ctx, call{method: http.MethodGet, url: "/" + decimal(id)})
}

// Rename gives a session another name and returns it. Control characters are
// dropped and long names cut; a name of which nothing is left is
// [ErrMissingFields].
func (a *Account) Rename(ctx context.Context, id int64, name string) (Session, error) {
	type body struct {
		Name string `json:"name"`
	}
	return a.session(ctx, call{method: http.MethodPut, url: "/" + decimal(id) + "/name", body: body{Name: name}})
}

func (a *Account) session(ctx context.Context, k call) (Session, error) {
	var session Session
	k.status, k.result = http.StatusOK, &session
	if err := a.do(ctx, k); err != nil {
		return Session{}, err
	}
	return session, nil
}

// ScopedRequest is a session to be made that may do less than its user.
type ScopedRequest struct {
	Name string
	// PermissionFlags is what it may do; 0 is a token for the verify endpoint
	// alone.
	PermissionFlags Flags
	// LongLived asks for a session of years instead of a day.
	LongLived bool
	// Password is the account's, asked for once more.
	Password string
}

// CreateScoped makes a session for a script, say, and returns it with its
// token. Only a full session can, and a user only as often as logins are
// allowed: [ErrInsufficientPermissions], [ErrRateLimited].
func (a *Account) CreateScoped(ctx context.Context, r ScopedRequest) (ScopedSession, error) {
	if err := checkPassword(r.Password); err != nil {
		return ScopedSession{}, err
	}
	type body struct {
		Name            string `json:"name"`
		PermissionFlags Flags  `json:"permissionFlags"`
		LongLived       bool   `json:"longLived"`
		Password        string `json:"password"`
	}
	var session ScopedSession
	err := a.do(ctx, call{
		method: http.MethodPost,
		body:   body(r),
		status: http.StatusCreated, result: &session,
	})
	if err != nil {
		return ScopedSession{}, err
	}
	return session, nil
}

var errNotAUserID = fmt.Errorf("client: %w: a user ID is 13 digits", ErrUnknownUser)

// do sends a call whose URL is what follows the account's sessions.
func (a *Account) do(ctx context.Context, k call) error {
	switch {
	case !validToken(a.token):
		return errNotAToken
	// In a path, anything else could reach another endpoint.
	case a.uid != "me" && !validUserID(a.uid):
		return errNotAUserID
	}
	k.token = a.token
	k.url = a.client.base + "/users/" + a.uid + "/sessions" + k.url
	return a.client.do(ctx, k)
}

// validUserID tells whether text is 13 decimal digits.
func validUserID(text string) bool {
	for _, b := range []byte(text) {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(text) == 13
}

func decimal(id int64) string { return strconv.FormatInt(id, 10) }
