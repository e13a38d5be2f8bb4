package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/redis/go-redis/v9"
)

// newFloor is the least that an answer out of Redis costs in Go: one GET, and
// what it returns is the answer. There is no token and no limit.
func newFloor(ctx context.Context, rdb *redis.Client, sessions int) (http.Handler, []string, error) {
	headers := make([]string, sessions)
	err := inBatches(ctx, rdb, sessions, func(pipe redis.Pipeliner, i int) error {
		key := fmt.Sprintf("floor:%d", i)
		headers[i] = "X-Key: " + key
		return pipe.Set(ctx, key, sessionBody(sessionName(i), 0), 0).Err()
	})
	if err != nil {
		return nil, nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := rdb.Get(r.Context(), r.Header.Get("X-Key")).Result()
		if errors.Is(err, redis.Nil) {
			err = errNoSession
		}
		if err != nil {
			refuse(w, err)
			return
		}
		writeBody(w, body)
	}), headers, nil
}

// sessionName is as long as the names that sessiond's sessions have in the
// benchmark.
func sessionName(i int) string {
	return fmt.Sprintf("Firefox on Windows, workstation %08d", i)
}

// sessionBody has the fields and so the length of sessiond's answer.
func sessionBody(name string, exp int64) string {
	return fmt.Sprintf(`{"id":1700000000000,"name":%q,"exp":%d,"permissionFlags":null,`+
		`"usedAt":"2026-01-01T00:00:00.000Z","createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z",`+
		`"ip":null,"userAgent":null,"current":true}`, name, exp)
}
