package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bearer is whom a token, by what is signed in it, stands for.
type Bearer struct {
	UserID, SessionID string
	// ExpiresAt is the token's, in whole seconds.
	ExpiresAt time.Time
}

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
// its account, renews the session where it could idle out, and charges the
// request to the user.
//
// Where the session turns out dead the user gets the charge back and the
// address pays instead, in a second trip: nobody spends another's allowance
// with that user's old tokens.
func (s *Store) Authenticate(ctx context.Context, b Bearer, address string) (Access, error) {
	call := s.begin(ctx)
	defer call.end()

	window := s.apiWindow()
	counter := userCounterKey(b.UserID, window.number)
	lookup := s.newSessionLookup(ctx, b)
	charge := s.charge(ctx, window, counter)
	generation, err := s.checks.doWith(ctx, call.until, s.generations.key(b.UserID), charge.cmds(lookup.cmds()...)...)
	if err != nil {
		return Access{}, fmt.Errorf("check a token: %w", err)
	}
	access, err := lookup.access(generation)
	if err != nil {
		return Access{}, fmt.Errorf("check a token: %w", err)
	}
	if access.Live {
		access.Quota, err = s.quota(ctx, call.until, charge)
		return access, err
	}

	var refund []redis.Cmder
	if charge.count.Err() == nil {
		refund = window.refund(ctx, counter)
	}
	charge = s.charge(ctx, window, addressCounterKey(address, window.number))
	if err := s.checks.do(ctx, call.until, charge.cmds(refund...)...); err != nil {
		return Access{}, fmt.Errorf("charge a dead token: %w", err)
	}
	access.Quota, err = s.quota(ctx, call.until, charge)
	return access, err
}

// Lookup is Authenticate without a charge: Quota is empty.
func (s *Store) Lookup(ctx context.Context, b Bearer) (Access, error) {
	call := s.begin(ctx)
	defer call.end()
	lookup := s.newSessionLookup(ctx, b)
	generation, err := s.checks.doWith(ctx, call.until, s.generations.key(b.UserID), lookup.cmds()...)
	if err != nil {
		return Access{}, fmt.Errorf("look up a session: %w", err)
	}
	return lookup.access(generation)
}

// sessionLookup is the commands that read a session and its account; the replies
// are there once they have run.
type sessionLookup struct {
	sid           string
	session, user *redis.SliceCmd
	renewal       *redis.BoolCmd // nil where sessions don't idle out.
}

func (s *Store) newSessionLookup(ctx context.Context, b Bearer) sessionLookup {
	key := sessionKey(b.UserID, b.SessionID)
	lookup := sessionLookup{
		sid:     b.SessionID,
		session: newHMGet(ctx, key, sessionArgs),
		user:    newHMGet(ctx, userKey(b.UserID), accessArgs),
	}
	if s.options.IdleTimeout > 0 {
		lookup.renewal = redis.NewBoolCmd(ctx, "expireat", key, s.idleExpiry(b.ExpiresAt).Unix())
	}
	return lookup
}

// idleExpiry is when a session that is used now ends if it is not used again. It
// never goes beyond the expiry that was signed. On a session that has ended,
// EXPIREAT does nothing, so that none is brought back.
func (s *Store) idleExpiry(signed time.Time) time.Time {
	until := time.Now().Add(s.options.IdleTimeout)
	if signed.Before(until) {
		return signed
	}
	return until
}

// cmds has room for those of a charge.
func (l sessionLookup) cmds() []redis.Cmder {
	cmds := append(make([]redis.Cmder, 0, 5), l.session, l.user)
	if l.renewal != nil {
		cmds = append(cmds, l.renewal)
	}
	return cmds
}

// The fields as arguments of a command, made once: each would otherwise be
// allocated anew for every request.
var (
	sessionArgs = appendArgs(nil, checkedFields)
	accessArgs  = appendArgs(nil, []string{"staff", "bannedAt"})
)

func newHMGet(ctx context.Context, key string, fields []any) *redis.SliceCmd {
	args := make([]any, 0, 2+len(fields))
	return redis.NewSliceCmd(ctx, append(append(args, "hmget", key), fields...)...)
}

// access reads the replies, each with its own error: a session that could not be
// read is no dead session.
func (l sessionLookup) access(generation *redis.StringCmd) (Access, error) {
	current, err := readGeneration(generation)
	if err != nil {
		return Access{}, err
	}
	sessionValues, err := l.session.Result()
	if err != nil {
		return Access{}, fmt.Errorf("read the session: %w", err)
	}
	userValues, err := l.user.Result()
	if err != nil {
		return Access{}, fmt.Errorf("read the account: %w", err)
	}
	// What could not be renewed would idle out while in use.
	if l.renewal != nil && l.renewal.Err() != nil {
		return Access{}, fmt.Errorf("renew the session: %w", l.renewal.Err())
	}
	session, found, err := parseChecked(l.sid, sessionValues, current)
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
