package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// claimTTL is how long a name stays claimed by a writer that died before its
// account was written.
const claimTTL = time.Minute

// claim is a claim to a name for an account about to be written.
type claim struct {
	folded, uid string
	// renew tells that an earlier claim of the same ID is the same writer's: the
	// ID is known to be that of the account, not merely asked for.
	renew bool
}

// claimUsername takes a name. A claim left by an account that is gone is taken
// over; any other is ErrUsernameTaken.
func (s *Store) claimUsername(ctx context.Context, c claim) error {
	call := c.call("")
	return s.settleClaim(ctx, c, s.run(ctx, call.script, call.keys, call.args...))
}

// call claims the name; gone is the ID of a holder known to be gone, or "".
func (c claim) call(gone string) scriptCall {
	args := []any{c.uid, int64(claimTTL / time.Second), gone, boolText(c.renew)}
	return scriptCall{claimUsernameScript, []string{usernameKey(c.folded)}, args}
}

// settleClaim reads the reply to a claim and, where the holder's account is
// gone, claims once more.
func (s *Store) settleClaim(ctx context.Context, c claim, cmd *redis.Cmd) error {
	holder, confirmed, err := parseClaim(cmd)
	if err != nil || holder == "" {
		return err
	}
	if !confirmed {
		return ErrUsernameTaken
	}
	user, found, err := s.readUser(ctx, holder)
	if err != nil {
		return err
	}
	if found && foldUsername(user.Username) == c.folded {
		return ErrUsernameTaken
	}
	call := c.call(holder)
	holder, _, err = parseClaim(s.run(ctx, call.script, call.keys, call.args...))
	if err == nil && holder != "" {
		err = ErrUsernameTaken
	}
	return err
}

// parseClaim returns who else holds the name, or nobody where it is claimed.
func parseClaim(cmd *redis.Cmd) (holder string, confirmed bool, err error) {
	reply, err := cmd.Slice()
	if err != nil {
		return "", false, fmt.Errorf("claim a user name: %w", err)
	}
	switch {
	case len(reply) == 1 && reply[0] == "claimed":
		return "", false, nil
	case len(reply) == 3 && reply[0] == "held":
		holder, ok := reply[1].(string)
		if ok && holder != "" {
			return holder, reply[2] == int64(1), nil
		}
	}
	return "", false, errors.New("claim a user name: unexpected reply")
}

func (s *Store) confirmUsername(ctx context.Context, folded, uid string) error {
	return checkConfirmed(s.run(ctx, confirmUsernameScript, []string{usernameKey(folded)}, uid))
}

func checkConfirmed(cmd *redis.Cmd) error {
	confirmed, err := cmd.Bool()
	if err != nil {
		return fmt.Errorf("confirm a user name: %w", err)
	}
	if !confirmed {
		return fmt.Errorf("confirm a user name: the claim lapsed before the account was written")
	}
	return nil
}
