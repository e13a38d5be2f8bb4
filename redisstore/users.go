package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// User is an account.
type User struct {
	// ID is valid by ValidUserID.
	ID       string
	Username string
	// PasswordHash is in bcrypt's own text format.
	PasswordHash string
	Staff        bool
	// BannedAt is zero for a user who is not banned. Both times are in whole
	// milliseconds.
	BannedAt, CreatedAt time.Time
}

// ErrUsernameTaken means that another account bears the name, however cased.
var ErrUsernameTaken = errors.New("user name is taken")

// ErrUsernameInvalid means that no account can bear the name: see ValidUsername.
var ErrUsernameInvalid = errors.New("user name is not valid: it takes 1 to 256 bytes of printable UTF-8 without white space around it, and not the 13 digits of an ID")

var userFields = []string{"username", "passwordHash", "staff", "bannedAt", "createdAt"}

// User returns the account with an ID. The flag tells whether there is one.
func (s *Store) User(ctx context.Context, uid string) (User, bool, error) {
	if !ValidUserID(uid) {
		return User{}, false, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	return s.readUser(ctx, uid)
}

// UserByName returns the account with a name, however cased, surrounding white
// space aside. The flag tells whether there is one.
func (s *Store) UserByName(ctx context.Context, name string) (User, bool, error) {
	name = strings.TrimSpace(name)
	// What can't be a name is nobody's, and is never sent to Redis.
	if !ValidUsername(name) {
		return User{}, false, nil
	}
	folded := foldUsername(name)
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	uid, err := s.rdb.Get(ctx, usernameKey(folded)).Result()
	if errors.Is(err, redis.Nil) || (err == nil && !ValidUserID(uid)) {
		return User{}, false, nil
	}
	if err != nil {
		return User{}, false, fmt.Errorf("look up a user name: %w", err)
	}
	user, found, err := s.readUser(ctx, uid)
	// A claim that outlived its account, or precedes it, is nobody's name.
	if err != nil || !found || foldUsername(user.Username) != folded {
		return User{}, false, err
	}
	return user, true, nil
}

// FindUser returns the account with an ID or a name.
func (s *Store) FindUser(ctx context.Context, idOrName string) (User, bool, error) {
	if ValidUserID(idOrName) {
		return s.User(ctx, idOrName)
	}
	return s.UserByName(ctx, idOrName)
}

func (s *Store) readUser(ctx context.Context, uid string) (User, bool, error) {
	values, err := s.rdb.HMGet(ctx, userKey(uid), userFields...).Result()
	if err != nil {
		return User{}, false, fmt.Errorf("read user %s: %w", uid, err)
	}
	return parseUser(uid, values)
}

func parseUser(uid string, values []any) (User, bool, error) {
	if len(values) != len(userFields) {
		return User{}, false, errors.New("read a user: reply of another length")
	}
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i], _ = value.(string)
	}
	if texts[1] == "" {
		return User{}, false, nil
	}
	user := User{ID: uid, Username: texts[0], PasswordHash: texts[1], Staff: texts[2] == "1"}
	for i, target := range []*time.Time{&user.BannedAt, &user.CreatedAt} {
		text := texts[3+i]
		if text == "" {
			continue
		}
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return User{}, false, fmt.Errorf("read user %s: %s is no number", uid, userFields[3+i])
		}
		*target = time.UnixMilli(ms)
	}
	return user, true, nil
}

// NewUser is an account to be made.
type NewUser struct {
	Username     string
	PasswordHash string
	Staff        bool
}

// AddUser makes an account. The error is ErrUsernameInvalid or ErrUsernameTaken
// where its name can't be had; of two at once, one gets the name.
func (s *Store) AddUser(ctx context.Context, n NewUser) (User, error) {
	if !ValidUsername(n.Username) {
		return User{}, ErrUsernameInvalid
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	now, err := s.now(ctx)
	if err != nil {
		return User{}, err
	}

	// Where the ID is taken, the next millisecond is tried: the name is then
	// claimed anew, and the claim given up.
	for created := now.UnixMilli(); ; created++ {
		user := User{
			ID: strconv.FormatInt(created, 10), Username: n.Username, PasswordHash: n.PasswordHash,
			Staff: n.Staff, CreatedAt: time.UnixMilli(created),
		}
		added, err := s.addUser(ctx, user)
		if err != nil {
			return User{}, fmt.Errorf("add user: %w", err)
		}
		if added {
			return user, nil
		}
	}
}

func (s *Store) addUser(ctx context.Context, user User) (bool, error) {
	folded := foldUsername(user.Username)
	if err := s.claimUsername(ctx, claim{folded: folded, uid: user.ID}); err != nil {
		return false, err
	}
	added, err := s.run(ctx, createUserScript, []string{userKey(user.ID)},
		"username", user.Username, "passwordHash", user.PasswordHash,
		"staff", boolText(user.Staff), "createdAt", user.CreatedAt.UnixMilli()).Bool()
	if err != nil {
		return false, err
	}
	if !added {
		return false, s.run(ctx, releaseUsernameScript, []string{usernameKey(folded)}, user.ID).Err()
	}
	return true, s.confirmUsername(ctx, folded, user.ID)
}

// BanUser shuts a user out from the next request on; the sessions stay. A user
// who is banned already keeps the older date. The flag tells whether there is
// such a user.
func (s *Store) BanUser(ctx context.Context, uid string) (bool, error) {
	return s.banUser(ctx, uid, "ban", EventUserBanned)
}

// UnbanUser lets a user in again, with the sessions that still live. The flag
// tells whether there is such a user.
func (s *Store) UnbanUser(ctx context.Context, uid string) (bool, error) {
	return s.banUser(ctx, uid, "unban", EventUserUnbanned)
}

func (s *Store) banUser(ctx context.Context, uid, change string, kind EventType) (bool, error) {
	if !ValidUserID(uid) {
		return false, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	outcome, err := s.runReplicated(ctx, banUserScript, []string{trailKey(uid), userKey(uid)},
		s.options.MaxEvents, change, string(Operator)).Int()
	if err != nil {
		return false, fmt.Errorf("%s user %s: %w", change, uid, err)
	}
	if outcome == 2 {
		s.events.publish(Event{Type: kind, UserID: uid, Actor: Operator})
	}
	return outcome > 0, nil
}

// SetStaff makes a user staff, or no longer. The flag tells whether there is
// such a user.
func (s *Store) SetStaff(ctx context.Context, uid string, staff bool) (bool, error) {
	return s.changeUser(ctx, uid, "staff", boolText(staff), "")
}

// SetPasswordHash replaces a user's password and ends all of the user's sessions
// in the same step; it returns how many. The flag tells whether there is such a
// user.
func (s *Store) SetPasswordHash(ctx context.Context, uid, hash string) (ended int, found bool, err error) {
	if !ValidUserID(uid) {
		return 0, false, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	known, err := s.indexed(ctx, uid)
	if err != nil {
		return 0, false, fmt.Errorf("set the password of user %s: %w", uid, err)
	}
	verdict, sids, err := s.settle(ctx, s.runReplicated, setPasswordScript, known, func(known []string) ([]string, []any) {
		keys := append([]string{s.generations.key(uid), trailKey(uid), userKey(uid), indexKey(uid)}, sessionKeys(uid, known)...)
		return keys, appendArgs([]any{s.options.MaxEvents, string(Operator), hash}, known)
	})
	if err != nil {
		return 0, false, fmt.Errorf("set the password of user %s: %w", uid, err)
	}
	s.publishEnded(uid, sids, Ending{Actor: Operator, Reason: ReasonPassword})
	return len(sids), verdict == "changed", nil
}

// UpgradePasswordHash replaces one hash of a password with another of the same
// password, so that the sessions go on. The flag tells whether it did: a password
// that was changed meanwhile stays.
func (s *Store) UpgradePasswordHash(ctx context.Context, uid, from, to string) (bool, error) {
	return s.changeUser(ctx, uid, "passwordHash", to, from)
}

func (s *Store) changeUser(ctx context.Context, uid, field, value, expected string) (bool, error) {
	if !ValidUserID(uid) {
		return false, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	changed, err := s.runReplicated(ctx, changeUserScript, []string{userKey(uid)}, field, value, expected).Bool()
	if err != nil {
		return false, fmt.Errorf("change %s of user %s: %w", field, uid, err)
	}
	return changed, nil
}

// RemoveUser removes an account, its sessions and its claim to a name. The flag
// tells whether there was one.
func (s *Store) RemoveUser(ctx context.Context, uid string) (bool, error) {
	if !ValidUserID(uid) {
		return false, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	known, err := s.indexed(ctx, uid)
	if err != nil {
		return false, fmt.Errorf("remove user %s: %w", uid, err)
	}
	verdict, values, err := s.settle(ctx, s.runReplicated, removeUserScript, known, func(known []string) ([]string, []any) {
		keys := append([]string{s.generations.key(uid), trailKey(uid), userKey(uid), indexKey(uid)}, sessionKeys(uid, known)...)
		return keys, appendArgs([]any{s.options.MaxEvents, string(Operator)}, known)
	})
	if err != nil {
		return false, fmt.Errorf("remove user %s: %w", uid, err)
	}
	if verdict != "removed" || len(values) == 0 {
		return false, nil
	}
	s.publishEnded(uid, values[1:], Ending{Actor: Operator, Reason: ReasonRemoved})
	// Only now: a name is free when its account is gone, not before. Should this
	// be the end of the process, the name is still taken over by who wants it.
	err = s.run(ctx, releaseUsernameScript, []string{usernameKey(foldUsername(values[0]))}, uid).Err()
	if err != nil {
		return false, fmt.Errorf("release the name of user %s: %w", uid, err)
	}
	return true, nil
}

func boolText(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
