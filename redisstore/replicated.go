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
// it returns when that many replicas have all that the script found or left, and
// else fails.
//
// WAIT goes in the same pipeline, since it speaks of what its own connection
// wrote. From Redis 7.2 on it speaks of nothing else, so that a script which
// finds everything done by an earlier call, one that was not confirmed, would
// have nothing to wait for: hence the fence, which always writes. The script
// goes whole: an unknown digest would show only after the wait.
// https://redis.io/docs/latest/commands/wait/
func (s *Store) runReplicated(ctx context.Context, script script, keys []string, args ...any) *redis.Cmd {
	if s.options.WaitReplicas == 0 {
		return s.run(ctx, script, keys, args...)
	}
	for attempt := 0; ; attempt++ {
		eval := newEval(ctx, "eval", script.source, keys, args)
		confirmed, waitErr := s.evalAndWait(ctx, eval)
		switch err := eval.Err(); {
		case refusedForNow(err) || movedAway(err):
			s.reloadLayout(ctx)
			if pause(ctx, attempt) {
				continue
			}
		case err != nil:
		case waitErr != nil:
			s.metrics.count(kindReplicas)
			eval.SetErr(fmt.Errorf("%w: %w", ErrTooFewReplicas, waitErr))
		case confirmed < int64(s.options.WaitReplicas):
			s.metrics.count(kindReplicas)
			eval.SetErr(fmt.Errorf("%w: %d of %d", ErrTooFewReplicas, confirmed, s.options.WaitReplicas))
		}
		return eval
	}
}

// evalAndWait runs a script on the primary of its keys and returns how many
// replicas have all that this primary had by then. The error is of the waiting;
// the script keeps its own.
func (s *Store) evalAndWait(ctx context.Context, eval *redis.Cmd) (int64, error) {
	// The first key stands behind the script and the number of keys.
	key, _ := eval.Args()[3].(string)
	fence := newEval(ctx, "eval", fenceScript.source, []string{key}, nil)
	wait := redis.NewIntCmd(ctx, "wait", s.options.WaitReplicas, waitFor(ctx).Milliseconds())
	primary, err := s.primaryOf(ctx, key)
	if err != nil {
		eval.SetErr(err)
		return 0, err
	}
	pipe := primary.Pipeline()
	_ = pipe.BatchProcess(ctx, once{eval}, fence, wait)
	_, _ = pipe.Exec(ctx)
	// A key that is another node's by now was this one's when the script ran:
	// the script has deleted it, and what it wrote itself is waited for.
	if err := fence.Err(); err != nil && !movedAway(err) {
		return 0, err
	}
	return wait.Result()
}

// waitFor leaves time for the answer to arrive, so that too few replicas is
// what the caller learns, and not a connection that timed out; Redis itself may
// be 100 ms late. It is never 0, which WAIT takes for "for ever".
func waitFor(ctx context.Context) time.Duration {
	left := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return max(left-max(left/5, 150*time.Millisecond), time.Millisecond)
}

// pipeliner is what a single node's client and a cluster's have in common.
type pipeliner interface {
	Pipeline() redis.Pipeliner
}

func (s *Store) primaryOf(ctx context.Context, key string) (pipeliner, error) {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		return s.rdb, nil
	}
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
