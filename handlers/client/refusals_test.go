package client_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/handlers/client"
)

// TestRefusals has every refusal that the real API can be brought to.
func TestRefusals(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	shared.addUser(t, "refused")
	other := shared.addUser(t, "other")
	banned := shared.addUser(t, "outlaw")
	shared.addStaff(t, "sheriff")
	c := shared.client(t)
	user := c.As(login(t, c, "refused"))
	staff := c.As(login(t, c, "sheriff"))
	outlaw := c.As(login(t, c, "outlaw"))
	if _, err := shared.store.BanUser(ctx, banned.ID); err != nil {
		t.Fatal(err)
	}
	ended := c.As(login(t, c, "refused"))
	if err := ended.Logout(ctx); err != nil {
		t.Fatal(err)
	}
	loginAs := func(name, password string) error {
		_, err := c.Login(ctx, client.LoginRequest{Username: name, Password: password})
		return err
	}

	tests := []struct {
		name   string
		err    error
		want   error
		status int
	}{
		{"unknown name", loginAs("nobody", password), client.ErrUnknownUser, 404},
		{"wrong password", loginAs("refused", "Tr0ub4dor&3"), client.ErrInvalidPassword, 401},
		{"banned at login", loginAs("outlaw", password), client.ErrBanned, 403},
		{"no name", loginAs("", password), client.ErrMissingFields, 400},
		{"banned", failure(outlaw.Current(ctx)), client.ErrBanned, 403},
		{"ended", failure(ended.Current(ctx)), client.ErrInvalidSession, 401},
		{"logged out twice", ended.Logout(ctx), client.ErrInvalidSession, 401},
		{"no session", failure(user.Session(ctx, 1)), client.ErrUnknownSession, 404},
		{"negative session", failure(user.Session(ctx, -1)), client.ErrUnknownSession, 404},
		{"session of another", failure(user.User(other.ID).Sessions(ctx, client.ListOptions{})), client.ErrInsufficientPermissions, 403},
		{"unknown user for staff", failure(staff.User("1234567890123").Sessions(ctx, client.ListOptions{})), client.ErrUnknownUser, 404},
		{"none to end", failure(user.End(ctx)), client.ErrUnknownSession, 404},
		{"unknown to end", failure(user.End(ctx, 1_600_000_000_000)), client.ErrUnknownSession, 404},
		{"no session ID to end", failure(user.End(ctx, 7)), client.ErrMissingFields, 400},
		{"too many to end", failure(user.End(ctx, make([]int64, client.MaxIDs+1)...)), client.ErrBodyTooLarge, 400},
		{"too long a name", failure(user.Rename(ctx, 1, strings.Repeat("a", 200_000))), client.ErrBodyTooLarge, 413},
		{"no name to give", failure(user.Rename(ctx, 1, " \n")), client.ErrMissingFields, 400},
		{"scoped with a wrong password", failure(user.CreateScoped(ctx, client.ScopedRequest{Name: "x", Password: "no"})), client.ErrInvalidPassword, 401},
		{"wrong base URL", failure(newClient(t, shared.url+"/v2").As("x").Current(ctx)), client.ErrInvalidEndpoint, 404},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if !errors.Is(test.err, test.want) {
				t.Fatalf("error %v, want %v", test.err, test.want)
			}
			refused, ok := errors.AsType[*client.Error](test.err)
			if !ok || refused.Status != test.status || refused.Code == "" || refused.Message == "" {
				t.Errorf("error %#v, want status %d", refused, test.status)
			}
		})
	}
}

// failure is the error of a call that returns something beside.
func failure[T any](_ T, err error) error { return err }

// TestUnsendable has what is refused before anything is sent: nothing listens.
func TestUnsendable(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := newClient(t, "http://127.0.0.1:1/api")
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"no token", failure(c.As("").Current(ctx)), client.ErrInvalidSession},
		{"two lines", c.As("a\nb").Logout(ctx), client.ErrInvalidSession},
		{"spaces", failure(c.Verify(ctx, "Basic abc")), client.ErrInvalidSession},
		{"too long", failure(c.Verify(ctx, strings.Repeat("a", 10_000))), client.ErrInvalidSession},
		{"no user ID", failure(c.As("x").User("").Current(ctx)), client.ErrUnknownUser},
		{"a path", failure(c.As("x").User("../../login12").Current(ctx)), client.ErrUnknownUser},
		{"me with a query", failure(c.As("x").User("me?full=true&").EndAll(ctx, client.EndAllOptions{})), client.ErrUnknownUser},
		{"password in Latin-1", failure(c.Login(ctx, client.LoginRequest{Username: "a", Password: "caf\xe9"})), client.ErrInvalidPassword},
		{"scoped in Latin-1", failure(c.As("x").CreateScoped(ctx, client.ScopedRequest{Password: "caf\xe9"})), client.ErrInvalidPassword},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if !errors.Is(test.err, test.want) {
				t.Errorf("error %v, want %v", test.err, test.want)
			}
		})
	}
	if err := failure(c.Login(ctx, client.LoginRequest{Username: "a", Password: "b", SessionName: "a\r\nX-Admin: 1"})); err == nil {
		t.Error("a name of two lines was sent")
	}
	if err := failure(c.As("x").Current(ctx)); err == nil || errors.Is(err, client.ErrUnexpectedAnswer) {
		t.Errorf("nothing listens: %v", err)
	}
}
