package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/redis/go-redis/v9"
)

// newSCS is alexedwards/scs with its go-redis store: the middleware loads the
// session that the cookie names, the handler reads one value of it. Nothing
// changes, so nothing is written back.
func newSCS(ctx context.Context, rdb *redis.Client, sessions int) (http.Handler, []string, error) {
	manager := scs.New()
	store := goredisstore.New(rdb)
	manager.Store = store

	headers := make([]string, sessions)
	exp := time.Now().Add(24 * time.Hour)
	for i := range headers {
		token := rand.Text()
		data, err := manager.Codec.Encode(exp, map[string]any{"name": sessionName(i)})
		if err != nil {
			return nil, nil, fmt.Errorf("encode a session: %w", err)
		}
		if err := store.CommitCtx(ctx, token, data, exp); err != nil {
			return nil, nil, fmt.Errorf("fill Redis: %w", err)
		}
		headers[i] = "Cookie: " + manager.Cookie.Name + "=" + token
	}

	return manager.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := manager.GetString(r.Context(), "name")
		if name == "" {
			refuse(w, errNoSession)
			return
		}
		writeBody(w, sessionBody(name, exp.Unix()))
	})), headers, nil
}
