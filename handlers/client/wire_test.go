package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/handlers/client"
)

func TestNewRefusesURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "example.com/api", "ftp://example.com", "http://", "http:///api",
		"http://user:hunter2@example.com", "http://example.com/api?hunter2", "http://example.com/#hunter2",
		"http://example.com:hunter2/", "http://exa mple/hunter2",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			_, err := client.New(url)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the URL: %v", err)
			}
			if _, err := client.New("http://example.com", client.WithVerifyURL(url)); err == nil {
				t.Error("no error as a verify URL")
			}
		})
	}
	for _, opt := range []client.Option{
		client.WithHTTPClient(nil), client.WithUserAgent(""), client.WithUserAgent("a\nb"), client.WithRetries(-1, time.Second),
	} {
		if _, err := client.New("http://example.com", opt); err == nil {
			t.Error("an option without meaning was taken")
		}
	}
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	var got []string
	c := newClient(t, "http://example.com/api/", client.WithUserAgent("shop/1"), offline(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprintf("%s %s %q %s %s", r.Method, r.URL, r.Header.Get("Authorization"), r.UserAgent(), body))
		answer(w, http.StatusTeapot, `{"code":"TEAPOT_ERROR","message":"Teapot"}`)
	}))
	ctx := t.Context()
	a := c.As("to.k.en")
	for _, err := range []error{
		failure(c.Login(ctx, client.LoginRequest{Username: "a", Password: "b"})),
		failure(a.User("1647015028626").FullSessions(ctx, client.ListOptions{Limit: 7, Offset: 14})),
		failure(a.Sessions(ctx, client.ListOptions{Limit: -1, Offset: -1})),
		failure(a.End(ctx)),
		failure(a.WouldEnd(ctx, 1687067614)),
		failure(a.EndAll(ctx, client.EndAllOptions{IncludeSelf: true, DryRun: true})),
		a.Logout(ctx),
		failure(a.Rename(ctx, 1795442682596, "Ä")),
		failure(a.CreateScoped(ctx, client.ScopedRequest{Name: "n", PermissionFlags: client.FlagReadSessions, Password: "p"})),
	} {
		refused, ok := errors.AsType[*client.Error](err)
		if !ok || refused.Code != "TEAPOT_ERROR" || refused.Status != http.StatusTeapot || errors.Unwrap(err) != nil {
			t.Errorf("error %v", err)
		}
	}
	want := []string{
		`POST http://example.com/api/login "" shop/1 {"username":"a","password":"b","rememberMe":false}`,
		`GET http://example.com/api/users/1647015028626/sessions?full=true&limit=7&offset=14 "Bearer to.k.en" shop/1 `,
		`GET http://example.com/api/users/me/sessions "Bearer to.k.en" shop/1 `,
		`DELETE http://example.com/api/users/me/sessions "Bearer to.k.en" shop/1 {"ids":[]}`,
		`DELETE http://example.com/api/users/me/sessions?dry-run=true "Bearer to.k.en" shop/1 {"ids":[1687067614]}`,
		`DELETE http://example.com/api/users/me/sessions/all?dry-run=true&include-self=true "Bearer to.k.en" shop/1 `,
		`DELETE http://example.com/api/users/me/sessions/me "Bearer to.k.en" shop/1 `,
		`PUT http://example.com/api/users/me/sessions/1795442682596/name "Bearer to.k.en" shop/1 {"name":"Ä"}`,
		`POST http://example.com/api/users/me/sessions "Bearer to.k.en" shop/1 {"name":"n","permissionFlags":32,"longLived":false,"password":"p"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestUnexpectedAnswers(t *testing.T) {
	t.Parallel()
	const page = "<html>502 Bad Gateway</html>"
	tests := []struct {
		name   string
		status int
		typ    string
		body   string
	}{
		{"page", 502, "text/html", page},
		{"page that calls itself JSON", 502, "application/json", page},
		{"JSON that calls itself a page", 200, "text/html", `{"id":1795442682596,"exp":2111018682}`},
		{"no type", 200, "", `{"id":1795442682596,"exp":2111018682}`},
		{"error without a code", 401, "application/json", `{"error":"invalid_token"}`},
		{"other success", 202, "application/json", `{"id":1795442682596,"exp":2111018682}`},
		{"nothing", 200, "application/json", ``},
		{"null", 200, "application/json", `null`},
		{"empty object", 200, "application/json", `{}`},
		{"text as ID", 200, "application/json", `{"id":"1795442682596","exp":2111018682}`},
		{"two values", 200, "application/json", `{"id":1795442682596,"exp":2111018682} {}`},
		{"too long", 200, "application/json", `{"id":1795442682596,"exp":2111018682}` + strings.Repeat(" ", 2<<20)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url := stub(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{test.typ}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			a := newClient(t, url).As("x")
			err := failure(a.Current(t.Context()))
			if refused, ok := errors.AsType[*client.Error](err); !ok || refused.Status != test.status || refused.Code != "" {
				t.Errorf("error %v, want one with status %d", err, test.status)
			}
			for _, err := range []error{
				err,
				failure(newClient(t, url).Login(t.Context(), client.LoginRequest{})),
				failure(a.Sessions(t.Context(), client.ListOptions{})),
				failure(a.End(t.Context(), 1)),
				failure(a.EndAll(t.Context(), client.EndAllOptions{DryRun: true})),
				failure(a.CreateScoped(t.Context(), client.ScopedRequest{})),
			} {
				if !errors.Is(err, client.ErrUnexpectedAnswer) {
					t.Errorf("error %v", err)
				}
			}
		})
	}
}

func TestDryRunThatWasNone(t *testing.T) {
	t.Parallel()
	c := newClient(t, "http://example.com", offline(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"code":"DELETE_SESSIONS_SUCCESS","message":"Sessions Successfully Deleted","count":3}`)
	}))
	got, err := c.As("x").EndAll(t.Context(), client.EndAllOptions{DryRun: true})
	if !errors.Is(err, client.ErrUnexpectedAnswer) || !strings.Contains(err.Error(), "ended the sessions") {
		t.Errorf("%+v, error %v", got, err)
	}
}
