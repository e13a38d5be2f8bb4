package client_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/handlers/client"
)

func TestLoginTellsTheServerWhoLogsIn(t *testing.T) {
	t.Parallel()
	shared.addUser(t, "far")
	c := shared.client(t)
	got, err := c.Login(t.Context(), client.LoginRequest{
		Username: "FAR", Password: password, RememberMe: true, SessionName: "Küche 🍳",
		UserAgent: "curl/8.4.0", ForwardedFor: netip.MustParseAddr("192.0.2.7"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(got.ExpiresAt); left < 9*365*24*time.Hour {
		t.Errorf("the session ends in %s", left)
	}
	session, err := c.As(got.Token).Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if created := time.UnixMilli(session.ID).UTC(); !session.CreatedAt.Equal(created) {
		t.Errorf("created at %s, want %s", session.CreatedAt, created)
	}
	session.ID, session.UsedAt, session.CreatedAt, session.UpdatedAt = 0, time.Time{}, time.Time{}, time.Time{}
	want := client.Session{
		Name: "Küche 🍳", ExpiresAt: got.ExpiresAt, IP: "192.0.2.7", UserAgent: "curl/8.4.0", Current: true,
	}
	if diff := cmp.Diff(want, session); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
}

func TestSessionsOfOneAccount(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	user := shared.addUser(t, "bob")
	c := shared.client(t)
	bob := c.As(login(t, c, "bob"))
	var want []string
	for i := range 59 {
		got, err := c.Login(ctx, client.LoginRequest{Username: "bob", Password: password, SessionName: fmt.Sprint("login ", i)})
		if err != nil {
			t.Fatal(err)
		}
		bob, want = c.As(got.Token), append([]string{fmt.Sprint("login ", i)}, want...)
	}

	page, err := bob.Sessions(ctx, client.ListOptions{Offset: 1, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if page.Count != 60 || len(page.Items) != 2 || page.Items[0].Name != want[1] || page.Items[1].Name != want[2] {
		t.Errorf("page %+v", page)
	}
	full, err := bob.FullSessions(ctx, client.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if full.Count != 60 || len(full.Items) != 50 || !full.Items[0].Current || full.Items[1].Current {
		t.Errorf("full page: %d of %d, first %+v", len(full.Items), full.Count, full.Items[0])
	}

	var names []string
	var ids []int64
	for session, err := range bob.AllSessions(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		names, ids = append(names, session.Name), append(ids, session.ID)
	}
	if diff := cmp.Diff(want, names[:59]); diff != "" || len(names) != 60 {
		t.Errorf("%d names (-want +got):\n%s", len(names), diff)
	}

	would, err := bob.WouldEnd(ctx, ids[1], ids[2], 1_600_000_000_000)
	if err != nil || !sameIDs(would, ids[1:3]) {
		t.Errorf("would end %d, %v; want %d", would, err, ids[1:3])
	}
	if ended, err := bob.End(ctx, ids[1], ids[2], ids[1]); err != nil || ended != 2 {
		t.Errorf("ended %d, %v; want 2", ended, err)
	}
	renamed, err := bob.Rename(ctx, ids[3], "  Attic ")
	if err != nil || renamed.ID != ids[3] || renamed.Name != "Attic" {
		t.Errorf("renamed to %+v, %v", renamed, err)
	}
	if got, err := bob.Session(ctx, ids[3]); err != nil || got.Name != "Attic" || got.Current {
		t.Errorf("session %+v, %v", got, err)
	}

	// Staff reach the same sessions, but have none of their own there.
	shared.addStaff(t, "grace")
	staff := c.As(login(t, c, "grace")).User(user.ID)
	if got, err := staff.Session(ctx, ids[0]); err != nil || got.Name != want[0] || got.Current {
		t.Errorf("staff sees %+v, %v", got, err)
	}
	if err := failure(staff.Current(ctx)); !errors.Is(err, client.ErrUnknownSession) {
		t.Errorf("another's current session: %v", err)
	}
	dry, err := bob.EndAll(ctx, client.EndAllOptions{DryRun: true})
	if err != nil || dry.Count != 57 || !sameIDs(dry.IDs, ids[3:]) {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	if ended, err := bob.EndAll(ctx, client.EndAllOptions{}); err != nil || ended.Count != 57 || ended.IDs != nil {
		t.Errorf("ended %+v, %v", ended, err)
	}
	if ended, err := bob.EndAll(ctx, client.EndAllOptions{}); err != nil || ended.Count != 0 {
		t.Errorf("ended %+v, %v; want none", ended, err)
	}
	if ended, err := bob.EndAll(ctx, client.EndAllOptions{IncludeSelf: true}); err != nil || ended.Count != 1 {
		t.Errorf("ended %+v, %v; want the last", ended, err)
	}
	if err := failure(bob.Current(ctx)); !errors.Is(err, client.ErrInvalidSession) {
		t.Errorf("after the end: %v", err)
	}
}

func sameIDs(a, b []int64) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func TestScopedSession(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	shared.addUser(t, "scripter")
	c := shared.client(t)
	const own = client.Flags(1 << 40)
	scoped, err := c.As(login(t, c, "scripter")).CreateScoped(ctx, client.ScopedRequest{
		Name: "script", PermissionFlags: own, Password: password,
	})
	if err != nil {
		t.Fatal(err)
	}
	if scoped.Name != "script" || scoped.PermissionFlags == nil || *scoped.PermissionFlags != own {
		t.Errorf("scoped session %+v", scoped.Session)
	}
	script := c.As(scoped.Token)
	for _, err := range []error{
		failure(script.Current(ctx)),
		failure(script.CreateScoped(ctx, client.ScopedRequest{Name: "x", Password: password})),
	} {
		if !errors.Is(err, client.ErrInsufficientPermissions) {
			t.Errorf("error %v", err)
		}
	}
	// Any session may end itself.
	if err := script.Logout(ctx); err != nil {
		t.Error(err)
	}
}

func TestAPILimit(t *testing.T) {
	t.Parallel()
	limited := start(t, func(c *config.Config) { c.Limits.API.Requests = 1 })
	limited.addUser(t, "carol")
	c := limited.client(t, client.WithRetries(3, time.Hour))
	carol := c.As(login(t, c, "carol"))
	if _, err := carol.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The window is one of centuries: far longer than the longest wait.
	refused, ok := errors.AsType[*client.Error](failure(carol.Current(t.Context())))
	if !ok || !errors.Is(refused, client.ErrRateLimited) || refused.RetryAfter < time.Hour {
		t.Errorf("error %v, want a long wait", refused)
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()
	down := start(t, func(c *config.Config) { c.Redis.Timeout = time.Second })
	down.addUser(t, "dave")
	c := down.client(t, client.WithLogger(slog.New(slog.DiscardHandler)))
	token := login(t, c, "dave")
	down.redis.Kill()
	if err := failure(c.As(token).Current(t.Context())); !errors.Is(err, client.ErrInternal) {
		t.Errorf("error %v", err)
	}
	refused(t, ask(t, c, token), http.StatusServiceUnavailable, "INTERNAL_SERVER_ERROR")
	gateway := down.client(t, client.WithVerifyURL(down.verifyURL), client.WithLogger(slog.New(slog.DiscardHandler)))
	refused(t, ask(t, gateway, token), http.StatusServiceUnavailable, "INTERNAL_SERVER_ERROR")
	if err := failure(gateway.Verify(t.Context(), token)); !errors.Is(err, client.ErrInternal) {
		t.Errorf("error %v", err)
	}
}
