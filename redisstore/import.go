package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// ImportedUser is an account of the older system, with its sessions.
type ImportedUser struct {
	User     User
	Sessions []ImportedSession
}

// ImportedSession is a login of the older system. Its ID is the second of its
// creation, which the token carries as `iat`.
type ImportedSession struct {
	// IssuedAt and ExpiresAt are in Unix seconds.
	IssuedAt, ExpiresAt int64
	Name                string
}

// ImportResult is what became of one account.
type ImportResult struct {
	// Updated tells that the account was there already: its sessions were left
	// alone.
	Updated bool
	// Sessions is how many live sessions were imported; Dropped is how many
	// live ones were not, being older than the newest MaxSessions.
	Sessions, Dropped int
	// Err is ErrUsernameTaken or ErrUsernameInvalid for an account that can't
	// be imported; any other means that Redis did not answer.
	Err error
}

// ImportUsers writes a batch of accounts in three round trips. No two of a
// batch may share an ID or, however cased, a name.
func (s *Store) ImportUsers(ctx context.Context, users []ImportedUser) []ImportResult {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()

	results := make([]ImportResult, len(users))
	s.claimAll(ctx, users, results)

	var open []int
	var calls []scriptCall
	now := time.Now().Unix()
	for i, user := range users {
		if results[i].Err != nil {
			continue
		}
		sessions, dropped := newestSessions(user.Sessions, now, s.options.MaxSessions)
		results[i].Dropped = dropped
		open, calls = append(open, i), append(calls, s.importCall(user.User, sessions))
	}

	// Names are confirmed, and old ones released, in the last trip.
	var closing []scriptCall
	var closes []int
	for n, cmd := range s.runAll(ctx, calls) {
		i := open[n]
		user := users[i].User
		oldName := results[i].read(cmd)
		if results[i].Err != nil {
			continue
		}
		folded := foldUsername(user.Username)
		closing = append(closing, scriptCall{confirmUsernameScript, []string{usernameKey(folded)}, []any{user.ID}})
		closes = append(closes, i)
		if old := foldUsername(oldName); results[i].Updated && old != folded {
			closing = append(closing, scriptCall{releaseUsernameScript, []string{usernameKey(old)}, []any{user.ID}})
			closes = append(closes, i)
		}
	}
	for n, cmd := range s.runAll(ctx, closing) {
		err := cmd.Err()
		if closing[n].script == confirmUsernameScript {
			err = checkConfirmed(cmd)
		}
		results[closes[n]].Err = cmp.Or(results[closes[n]].Err, err)
	}
	return results
}

func (s *Store) claimAll(ctx context.Context, users []ImportedUser, results []ImportResult) {
	var open []int
	var claims []claim
	var calls []scriptCall
	for i, user := range users {
		if !ValidUsername(user.User.Username) {
			results[i].Err = ErrUsernameInvalid
			continue
		}
		c := claim{folded: foldUsername(user.User.Username), uid: user.User.ID, renew: true}
		open, claims, calls = append(open, i), append(claims, c), append(calls, c.call(""))
	}
	for n, cmd := range s.runAll(ctx, calls) {
		results[open[n]].Err = s.settleClaim(ctx, claims[n], cmd)
	}
}

// newestSessions leaves out the expired and those past the cap, and keeps one
// of each ID: the older system gave one ID to all logins of a second, of which
// the longest-lived stands for all.
func newestSessions(sessions []ImportedSession, now int64, limit int) (kept []ImportedSession, dropped int) {
	kept = slices.DeleteFunc(slices.Clone(sessions), func(s ImportedSession) bool { return s.ExpiresAt <= now })
	slices.SortFunc(kept, func(a, b ImportedSession) int {
		return cmp.Or(cmp.Compare(b.IssuedAt, a.IssuedAt), cmp.Compare(b.ExpiresAt, a.ExpiresAt))
	})
	kept = slices.CompactFunc(kept, func(a, b ImportedSession) bool { return a.IssuedAt == b.IssuedAt })
	if len(kept) > limit {
		kept, dropped = kept[:limit], len(kept)-limit
	}
	return kept, dropped
}

func (s *Store) importCall(user User, sessions []ImportedSession) scriptCall {
	keys := []string{s.generations.key(user.ID), userKey(user.ID), indexKey(user.ID)}
	banned := ""
	if !user.BannedAt.IsZero() {
		banned = strconv.FormatInt(user.BannedAt.UnixMilli(), 10)
	}
	args := []any{user.Username, user.PasswordHash, boolText(user.Staff), banned, user.CreatedAt.UnixMilli(), s.idleSeconds()}
	for _, session := range sessions {
		sid := fmt.Sprintf("%010d", session.IssuedAt)
		keys = append(keys, sessionKey(user.ID, sid))
		args = append(args, sid, session.ExpiresAt, session.IssuedAt*1000, session.Name)
	}
	return scriptCall{importUserScript, keys, args}
}

// read takes over the reply of import_user and returns the name that the
// account had.
func (r *ImportResult) read(cmd *redis.Cmd) (oldName string) {
	reply, err := cmd.StringSlice()
	switch {
	case err != nil:
		r.Err = fmt.Errorf("import a user: %w", err)
	case len(reply) == 2 && reply[0] == "updated":
		r.Updated, r.Dropped = true, 0
		return reply[1]
	case len(reply) == 2 && reply[0] == "created":
		r.Sessions, r.Err = atoi(reply[1])
	default:
		r.Err = errors.New("import a user: unexpected reply")
	}
	return ""
}

func atoi(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("read a number: %w", err)
	}
	return n, nil
}
