package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// EndSessions ends the given sessions of a user and returns the IDs of those
// that it found, in one step.
func (s *Store) EndSessions(ctx context.Context, uid string, sids []string, e Ending) ([]string, error) {
	if !ValidUserID(uid) || len(sids) == 0 || !slices.ContainsFunc(sids, ValidSessionID) {
		return nil, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	valid := slices.DeleteFunc(slices.Clone(sids), func(sid string) bool { return !ValidSessionID(sid) })
	keys := append([]string{s.generations.key(uid), trailKey(uid), indexKey(uid)}, sessionKeys(uid, valid)...)
	ended, err := s.runReplicated(ctx, endSessionsScript, keys, appendArgs(s.endingArgs(e), valid)...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("end sessions: %w", err)
	}
	s.publishEnded(uid, ended, e)
	return ended, nil
}

// EndAllSessions ends every session of a user but keep, which may be empty, in
// one step, and returns the IDs of those it ended.
func (s *Store) EndAllSessions(ctx context.Context, uid, keep string, e Ending) ([]string, error) {
	if !ValidUserID(uid) {
		return nil, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	known, err := s.indexed(ctx, uid)
	if err != nil {
		return nil, fmt.Errorf("end all sessions: %w", err)
	}
	_, ended, err := s.settle(ctx, s.runReplicated, endAllSessionsScript, known, func(known []string) ([]string, []any) {
		known = slices.DeleteFunc(known, func(sid string) bool { return sid == keep })
		keys := append([]string{s.generations.key(uid), trailKey(uid), indexKey(uid)}, sessionKeys(uid, known)...)
		return keys, appendArgs(append(s.endingArgs(e), keep), known)
	})
	if err != nil {
		return nil, fmt.Errorf("end all sessions: %w", err)
	}
	s.publishEnded(uid, ended, e)
	return ended, nil
}

// indexed returns what the user's index holds. A script could tell, too, but not
// one whose every call waits for replicas: while those are away, it would never
// get to its work.
func (s *Store) indexed(ctx context.Context, uid string) ([]string, error) {
	return s.rdb.ZRange(ctx, indexKey(uid), 0, -1).Result()
}

// TouchInterval is the least time between two notes of a session's use.
const TouchInterval = time.Minute

// TouchSession notes that a session was used, unless it was within the last
// TouchInterval or has ended.
func (s *Store) TouchSession(ctx context.Context, uid, sid string) error {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	err := s.run(ctx, touchSessionScript, []string{sessionKey(uid, sid)}, TouchInterval.Milliseconds(), s.idleSeconds()).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("touch a session: %w", err)
	}
	return nil
}

// RenameSession gives a live session another name. The flag tells whether there
// is one.
func (s *Store) RenameSession(ctx context.Context, uid, sid, name string) (bool, error) {
	if !ValidUserID(uid) || !ValidSessionID(sid) {
		return false, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	renamed, err := s.run(ctx, renameSessionScript, []string{s.generations.key(uid), sessionKey(uid, sid)}, name).Bool()
	if err != nil {
		return false, fmt.Errorf("rename a session: %w", err)
	}
	return renamed, nil
}
