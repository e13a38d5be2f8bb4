package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sessiond/sessiond/handlers/client"
)

func ExampleClient_Login() {
	ctx := context.Background()
	c, err := client.New(shared.url) // "https://example.com/api", say
	if err != nil {
		fmt.Println(err)
		return
	}
	login, err := c.Login(ctx, client.LoginRequest{
		Username: "alice", Password: "correct horse battery staple", SessionName: "Kitchen laptop",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	session, err := c.As(login.Token).Current(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(session.Name, session.Current, session.ExpiresAt.Equal(login.ExpiresAt))

	_, err = c.Login(ctx, client.LoginRequest{Username: "alice", Password: "Tr0ub4dor&3"})
	fmt.Println(errors.Is(err, client.ErrInvalidPassword), err)
	// Output:
	// Kitchen laptop true true
	// true sessiond: invalid password (401)
}

func ExampleClient_Require() {
	c, err := client.New(shared.url, client.WithVerifyURL(shared.verifyURL)) // "http://sessiond:9091/verify", say
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sender, _ := client.IdentityFrom(r.Context())
		fmt.Fprintf(w, "staff: %t, may do everything: %t", sender.Staff, sender.May(client.FlagAll))
	})
	service := httptest.NewServer(c.Require(orders))
	defer service.Close()

	get := func(token string) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, service.URL, http.NoBody)
		if err != nil {
			fmt.Println(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		fmt.Println(resp.StatusCode, strings.TrimSpace(string(body)), err)
	}

	token := exampleLogin(c)
	get(token)
	if err := c.As(token).Logout(context.Background()); err != nil {
		fmt.Println(err)
	}
	get(token) // The session is dead on the very next request.
	// Output:
	// 200 staff: false, may do everything: true <nil>
	// 401 {"code":"INVALID_SESSION_ERROR","message":"Invalid Session"} <nil>
}

func ExampleAccount_AllFullSessions() {
	ctx := context.Background()
	c, err := client.New(shared.url)
	if err != nil {
		fmt.Println(err)
		return
	}
	alice := c.As(exampleLogin(c))
	// All but this one, whatever earlier examples left.
	if _, err := alice.EndAll(ctx, client.EndAllOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	for session, err := range alice.AllFullSessions(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(session.Name, session.IP, session.Current)
	}
	// Output:
	// Example 127.0.0.1 true
}

func ExampleAccount_EndAll() {
	ctx := context.Background()
	c, err := client.New(shared.url)
	if err != nil {
		fmt.Println(err)
		return
	}
	alice := c.As(exampleLogin(c))
	if _, err := alice.EndAll(ctx, client.EndAllOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	exampleLogin(c)
	exampleLogin(c)

	would, err := alice.EndAll(ctx, client.EndAllOptions{DryRun: true})
	fmt.Println(len(would.IDs), err)
	ended, err := alice.EndAll(ctx, client.EndAllOptions{})
	fmt.Println(ended.Count, err)
	// Output:
	// 2 <nil>
	// 2 <nil>
}

func ExampleAccount_CreateScoped() {
	ctx := context.Background()
	c, err := client.New(shared.url)
	if err != nil {
		fmt.Println(err)
		return
	}
	scoped, err := c.As(exampleLogin(c)).CreateScoped(ctx, client.ScopedRequest{
		Name: "Backup script", PermissionFlags: client.FlagReadSessions,
		LongLived: true, Password: "correct horse battery staple",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	script := c.As(scoped.Token)
	_, err = script.Sessions(ctx, client.ListOptions{})
	fmt.Println(err)
	_, err = script.EndAll(ctx, client.EndAllOptions{})
	fmt.Println(err)
	// Output:
	// <nil>
	// sessiond: insufficient permissions (403)
}

func ExampleError() {
	c, err := client.New(shared.url)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Login(context.Background(), client.LoginRequest{Username: "alice"})
	if refused, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(refused.Status, refused.Code, refused.Fields)
	}
	fmt.Println(err)
	// Output:
	// 400 MISSING_FIELDS_ERROR [password]
	// sessiond: missing fields: password (400)
}

// exampleLogin returns alice's token, or nothing after an error.
func exampleLogin(c *client.Client) string {
	login, err := c.Login(context.Background(), client.LoginRequest{
		Username: "alice", Password: "correct horse battery staple", SessionName: "Example",
	})
	if err != nil {
		fmt.Println(err)
	}
	return login.Token
}
