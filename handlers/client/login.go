package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"
	"unicode/utf8"
)

// LoginRequest is who logs in, and how the session is to be.
type LoginRequest struct {
	Username, Password string
	// RememberMe asks for a session of years instead of a day.
	RememberMe bool
	// SessionName names the session; empty leaves that to the server, which
	// names it after the user agent.
	SessionName string

	// UserAgent is that of the person for whom a service logs in; empty means
	// the client's own.
	UserAgent string
	// ForwardedFor is that person's address, so that the login limit counts it
	// and not the service's. sessiond believes it only from the peers in its
	// setting http.trusted_proxies.
	ForwardedFor netip.Addr
}

// Login is a session that has begun.
type Login struct {
	// Token is a secret: whoever has it is the user, until the session ends.
	Token     string
	ExpiresAt time.Time
}

// Login begins a session. The server allows few logins of one address in a
// while, successful or not: [ErrRateLimited]. Wrong names and passwords are
// [ErrUnknownUser] and [ErrInvalidPassword]; a banned user is [ErrBanned].
func (c *Client) Login(ctx context.Context, r LoginRequest) (Login, error) {
	if err := checkPassword(r.Password); err != nil {
		return Login{}, err
	}
	header := http.Header{}
	for name, value := range map[string]string{"X-Session-Name": r.SessionName, "User-Agent": r.UserAgent} {
		if value == "" {
			continue
		}
		if !sendable(value) {
			return Login{}, errors.New("client: a session name or user agent does not fit on a line")
		}
		header.Set(name, value)
	}
	if r.ForwardedFor.IsValid() {
		header.Set("X-Forwarded-For", r.ForwardedFor.WithZone("").String())
	}
	type body struct {
		Username   string `json:"username"`
		Password   string `json:"password"`
		RememberMe bool   `json:"rememberMe"`
	}
	var answer struct {
		Token string `json:"token"`
		Exp   int64  `json:"exp"`
	}
	err := c.do(ctx, call{
		method: http.MethodPost, url: c.base + "/login", header: header,
		body:   body{Username: r.Username, Password: r.Password, RememberMe: r.RememberMe},
		status: http.StatusCreated, result: &answer,
	})
	if err != nil {
		return Login{}, err
	}
	if !validToken(answer.Token) {
		return Login{}, unexpected(http.StatusCreated, "there is no token")
	}
	return Login{Token: answer.Token, ExpiresAt: time.Unix(answer.Exp, 0).UTC()}, nil
}

// checkPassword refuses what JSON would turn into another password.
func checkPassword(password string) error {
	if !utf8.ValidString(password) {
		return fmt.Errorf("client: %w: it is not UTF-8", ErrInvalidPassword)
	}
	return nil
}

// maxToken is far more than any token has, in bytes, and well within what
// servers take as a header.
const maxToken = 8 << 10

// validToken tells whether text can be sent as a token at all.
func validToken(text string) bool {
	for _, b := range []byte(text) {
		if b <= ' ' || b >= 0x7f {
			return false
		}
	}
	return text != "" && len(text) <= maxToken
}

var errNotAToken = fmt.Errorf("client: %w: this is no token", ErrInvalidSession)
