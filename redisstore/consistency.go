package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Consistency is what CheckConsistency found, in numbers of keys or members.
type Consistency struct {
	// Sessions and Users are how many there are.
	Sessions, Users int
	// Dangling are index members without a session, which those that idle out
	// leave behind until the next list; Unindexed are sessions without an index
	// entry, or with one that says another expiry.
	Dangling, Unindexed int
	// Ended are sessions that ended with everybody's and are not deleted yet.
	Ended int
	// Immortal are sessions, indexes and counters without an expiry.
	Immortal int
	// Mended is how many of these faults of sessions and entries are no more.
	Mended int
}

// consistencyPage is how many keys one SCAN looks at.
const consistencyPage = 500

// CheckConsistency looks at every key and, if asked to, mends indexes that do
// not agree with the sessions. progress, which may be nil, is told the number
// of keys seen so far. It takes a few round trips for each page of keys, and
// never holds Redis for longer than one page takes.
//
// Logins and endings that happen meanwhile may be counted as faults; mending
// looks again, so it harms none of them.
func (s *Store) CheckConsistency(ctx context.Context, repair bool, progress func(keys int)) (Consistency, error) {
	check := consistencyCheck{store: s, repair: repair}
	primaries, err := s.primaries(ctx)
	if err != nil {
		return Consistency{}, fmt.Errorf("reach Redis: %w", err)
	}
	seen := 0
	for _, primary := range primaries {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			var keys []string
			keys, cursor, err = s.scanPage(ctx, primary, cursor)
			if err == nil {
				err = check.page(ctx, keys)
			}
			if err != nil {
				return check.found, fmt.Errorf("check keys: %w", err)
			}
			if seen += len(keys); progress != nil {
				progress(seen)
			}
		}
	}
	return check.found, nil
}

func (s *Store) scanPage(ctx context.Context, primary redis.UniversalClient, cursor uint64) ([]string, uint64, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	return primary.Scan(ctx, cursor, "*", consistencyPage).Result()
}

type consistencyCheck struct {
	store  *Store
	repair bool
	found  Consistency
}

// page sorts keys by what they are and checks each kind in one pipeline.
func (c *consistencyCheck) page(ctx context.Context, keys []string) error {
	var indexes, mortal []string
	var sessions []sessionRef
	for _, key := range keys {
		uid, sid, isSession := sessionOf(key)
		switch {
		case isSession:
			sessions = append(sessions, sessionRef{uid: uid, sid: sid})
			mortal = append(mortal, key)
		case strings.HasPrefix(key, "sessions:{"):
			if uid, ok := userIDIn(key, "sessions:{"); ok {
				indexes = append(indexes, uid)
				mortal = append(mortal, key)
			}
		case strings.HasPrefix(key, "rate:"):
			mortal = append(mortal, key)
		default:
			if _, ok := userIDOf(key); ok {
				c.found.Users++
			}
		}
	}
	c.found.Sessions += len(sessions)
	immortal, err := c.expiries(ctx, mortal)
	if err != nil {
		return err
	}
	if err := c.mend(ctx, immortal); err != nil {
		return err
	}
	if err := c.sessions(ctx, sessions); err != nil {
		return err
	}
	return c.indexes(ctx, indexes)
}

// sessionRef names one session.
type sessionRef struct {
	uid, sid string
}

// expiries counts keys that would stay for ever, and returns the sessions among
// them. TTL is -1 for those.
func (c *consistencyCheck) expiries(ctx context.Context, keys []string) ([]sessionRef, error) {
	replies := make([]*redis.DurationCmd, len(keys))
	err := c.pipelined(ctx, func(ctx context.Context, pipe redis.Pipeliner) {
		for i, key := range keys {
			replies[i] = pipe.TTL(ctx, key)
		}
	})
	if err != nil {
		return nil, err
	}
	var sessions []sessionRef
	for i, reply := range replies {
		ttl, err := reply.Result()
		if err != nil {
			return nil, err
		}
		if ttl != -1 {
			continue
		}
		c.found.Immortal++
		if uid, sid, ok := sessionOf(keys[i]); ok {
			sessions = append(sessions, sessionRef{uid: uid, sid: sid})
		}
	}
	return sessions, nil
}

// sessions compares each session with its index entry.
func (c *consistencyCheck) sessions(ctx context.Context, refs []sessionRef) error {
	sessions := make([]*redis.SliceCmd, len(refs))
	generations := make([]*redis.StringCmd, len(refs))
	scores := make([]*redis.FloatCmd, len(refs))
	err := c.pipelined(ctx, func(ctx context.Context, pipe redis.Pipeliner) {
		for i, ref := range refs {
			sessions[i] = pipe.HMGet(ctx, sessionKey(ref.uid, ref.sid), "exp", "gen")
			generations[i] = pipe.Get(ctx, c.store.generations.key(ref.uid))
			scores[i] = pipe.ZScore(ctx, indexKey(ref.uid), ref.sid)
		}
	})
	if err != nil {
		return err
	}
	var wrong, ended []sessionRef
	for i, ref := range refs {
		current, err := readGeneration(generations[i])
		if err != nil {
			return err
		}
		values := sessions[i].Val()
		if len(values) != 2 {
			continue // Another type of key.
		}
		text, _ := values[0].(string)
		exp, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			continue // It has ended meanwhile, or is no session of ours.
		}
		if !bornIn(values[1], current) {
			ended = append(ended, ref)
			continue
		}
		if score, err := scores[i].Result(); err != nil || int64(score) != exp {
			wrong = append(wrong, ref)
		}
	}
	c.found.Unindexed += len(wrong)
	c.found.Ended += len(ended)
	c.found.Sessions -= len(ended)
	if err := c.sweep(ctx, ended); err != nil {
		return err
	}
	return c.mend(ctx, wrong)
}

// indexes looks for a session behind each member.
func (c *consistencyCheck) indexes(ctx context.Context, uids []string) error {
	members := make([]*redis.StringSliceCmd, len(uids))
	// Members past their expiry are no fault: the next write prunes them.
	now := fmt.Sprintf("(%d", time.Now().Unix())
	err := c.pipelined(ctx, func(ctx context.Context, pipe redis.Pipeliner) {
		for i, uid := range uids {
			members[i] = pipe.ZRangeByScore(ctx, indexKey(uid), &redis.ZRangeBy{Min: now, Max: "+inf"})
		}
	})
	if err != nil {
		return err
	}
	var refs []sessionRef
	for i, uid := range uids {
		for _, sid := range members[i].Val() {
			refs = append(refs, sessionRef{uid: uid, sid: sid})
		}
	}
	for page := range slices.Chunk(refs, consistencyPage) {
		if err := c.members(ctx, page); err != nil {
			return err
		}
	}
	return nil
}

func (c *consistencyCheck) members(ctx context.Context, refs []sessionRef) error {
	exist := make([]*redis.IntCmd, len(refs))
	err := c.pipelined(ctx, func(ctx context.Context, pipe redis.Pipeliner) {
		for i, ref := range refs {
			exist[i] = pipe.Exists(ctx, sessionKey(ref.uid, ref.sid))
		}
	})
	if err != nil {
		return err
	}
	var dangling []sessionRef
	for i, ref := range refs {
		n, err := exist[i].Result()
		if err != nil {
			return err
		}
		if n == 0 {
			dangling = append(dangling, ref)
		}
	}
	c.found.Dangling += len(dangling)
	return c.mend(ctx, dangling)
}

func (c *consistencyCheck) pipelined(ctx context.Context, fill func(context.Context, redis.Pipeliner)) error {
	ctx, cancel := c.store.withTimeout(ctx)
	defer cancel()
	return pipelined(ctx, c.store.rdb, func(pipe redis.Pipeliner) { fill(ctx, pipe) })
}
