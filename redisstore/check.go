package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Access is what Redis says of one request's token.
type Access struct {
	// Live tells whether session and account exist. Where they don't, the rest
	// but Quota is empty.
	Live bool
	// Session is the one the token stands for.
	Session Session
	// Staff and Banned are of the session's account.
	Staff, Banned bool
	// Quota is the user's where the session is live, else the address's.
	Quota Quota
}

// Authenticate is the token check: one round trip that reads the session and
// its account and charges the request to the user.
//
// Where the session turns out dead the user gets the charge back and the
// address pays instead, in a second trip: nobody spends another's allowance
// with that user's old tokens.
func (s *Store) Authenticate(ctx context.Context, uid, sid, address string) (Access, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()

	window := s.apiWindow()
	counter := userCounterKey(uid, window.number)
	lookup := newSessionLookup(ctx, uid, sid)
	charge := s.charge(ctx, window, counter)
	if err := s.checks.do(ctx, charge.cmds(lookup.session, lookup.user)...); err != nil {
		return Access{}, fmt.Errorf("check a token: %w", err)
	}
	access, err := lookup.access()
	if err != nil {
		return Access{}, fmt.Errorf("check a token: %w", err)
	}
	if access.Live {
		access.Quota, err = s.quota(ctx, charge)
		return access, err
	}

	var refund []redis.Cmder
	if charge.count.Err() == nil {
		refund = window.refund(ctx, counter)
	}
	charge = s.charge(ctx, window, addressCounterKey(address, window.number))
	if err := s.checks.do(ctx, charge.cmds(refund...)...); err != nil {
		return Access{}, fmt.Errorf("charge a dead token: %w", err)
	}
	access.Quota, err = s.quota(ctx, charge)
	return access, err
}

// Lookup is Authenticate without a charge: Quota is empty.
func (s *Store) Lookup(ctx context.Context, uid, sid string) (Access, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	lookup := newSessionLookup(ctx, uid, sid)
	if err := s.checks.do(ctx, lookup.session, lookup.user); err != nil {
		return Access{}, fmt.Errorf("look up a session: %w", err)
	}
	return lookup.access()
}

// sessionLookup is the two commands that read a session and its account; the
// replies are there once they have run.
type sessionLookup struct {
	sid           string
	session, user *redis.SliceCmd
}

func newSessionLookup(ctx context.Context, uid, sid string) sessionLookup {
	return sessionLookup{
		sid:     sid,
		session: newHMGet(ctx, sessionKey(uid, sid), sessionArgs),
		user:    newHMGet(ctx, userKey(uid), accessArgs),
	}
}

// The fields as arguments of a command, made once: each would otherwise be
// allocated anew for every request.
var (
	sessionArgs = appendArgs(nil, sessionFields)
	accessArgs  = appendArgs(nil, []string{"staff", "bannedAt"})
)

func newHMGet(ctx context.Context, key string, fields []any) *redis.SliceCmd {
	args := make([]any, 0, 2+len(fields))
	return redis.NewSliceCmd(ctx, append(append(args, "hmget", key), fields...)...)
}

// access reads both replies, each with its own error: a session that could not
// be read is no dead session.
func (l sessionLookup) access() (Access, error) {
	sessionValues, err := l.session.Result()
	if err != nil {
		return Access{}, fmt.Errorf("read the session: %w", err)
	}
	userValues, err := l.user.Result()
	if err != nil {
		return Access{}, fmt.Errorf("read the account: %w", err)
	}
	session, found, err := parseSession(l.sid, sessionValues)
	if err != nil || !found {
		return Access{}, err
	}
	if len(userValues) != 2 {
		return Access{}, errors.New("read the account: reply of another length")
	}
	staff, isUser := userValues[0].(string)
	// Redis drops the hash at its expiry; the comparison holds even where an
	// operator's PERSIST or a restored dump took the expiry away.
	if !isUser || !session.ExpiresAt.After(time.Now()) {
		return Access{}, nil
	}
	return Access{Live: true, Session: session, Staff: staff == "1", Banned: userValues[1] != nil}, nil
}
