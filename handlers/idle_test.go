package handlers_test

import (
	"context"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
)

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.HTTP.BasePath, c.Sessions.IdleTimeout = "", 10*time.Minute })
	ada := r.addUser("ada")
	token, other := r.login("ada"), r.login("ada")
	own, another := r.session(token), r.session(other)
	key := "session:{" + ada.ID + "}:" + own
	rdb, ctx := r.redis.Client(), context.Background()
	g := r.gateway(verifySecret)

	for name, use := range map[string]func(){
		"a request":           func() { r.get(token, "/users/me/sessions").is(t, 200, "") },
		"the verify endpoint": func() { g.get(token, "/verify") },
		"introspection":       func() { g.introspect(verifySecret, "token="+token) },
		"a refused login of it": func() {
			signedIn := loginRequest("ada", password)
			signedIn.token = token
			r.do(signedIn).is(t, 401, "")
		},
	} {
		if err := rdb.Expire(ctx, key, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		use()
		if left := rdb.TTL(ctx, key).Val(); left < 9*time.Minute || left > 10*time.Minute {
			t.Errorf("after %s it has %v left", name, left)
		}
	}

	// As time would, had it not been used.
	if err := rdb.PExpireAt(ctx, key, time.Now().Add(-time.Second)).Err(); err != nil {
		t.Fatal(err)
	}
	r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	count, ids := listOf(t, r.get(other, "/users/me/sessions"))
	if count != 1 || len(ids) != 1 || ids[0] != another {
		t.Errorf("%d sessions, %v; want %s alone", count, ids, another)
	}
	r.delete(other, "/users/me/sessions/"+own).is(t, 404, "INVALID_SESSION_ERROR")
}
