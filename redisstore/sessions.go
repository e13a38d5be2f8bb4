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
}

// SessionName is what a list tells of a session.
type SessionName struct {
	ID, Name string
}

var sessionFields = []string{"name", "exp", "createdAt", "updatedAt", "usedAt", "permissionFlags"}

// parseSession reads the values of sessionFields. A hash without an expiry is
// no session of ours; one with a value that is no number is an error, since a
// session that can't be read must not pass for one that ended.
func parseSession(sid string, values []any) (Session, bool, error) {
	if len(values) != len(sessionFields) {
		return Session{}, false, errors.New("read a session: reply of another length")
	}
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i], _ = value.(string)
	}
	if values[0] == nil && values[1] == nil {
		return Session{}, false, nil
	}
	var numbers [5]int64
	for i, text := range texts[1:] {
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
	}
	if values[4] != nil {
		session.UsedAt = time.UnixMilli(numbers[3])
	}
	if values[5] != nil {
		session.PermissionFlags = &numbers[4]
	}
	return session, true, nil
}

// NewSession is a login whose password was right.
type NewSession struct {
	UserID string
	// PasswordHash is the one that the password was compared with: the login
	// fails where it is no longer the account's.
	PasswordHash string
	Name         string
	// TTL is in whole seconds.
	TTL time.Duration
}

// CreateOutcome is how a login ended.
type CreateOutcome int

// The outcomes of CreateSession. All but Created leave everything as it was.
const (
	Created CreateOutcome = iota
	UserUnknown
	UserBanned
	PasswordChanged
)

// candidates is how many consecutive IDs one attempt to create a session
// offers: as many logins of one user can then happen at the same moment.
const candidates = 64

// CreateSession starts a session, ending the user's oldest where there would be
// more than MaxSessions. The session returned has ID, ExpiresAt and CreatedAt.
func (s *Store) CreateSession(ctx context.Context, n NewSession) (Session, CreateOutcome, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()

	verdict, values, err := s.settle(ctx, s.run, createSessionScript, nil, func(state []string) ([]string, []any) {
		// The state is Redis' time, the last ID given and the index; the first
		// attempt, which has none, is there to learn it.
		var first int64
		var offered, known []string
		if len(state) >= 2 {
			first = firstCandidate(state[0], state[1])
			for i := range int64(candidates) {
				offered = append(offered, strconv.FormatInt(first+i, 10))
			}
			known = state[2:]
		}
		keys := append([]string{userKey(n.UserID), indexKey(n.UserID)}, sessionKeys(n.UserID, slices.Concat(offered, known))...)
		args := []any{int64(n.TTL / time.Second), s.options.MaxSessions, n.PasswordHash, n.Name, first, len(offered)}
		return keys, appendArgs(args, known)
	})
	if err != nil {
		return Session{}, 0, fmt.Errorf("create a session: %w", err)
	}
	switch verdict {
	case "unknown":
		return Session{}, UserUnknown, nil
	case "banned":
		return Session{}, UserBanned, nil
	case "changed":
		return Session{}, PasswordChanged, nil
	}
	if verdict != "created" || len(values) != 2 {
		return Session{}, 0, fmt.Errorf("create a session: reply %q", verdict)
	}
	ms, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil {
		return Session{}, 0, fmt.Errorf("create a session: ID: %w", err)
	}
	exp, err := strconv.ParseInt(values[1], 10, 64)
	if err != nil {
		return Session{}, 0, fmt.Errorf("create a session: expiry: %w", err)
	}
	created := time.UnixMilli(ms)
	return Session{ID: values[0], Name: n.Name, ExpiresAt: time.Unix(exp, 0), CreatedAt: created, UpdatedAt: created}, Created, nil
}

// firstCandidate is the least ID that Redis' clock and the IDs given before
// leave free. Both are numbers that a script wrote.
func firstCandidate(now, last string) int64 {
	ms, _ := strconv.ParseInt(now, 10, 64)
	lastID, _ := strconv.ParseInt(last, 10, 64)
	return max(ms, lastID+1)
}

// Session returns a live session of a user. The flag tells whether there is
// one.
func (s *Store) Session(ctx context.Context, uid, sid string) (Session, bool, error) {
	if !ValidUserID(uid) || !ValidSessionID(sid) {
		return Session{}, false, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	values, err := s.rdb.HMGet(ctx, sessionKey(uid, sid), sessionFields...).Result()
	if err != nil {
		return Session{}, false, fmt.Errorf("read session %s: %w", sid, err)
	}
	session, found, err := parseSession(sid, values)
	if err != nil || !found || !session.ExpiresAt.After(time.Now()) {
		return Session{}, false, err
	}
	return session, true, nil
}

// Sessions returns all live sessions of a user as they were at one moment,
// newest first.
func (s *Store) Sessions(ctx context.Context, uid string) ([]SessionName, error) {
	if !ValidUserID(uid) {
		return nil, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	_, values, err := s.settle(ctx, s.run, listSessionsScript, nil, func(known []string) ([]string, []any) {
		return append([]string{indexKey(uid)}, sessionKeys(uid, known)...), appendArgs(nil, known)
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	sessions := make([]SessionName, 0, len(values)/2)
	for pair := range slices.Chunk(values, 2) {
		sessions = append(sessions, SessionName{ID: pair[0], Name: pair[len(pair)-1]})
	}
	slices.SortFunc(sessions, func(a, b SessionName) int { return compareCreation(b.ID, a.ID) })
	return sessions, nil
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

// EndSessions ends the given sessions of a user and returns the IDs of those
// that it found, in one step.
func (s *Store) EndSessions(ctx context.Context, uid string, sids []string) ([]string, error) {
	if !ValidUserID(uid) || len(sids) == 0 || !slices.ContainsFunc(sids, ValidSessionID) {
		return nil, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	valid := slices.DeleteFunc(slices.Clone(sids), func(sid string) bool { return !ValidSessionID(sid) })
	keys := append([]string{indexKey(uid)}, sessionKeys(uid, valid)...)
	ended, err := s.runReplicated(ctx, endSessionsScript, keys, appendArgs(nil, valid)...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}

// EndAllSessions ends every session of a user but keep, which may be empty, in
// one step, and returns the IDs of those it ended.
func (s *Store) EndAllSessions(ctx context.Context, uid, keep string) ([]string, error) {
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
		return append([]string{indexKey(uid)}, sessionKeys(uid, known)...), appendArgs([]any{keep}, known)
	})
	if err != nil {
		return nil, fmt.Errorf("end all sessions: %w", err)
	}
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
	err := s.run(ctx, touchSessionScript, []string{sessionKey(uid, sid)}, TouchInterval.Milliseconds()).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("touch a session: %w", err)
	}
	return nil
}
