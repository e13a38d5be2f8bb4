package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// redisLog is where go-redis writes what it has to say about its connections:
// by itself it writes to standard error, in lines that are no JSON. Commands
// that have no log of their own leave it empty, and tell its errors as theirs.
var redisLog atomic.Pointer[slog.Logger]

// routeRedisLog is done once for the process, since go-redis has one logger for
// all its clients.
var routeRedisLog = sync.OnceFunc(func() { redis.SetLogger(redisLogger{}) })

type redisLogger struct{}

// Printf implements the logger that go-redis asks for.
func (redisLogger) Printf(ctx context.Context, format string, v ...any) {
	if log := redisLog.Load(); log != nil {
		log.DebugContext(ctx, "go-redis", slog.String("said", fmt.Sprintf(format, v...)))
	}
}
