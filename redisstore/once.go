package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// once is a command that is never sent a second time after its reply was lost:
// it may have run. Options.MaxRetries sees to that everywhere but on a cluster,
// whose client counts such a repetition among its redirections.
type once struct {
	redis.Cmder
}

// NoRetry implements redis.Cmder.
func (once) NoRetry() bool {
	return true
}

// newEval returns EVAL or EVALSHA, where source is a script or its digest.
func newEval(ctx context.Context, name, source string, keys []string, args []any) *redis.Cmd {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, name, source, len(keys))
	all = append(appendArgs(all, keys), args...)
	return redis.NewCmd(ctx, all...)
}

func evalOnce(ctx context.Context, rdb processor, name, source string, keys []string, args []any) *redis.Cmd {
	cmd := newEval(ctx, name, source, keys, args)
	// The command keeps its error.
	_ = rdb.Process(ctx, once{cmd})
	return cmd
}

type processor interface {
	Process(ctx context.Context, cmd redis.Cmder) error
}

// onceScripter makes redis_rate send its scripts once.
type onceScripter struct {
	redis.UniversalClient
}

// Eval implements redis.Scripter.
func (s onceScripter) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return evalOnce(ctx, s.UniversalClient, "eval", script, keys, args)
}

// EvalSha implements redis.Scripter.
func (s onceScripter) EvalSha(ctx context.Context, digest string, keys []string, args ...any) *redis.Cmd {
	return evalOnce(ctx, s.UniversalClient, "evalsha", digest, keys, args)
}

// refusedForNow tells errors by which Redis Cluster says that it ran nothing,
// but soon would: the keys of a script are on their way to another node, or the
// layout is changing.
func refusedForNow(err error) bool {
	return redis.HasErrorPrefix(err, "TRYAGAIN") || redis.HasErrorPrefix(err, "CLUSTERDOWN")
}

// pause waits a little longer with each attempt. It tells whether the deadline
// leaves time for another.
func pause(ctx context.Context, attempt int) bool {
	timer := time.NewTimer(min(time.Millisecond<<min(attempt, 10), 50*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
