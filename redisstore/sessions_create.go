package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// NewSession is a login whose password was right.
type NewSession struct {
	UserID string
	// PasswordHash is the one that the password was compared with: the login
	// fails where it is no longer the account's.
	PasswordHash string
	Name         string
	// TTL is in whole seconds.
	TTL time.Duration
	// PermissionFlags is nil for a session that may do all its user may.
	PermissionFlags *int64
	// IP and UserAgent tell where the session comes from; either may be empty.
	// Of the user agent as much is kept as stays compact in Redis.
	IP, UserAgent string
	// KeyID is the key that is going to sign the session's token.
	KeyID string
}

// fields are the hash's own beside those that every session has.
func (n NewSession) fields() []string {
	fields := []string{"name", n.Name}
	if n.PermissionFlags != nil {
		fields = append(fields, "permissionFlags", strconv.FormatInt(*n.PermissionFlags, 10))
	}
	for _, field := range [][2]string{{"ip", n.IP}, {"userAgent", compact(n.UserAgent)}, {"kid", n.KeyID}} {
		if field[1] != "" {
			fields = append(fields, field[0], field[1])
		}
	}
	return fields
}

// maxCompact is hash-max-listpack-value, in bytes: one longer value doubles the
// memory of its hash.
const maxCompact = 64

// compact cuts a text to what stays compact, between two characters, and makes
// it valid UTF-8.
func compact(text string) string {
	text = strings.ToValidUTF8(text, "")
	if len(text) <= maxCompact {
		return text
	}
	end := maxCompact
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
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
// more than MaxSessions.
func (s *Store) CreateSession(ctx context.Context, n NewSession) (Session, CreateOutcome, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()

	fields := n.fields()
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
		keys := append([]string{s.generations.key(n.UserID), trailKey(n.UserID), userKey(n.UserID), indexKey(n.UserID)}, sessionKeys(n.UserID, slices.Concat(offered, known))...)
		args := []any{s.options.MaxEvents, string(ByUser(n.UserID)), int64(n.TTL / time.Second), s.idleSeconds(), s.options.MaxSessions, n.PasswordHash, first, len(offered), len(fields)}
		return keys, appendArgs(appendArgs(args, fields), known)
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
	if verdict != "created" || len(values) < 2 {
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
	s.events.publish(Event{Type: EventSessionCreated, UserID: n.UserID, SessionID: values[0], Actor: ByUser(n.UserID)})
	s.publishEnded(n.UserID, values[2:], Ending{Actor: ByUser(n.UserID), Reason: ReasonCap})
	created := time.UnixMilli(ms)
	return Session{
		ID: values[0], Name: n.Name, ExpiresAt: time.Unix(exp, 0), CreatedAt: created, UpdatedAt: created,
		PermissionFlags: n.PermissionFlags, IP: n.IP, UserAgent: compact(n.UserAgent),
	}, Created, nil
}

// idleSeconds is how long a session lives unused, 0 for as long as any.
func (s *Store) idleSeconds() int64 {
	return int64(s.options.IdleTimeout / time.Second)
}

// firstCandidate is the least ID that Redis' clock and the IDs given before
// leave free. Both are numbers that a script wrote.
func firstCandidate(now, last string) int64 {
	ms, _ := strconv.ParseInt(now, 10, 64)
	lastID, _ := strconv.ParseInt(last, 10, 64)
	return max(ms, lastID+1)
}
