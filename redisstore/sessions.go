package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Session is one login of one user.
type Session struct {
	// ID is unique within its user and valid by ValidSessionID.
	ID   string
	Name string
	// ExpiresAt is in whole seconds.
	ExpiresAt time.Time
	// CreatedAt, UpdatedAt and UsedAt are in whole milliseconds. UsedAt is zero
	// until the first use and may lag behind by a minute.
	CreatedAt, UpdatedAt, UsedAt time.Time
	// PermissionFlags is nil for a session that may do all its user may.
	PermissionFlags *int64
	// IP and UserAgent are of the login, empty where they are not known.
	IP, UserAgent string
}

// SessionName is what a list tells of a session.
type SessionName struct {
	ID, Name string
}

var sessionFields = []string{"name", "exp", "createdAt", "updatedAt", "usedAt", "permissionFlags", "ip", "userAgent"}

// parseSession reads the values of sessionFields, of which nil and empty mean
// that there is none. A hash without an expiry is no session of ours; one with
// a value that is no number is an error, since a session that can't be read must
// not pass for one that ended.
func parseSession(sid string, values []any) (Session, bool, error) {
	if len(values) != len(sessionFields) {
		return Session{}, false, errors.New("read a session: reply of another length")
	}
	var texts [8]string // Of a fixed size, so that it costs no allocation.
	for i, value := range values {
		texts[i], _ = value.(string)
	}
	if texts[1] == "" {
		return Session{}, false, nil
	}
	var numbers [5]int64
	for i, text := range texts[1:6] {
		if text == "" {
			continue
		}
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Session{}, false, fmt.Errorf("read session %s: %s is no number", sid, sessionFields[1+i])
		}
		numbers[i] = number
	}
	session := Session{
		ID:        sid,
		Name:      texts[0],
		ExpiresAt: time.Unix(numbers[0], 0),
		CreatedAt: time.UnixMilli(numbers[1]),
		UpdatedAt: time.UnixMilli(numbers[2]),
		IP:        texts[6],
		UserAgent: texts[7],
	}
	if texts[4] != "" {
		session.UsedAt = time.UnixMilli(numbers[3])
	}
	if texts[5] != "" {
		session.PermissionFlags = &numbers[4]
	}
	return session, true, nil
}

// Session returns a live session of a user. The flag tells whether there is
// one.
func (s *Store) Session(ctx context.Context, uid, sid string) (Session, bool, error) {
	if !ValidUserID(uid) || !ValidSessionID(sid) {
		return Session{}, false, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	var reply *redis.SliceCmd
	var generation *redis.StringCmd
	err := pipelined(ctx, s.rdb, func(pipe redis.Pipeliner) {
		reply = pipe.HMGet(ctx, sessionKey(uid, sid), checkedFields...)
		generation = pipe.Get(ctx, s.generations.key(uid))
	})
	if err != nil {
		return Session{}, false, fmt.Errorf("read session %s: %w", sid, err)
	}
	values, err := reply.Result()
	if err != nil {
		return Session{}, false, fmt.Errorf("read session %s: %w", sid, err)
	}
	current, err := readGeneration(generation)
	if err != nil {
		return Session{}, false, err
	}
	session, found, err := parseChecked(sid, values, current)
	if err != nil || !found || !session.ExpiresAt.After(time.Now()) {
		return Session{}, false, err
	}
	return session, true, nil
}

// LiveSessions returns those of the given sessions of a user that are live.
func (s *Store) LiveSessions(ctx context.Context, uid string, sids []string) ([]string, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	replies := make([]*redis.SliceCmd, len(sids))
	var generation *redis.StringCmd
	err := pipelined(ctx, s.rdb, func(pipe redis.Pipeliner) {
		for i, sid := range sids {
			replies[i] = pipe.HMGet(ctx, sessionKey(uid, sid), "exp", "gen")
		}
		generation = pipe.Get(ctx, s.generations.key(uid))
	})
	if err != nil {
		return nil, fmt.Errorf("look for sessions: %w", err)
	}
	current, err := readGeneration(generation)
	if err != nil {
		return nil, err
	}
	var live []string
	for i, sid := range sids {
		values, err := replies[i].Result()
		if err != nil {
			return nil, fmt.Errorf("look for session %s: %w", sid, err)
		}
		if len(values) == 2 && values[0] != nil && bornIn(values[1], current) {
			live = append(live, sid)
		}
	}
	return live, nil
}

// Sessions returns the names of all live sessions of a user as they were at one
// moment, newest first.
func (s *Store) Sessions(ctx context.Context, uid string) ([]SessionName, error) {
	rows, err := s.list(ctx, uid, []string{"name"})
	if err != nil {
		return nil, err
	}
	sessions := make([]SessionName, len(rows))
	for i, row := range rows {
		sessions[i] = SessionName{ID: row[0], Name: row[1]}
	}
	return sessions, nil
}

// FullSessions is Sessions with all there is to know of each.
func (s *Store) FullSessions(ctx context.Context, uid string) ([]Session, error) {
	rows, err := s.list(ctx, uid, sessionFields)
	if err != nil {
		return nil, err
	}
	sessions := make([]Session, 0, len(rows))
	for _, row := range rows {
		session, found, err := parseSession(row[0], appendArgs(nil, row[1:]))
		if err != nil {
			return nil, err
		}
		if found {
			sessions = append(sessions, session)
		}
	}
	return sessions, nil
}

// list returns the ID and the given fields of each live session, newest first.
func (s *Store) list(ctx context.Context, uid string, fields []string) ([][]string, error) {
	if !ValidUserID(uid) {
		return nil, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	_, values, err := s.settle(ctx, s.run, listSessionsScript, nil, func(known []string) ([]string, []any) {
		keys := append([]string{s.generations.key(uid), indexKey(uid)}, sessionKeys(uid, known)...)
		return keys, appendArgs(appendArgs([]any{len(fields)}, fields), known)
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	if len(values)%(1+len(fields)) != 0 {
		return nil, errors.New("list sessions: reply of another length")
	}
	rows := slices.Collect(slices.Chunk(values, 1+len(fields)))
	slices.SortFunc(rows, func(a, b []string) int { return compareCreation(b[0], a[0]) })
	return rows, nil
}

// compareCreation orders session IDs by creation. Those of the older system are
// seconds, in 10 digits, ours milliseconds.
func compareCreation(a, b string) int {
	return int(creation(a) - creation(b))
}

func creation(sid string) int64 {
	n, _ := strconv.ParseInt(sid, 10, 64)
	if len(sid) <= 10 {
		n *= 1000
	}
	return n
}
