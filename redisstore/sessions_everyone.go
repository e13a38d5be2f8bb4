package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// ErrNotSwept means that every session has ended, but that not all of them could
// be deleted yet: they take memory until they expire, or until
// CheckConsistency mends what it finds.
var ErrNotSwept = errors.New("all sessions have ended, but not all are deleted")

// EndEveryone ends every session of every user and returns how many there were.
// They are over on all replicas with one write, which on a cluster is one to each
// slot, sent to all nodes at once; a cluster of which a part did not answer is an
// error, and some users' sessions then go on. Sessions created afterwards live.
//
// What follows only tidies up: it deletes the sessions one by one. progress, which
// may be nil, is told how many so far.
func (s *Store) EndEveryone(ctx context.Context, progress func(ended int)) (int, error) {
	if err := s.beginGeneration(ctx); err != nil {
		return 0, fmt.Errorf("end everybody's sessions: %w", err)
	}
	s.events.publish(Event{Type: EventSessionEnded, UserID: everybody, SessionID: everybody, Actor: Operator, Reason: ReasonEveryone})
	ended, err := s.sweep(ctx, progress)
	if err != nil {
		return ended, fmt.Errorf("%w: %w", ErrNotSwept, err)
	}
	return ended, nil
}

// beginGeneration changes every key of generations exactly once: a second change
// would end sessions that were created between the two. Of each primary the last
// change waits for replicas, and that says that they have the others, too.
func (s *Store) beginGeneration(ctx context.Context) error {
	if err := s.loadScript(ctx, endEveryoneScript); err != nil {
		return err
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	last := make(map[pipeliner]string)
	var calls []scriptCall
	for _, key := range s.generations.all() {
		primary, err := s.primaryOf(ctx, key)
		if err != nil {
			return err
		}
		if _, ok := last[primary]; ok {
			calls = append(calls, scriptCall{endEveryoneScript, []string{key}, nil})
		} else {
			last[primary] = key
		}
	}
	for _, reply := range s.runAll(ctx, calls) {
		if err := reply.Err(); err != nil {
			return err
		}
	}
	var err error
	for _, key := range last {
		err = errors.Join(err, s.runReplicated(ctx, endEveryoneScript, []string{key}).Err())
	}
	return err
}

// loadScript makes every primary know a script, so that thousands of calls need
// not fall back on its source one by one.
func (s *Store) loadScript(ctx context.Context, script script) error {
	primaries, err := s.primaries(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	for _, primary := range primaries {
		if err := primary.ScriptLoad(ctx, script.source).Err(); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes the sessions of earlier generations.
func (s *Store) sweep(ctx context.Context, progress func(ended int)) (int, error) {
	primaries, err := s.primaries(ctx)
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, primary := range primaries {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			var n int
			if n, cursor, err = s.sweepPage(ctx, primary, cursor); err != nil {
				return ended, err
			}
			if ended += n; progress != nil {
				progress(ended)
			}
		}
	}
	return ended, nil
}

func (s *Store) sweepPage(ctx context.Context, primary redis.UniversalClient, cursor uint64) (ended int, next uint64, err error) {
	refs, next, err := s.sessionPage(ctx, primary, cursor)
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	calls := make([]scriptCall, len(refs))
	for i, ref := range refs {
		calls[i] = s.sweepCall(ref)
	}
	for _, reply := range s.runAll(ctx, calls) {
		n, err := reply.Int()
		if err != nil {
			return ended, 0, err
		}
		ended += n
	}
	return ended, next, nil
}

func (s *Store) sweepCall(ref sessionRef) scriptCall {
	keys := []string{s.generations.key(ref.uid), trailKey(ref.uid), indexKey(ref.uid), sessionKey(ref.uid, ref.sid)}
	return scriptCall{sweepSessionScript, keys, []any{s.options.MaxEvents, ref.sid}}
}
