// Package client calls sessiond's API, and lets other services ask who sent a
// request. It needs the standard library alone.
//
//	c, err := client.New("https://example.com/api")
//	login, err := c.Login(ctx, client.LoginRequest{Username: "alice", Password: password})
//	alice := c.As(login.Token)
//	for session, err := range alice.AllFullSessions(ctx) { … }
//	ended, err := alice.EndAll(ctx, client.EndAllOptions{}) // all but this one
//	if errors.Is(err, client.ErrInvalidSession) { … }       // log in again
//	err = alice.Logout(ctx)
//
// A service puts [Client.Require] in front of its handlers, which then find the
// sender's [Identity] in the request's context:
//
//	c, err := client.New("http://sessiond:8080/api", client.WithVerifyURL("http://sessiond:9091/verify"))
//	http.Handle("/orders", c.Require(orders)) // client.IdentityFrom(r.Context())
//
// # Errors
//
// Whatever the server answers but success is an [*Error], which errors.Is
// compares with [ErrInvalidSession], [ErrBanned] and the others. All other
// errors mean that there was no answer, or that the request could not be made;
// what a write without an answer did is unknown. No error's text holds a token
// or a password, not even where a server sends them back.
//
// # What is repeated
//
// Nothing, unless [WithRetries] asks for it, and then only what the server
// refused with 429 and so did not do. A request whose answer was lost is never
// sent again.
package client
