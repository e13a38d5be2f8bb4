package redisstore

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/redis/go-redis/v9"
)

// userPageSize is how many keys one SCAN looks at: enough to make round trips
// rare, few enough to keep Redis from others for less than a millisecond.
const userPageSize = 1000

// Users returns all accounts, a page at a time and in no order. It ends after
// the first error.
//
// What SCAN promises holds for it: an account that is there from beginning to
// end is returned at least once, one that is added or removed meanwhile may or
// may not be, and one may come twice, when Redis rehashes its keys or a cluster
// moves slots in between. Within a page none comes twice; to know them all
// would be to hold them all.
// https://redis.io/docs/latest/commands/scan/#scan-guarantees
func (s *Store) Users(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		primaries, err := s.primaries(ctx)
		if err != nil {
			yield(User{}, fmt.Errorf("list users: %w", err))
			return
		}
		for _, primary := range primaries {
			for cursor, more := uint64(0), true; more; more = cursor != 0 {
				var page []User
				page, cursor, err = s.userPage(ctx, primary, cursor)
				if err != nil {
					yield(User{}, fmt.Errorf("list users: %w", err))
					return
				}
				for _, user := range page {
					if !yield(user, nil) {
						return
					}
				}
			}
		}
	}
}

// primaries are the servers that hold all keys between them.
func (s *Store) primaries(ctx context.Context) ([]redis.UniversalClient, error) {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		return []redis.UniversalClient{s.rdb}, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	var mu sync.Mutex
	var primaries []redis.UniversalClient
	err := cluster.ForEachMaster(ctx, func(_ context.Context, primary *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		primaries = append(primaries, primary)
		return nil
	})
	return primaries, err
}

// userPage reads the accounts that one step of SCAN finds on a server, and the
// cursor of the next, which is 0 after the last.
func (s *Store) userPage(ctx context.Context, primary redis.UniversalClient, cursor uint64) ([]User, uint64, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	keys, next, err := primary.ScanType(ctx, cursor, userKey("*"), userPageSize, "hash").Result()
	if err != nil {
		return nil, 0, err
	}

	var uids []string
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		if uid, ok := userIDOf(key); ok && !seen[uid] {
			seen[uid] = true
			uids = append(uids, uid)
		}
	}
	replies := make([]*redis.SliceCmd, len(uids))
	err = pipelined(ctx, s.rdb, func(pipe redis.Pipeliner) {
		for i, uid := range uids {
			replies[i] = pipe.HMGet(ctx, userKey(uid), userFields...)
		}
	})
	if err != nil {
		return nil, 0, err
	}

	users := make([]User, 0, len(uids))
	for i, uid := range uids {
		values, err := replies[i].Result()
		if err != nil {
			return nil, 0, fmt.Errorf("read user %s: %w", uid, err)
		}
		user, found, err := parseUser(uid, values)
		if err != nil {
			return nil, 0, err
		}
		if found {
			users = append(users, user)
		}
	}
	return users, next, nil
}
