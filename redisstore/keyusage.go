package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// SigningKey is a key whose sessions are to be counted.
type SigningKey struct {
	ID string
	// Created is when the key was made, zero where that is not known.
	Created time.Time
	// Legacy tells that it verifies the tokens of the older system.
	Legacy bool
}

// KeyUsage is how many live sessions a key signed the tokens of.
type KeyUsage struct {
	// Signed are those that are known to be the key's.
	Signed int
	// Unknown are those that may be the key's: they were made before sessions
	// noted their key, or by other hands.
	Unknown int
}

// keyClockMargin is how far a key's time of creation, by the clock of the
// machine that made it, may be ahead of Redis' time, which is in session IDs.
const keyClockMargin = 24 * time.Hour

// CountSignedBy looks at every session. progress, which may be nil, is told the
// number of keys seen so far. It takes two round trips for each page of keys.
//
// A session that is there from beginning to end is counted, though one may be
// counted twice when Redis rehashes its keys meanwhile. On a cluster that is
// moving slots, or through a failover, sessions may be missed.
// https://redis.io/docs/latest/commands/scan/#scan-guarantees
func (s *Store) CountSignedBy(ctx context.Context, key SigningKey, progress func(keys int)) (KeyUsage, error) {
	primaries, err := s.primaries(ctx)
	if err != nil {
		return KeyUsage{}, fmt.Errorf("count a key's sessions: %w", err)
	}
	var usage KeyUsage
	seen := 0
	for _, primary := range primaries {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			var refs []sessionRef
			refs, cursor, err = s.sessionPage(ctx, primary, cursor)
			if err == nil {
				err = s.countSignedBy(ctx, key, refs, &usage)
			}
			if err != nil {
				return KeyUsage{}, fmt.Errorf("count a key's sessions: %w", err)
			}
			if seen += len(refs); progress != nil {
				progress(seen)
			}
		}
	}
	return usage, nil
}

// sessionPage returns the sessions that one step of SCAN finds on a server, each
// once, and the cursor of the next step, which is 0 after the last.
func (s *Store) sessionPage(ctx context.Context, primary redis.UniversalClient, cursor uint64) ([]sessionRef, uint64, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	keys, next, err := primary.Scan(ctx, cursor, "session:{*", userPageSize).Result()
	if err != nil {
		return nil, 0, err
	}
	var refs []sessionRef
	known := make(map[sessionRef]bool, len(keys))
	for _, key := range keys {
		uid, sid, ok := sessionOf(key)
		if ref := (sessionRef{uid: uid, sid: sid}); ok && !known[ref] {
			known[ref] = true
			refs = append(refs, ref)
		}
	}
	return refs, next, nil
}

func (s *Store) countSignedBy(ctx context.Context, key SigningKey, refs []sessionRef, usage *KeyUsage) error {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	replies := make([]*redis.SliceCmd, len(refs))
	var now *redis.TimeCmd
	err := pipelined(ctx, s.rdb, func(pipe redis.Pipeliner) {
		now = pipe.Time(ctx)
		for i, ref := range refs {
			replies[i] = pipe.HMGet(ctx, sessionKey(ref.uid, ref.sid), "exp", "kid")
		}
	})
	if err != nil {
		return err
	}
	at, err := now.Result()
	if err != nil {
		return err
	}
	for i, reply := range replies {
		values, err := reply.Result()
		if err != nil {
			return fmt.Errorf("read session %s: %w", refs[i].sid, err)
		}
		if !endedAt(values, at) {
			kid, _ := values[1].(string)
			key.count(refs[i].sid, kid, usage)
		}
	}
	return nil
}

// endedAt tells whether a session, of which exp comes first, is over or gone. One
// whose exp can't be read is not.
func endedAt(values []any, at time.Time) bool {
	text, found := values[0].(string)
	exp, err := strconv.ParseInt(text, 10, 64)
	return !found || (err == nil && exp <= at.Unix())
}

// count counts a session whose kid is empty where it does not tell.
func (k SigningKey) count(sid, kid string, usage *KeyUsage) {
	older := len(sid) == 10
	switch {
	case kid != "":
		if kid == k.ID {
			usage.Signed++
		}
	case older && k.Legacy:
		usage.Signed++
	case older && !k.Created.IsZero():
		// The older system's, which never had this key.
	case time.UnixMilli(creation(sid)).Add(keyClockMargin).Before(k.Created):
		// Older than the key.
	default:
		usage.Unknown++
	}
}
