package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrTooFewReplicas means that an ending or a ban is done on the primary, but
// that not as many replicas as Options.WaitReplicas confirmed it in time: a
// failover could still undo it.
var ErrTooFewReplicas = errors.New("too few replicas confirmed the change")

// runReplicated is run for what must survive a failover: with WaitReplicas set
// it returns when that many replicas have what the script wrote, and else fails.
// WAIT goes in the same pipeline, since it speaks of what its own connection
// wrote.
// https://redis.io/docs/latest/commands/wait/
func (s *Store) runReplicated(ctx context.Context, script script, keys []string, args ...any) *redis.Cmd {
	if s.options.WaitReplicas == 0 {
		return s.run(ctx, script, keys, args...)
	}
	name, source := "evalsha", script.digest
	for attempt := 0; ; attempt++ {
		eval, wait := s.evalAndWait(ctx, newEval(ctx, name, source, keys, args))
		switch err := eval.Err(); {
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			name, source = "eval", script.source
			continue
		case refusedForNow(err) || movedAway(err):
			s.reloadLayout(ctx)
			if pause(ctx, attempt) {
				continue
			}
		case err == nil:
			if confirmed, err := wait.Result(); err != nil {
				eval.SetErr(fmt.Errorf("%w: %w", ErrTooFewReplicas, err))
			} else if confirmed < int64(s.options.WaitReplicas) {
				eval.SetErr(fmt.Errorf("%w: %d of %d", ErrTooFewReplicas, confirmed, s.options.WaitReplicas))
			}
		}
		return eval
	}
}

// evalAndWait runs both on one connection to the primary of the script's keys.
func (s *Store) evalAndWait(ctx context.Context, eval *redis.Cmd) (*redis.Cmd, *redis.IntCmd) {
	wait := redis.NewIntCmd(ctx, "wait", s.options.WaitReplicas, waitFor(ctx).Milliseconds())
	primary, err := s.primaryOf(ctx, eval)
	if err != nil {
		eval.SetErr(err)
		return eval, wait
	}
	pipe := primary.Pipeline()
	_ = pipe.BatchProcess(ctx, once{eval}, wait)
	_, _ = pipe.Exec(ctx)
	return eval, wait
}

// waitFor leaves time for the answer to arrive, so that too few replicas is
// what the caller learns, and not a connection that timed out. It is never 0,
// which WAIT takes for "for ever".
func waitFor(ctx context.Context) time.Duration {
	left := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return max(left*4/5, time.Millisecond)
}

// pipeliner is what a single node's client and a cluster's have in common.
type pipeliner interface {
	Pipeline() redis.Pipeliner
}

func (s *Store) primaryOf(ctx context.Context, eval *redis.Cmd) (pipeliner, error) {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		return s.rdb, nil
	}
	// The first key stands behind the script and the number of keys.
	key, _ := eval.Args()[3].(string)
	primary, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("find the primary: %w", err)
	}
	return primary, nil
}

// movedAway tells errors by which a node says that it ran nothing, because the
// keys are another's.
func movedAway(err error) bool {
	return redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK") || redis.HasErrorPrefix(err, "READONLY")
}

func (s *Store) reloadLayout(ctx context.Context) {
	if cluster, ok := s.rdb.(*redis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}
