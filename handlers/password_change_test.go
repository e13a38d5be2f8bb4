package handlers_test

import (
	"context"
	"testing"

	"github.com/sessiond/sessiond/redisstore"
)

// overtaken has something happen once a password is verified and before its
// login goes on.
type overtaken struct {
	*redisstore.Passwords

	by func()
}

func (o overtaken) Verify(ctx context.Context, hash, password string) (bool, error) {
	match, err := o.Passwords.Verify(ctx, hash, password)
	o.by()
	return match, err
}

func TestChangedPasswordEndsAllSessions(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	a, b := s.replica(), s.replica()
	ada := s.addUser("ada")
	s.addUser("bob")
	first, second, bobs := a.login("ada"), b.login("ada"), a.login("bob")

	hash := hashOf(t, "a new password")
	change := func() {
		if _, found, err := s.store.SetPasswordHash(t.Context(), ada.ID, hash); !found || err != nil {
			t.Errorf("found %v, %v", found, err)
		}
	}
	late := s.replicaWith(overtaken{redisstore.NewPasswords(s.config.Passwords.BcryptCost), change})
	late.do(loginRequest("ada", password)).is(t, 401, "INVALID_PASSWORD_ERROR")

	for _, r := range []*replica{a, b} {
		for _, token := range []string{first, second} {
			r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
		}
		r.get(bobs, "/users/me/sessions/me").is(t, 200, "")
		r.do(loginRequest("ada", password)).is(t, 401, "INVALID_PASSWORD_ERROR")
	}
	got := b.do(loginRequest("ada", "a new password"))
	got.is(t, 201, "")
	a.get(got.field(t, "token"), "/users/me/sessions/me").is(t, 200, "")
}
