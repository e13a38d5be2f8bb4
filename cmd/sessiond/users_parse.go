package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessiond/sessiond/handlers"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens/strictjson"
)

// unnamedSession is what a session is called of which nothing is known, as at a
// login without a user agent.
const unnamedSession = "Unknown Browser on an Unknown OS"

var errMissing = errors.New("missing")

// importMember reads one member of an imported object into it. Its value is nil
// where the member is missing.
type importMember[T any] struct {
	name string
	read func(raw json.RawMessage, into *T) error
}

var userMembers = []importMember[redisstore.ImportedUser]{
	{"id", readImportedID},
	{"username", readImportedName},
	{"password", readImportedHash},
	{"staff", readImportedStaff},
	{"bannedAt", readImportedBan},
	{"createdAt", readImportedCreation},
	{"sessions", readImportedSessions},
}

var sessionMembers = []importMember[redisstore.ImportedSession]{
	{"iat", readImportedIat},
	{"exp", readImportedExp},
	{"name", readImportedSessionName},
}

// parseImportLine reads one account. Its error quotes no value.
func parseImportLine(line []byte) (redisstore.ImportedUser, error) {
	var user redisstore.ImportedUser
	err := readMembers(line, userMembers, &user)
	return user, err
}

// readMembers reads an object of exactly these members: one with another name
// is a slip of the pen that would otherwise lift a ban.
func readMembers[T any](data []byte, known []importMember[T], into *T) error {
	members, err := strictjson.Object(data)
	if err != nil {
		return err
	}
	for _, member := range known {
		if err := member.read(members[member.name], into); err != nil {
			return fmt.Errorf("%s: %w", member.name, err)
		}
		delete(members, member.name)
	}
	if len(members) > 0 {
		return fmt.Errorf("unknown member %.40q; want only %s", slices.Min(slices.Collect(maps.Keys(members))), memberNames(known))
	}
	return nil
}

func memberNames[T any](known []importMember[T]) string {
	var names []string
	for _, member := range known {
		names = append(names, member.name)
	}
	return strings.Join(names, ", ")
}

func readImportedID(raw json.RawMessage, user *redisstore.ImportedUser) error {
	id, ok := strictjson.String(raw)
	switch {
	case raw == nil:
		return errMissing
	case !ok || !redisstore.ValidUserID(id):
		return errors.New("want 13 digits in quotes")
	}
	ms, err := strconv.ParseInt(id, 10, 64)
	user.User.ID, user.User.CreatedAt = id, time.UnixMilli(ms)
	return err
}

func readImportedName(raw json.RawMessage, user *redisstore.ImportedUser) error {
	name, ok := strictjson.String(raw)
	switch {
	case raw == nil:
		return errMissing
	case !ok:
		return errors.New("want text")
	case !redisstore.ValidUsername(name):
		return redisstore.ErrUsernameInvalid
	}
	user.User.Username = name
	return nil
}

func readImportedHash(raw json.RawMessage, user *redisstore.ImportedUser) error {
	hash, ok := strictjson.String(raw)
	switch {
	case raw == nil:
		return errMissing
	case !ok || !redisstore.ValidPasswordHash(hash):
		return errors.New("want a bcrypt hash")
	}
	user.User.PasswordHash = hash
	return nil
}

func readImportedStaff(raw json.RawMessage, user *redisstore.ImportedUser) error {
	if raw == nil {
		return nil
	}
	staff, ok := strictjson.Bool(raw)
	if !ok {
		return errors.New("want true or false")
	}
	user.User.Staff = staff
	return nil
}

func readImportedBan(raw json.RawMessage, user *redisstore.ImportedUser) (err error) {
	if raw == nil || strictjson.IsNull(raw) {
		return nil
	}
	user.User.BannedAt, err = importedTime(raw)
	return err
}

func readImportedCreation(raw json.RawMessage, user *redisstore.ImportedUser) error {
	if raw == nil {
		return nil
	}
	created, err := importedTime(raw)
	if err != nil {
		return err
	}
	user.User.CreatedAt = created
	return nil
}

// importedTime reads a time of RFC 3339. None before 1970 passes, least of all
// the zero time, which as the time of a ban would mean that there is none.
func importedTime(raw json.RawMessage) (time.Time, error) {
	text, ok := strictjson.String(raw)
	at, err := time.Parse(time.RFC3339, text)
	if !ok || err != nil || at.Unix() < 0 {
		return time.Time{}, errors.New("want a time in RFC 3339, as in 2023-11-14T22:13:20Z")
	}
	return at, nil
}

func readImportedSessions(raw json.RawMessage, user *redisstore.ImportedUser) error {
	if raw == nil {
		return nil
	}
	elements, ok := strictjson.Array(raw)
	if !ok {
		return errors.New("want a list")
	}
	user.Sessions = make([]redisstore.ImportedSession, len(elements))
	for i, element := range elements {
		if err := readMembers(element, sessionMembers, &user.Sessions[i]); err != nil {
			return fmt.Errorf("number %d: %w", i+1, err)
		}
	}
	return nil
}

func readImportedIat(raw json.RawMessage, session *redisstore.ImportedSession) (err error) {
	session.IssuedAt, err = importedSeconds(raw)
	if err == nil && len(raw) != 10 {
		// It becomes the session's ID, which has 10 digits.
		err = errors.New("want Unix seconds in 10 digits")
	}
	return err
}

func readImportedExp(raw json.RawMessage, session *redisstore.ImportedSession) (err error) {
	session.ExpiresAt, err = importedSeconds(raw)
	return err
}

// importedSeconds reads Unix seconds. More than 10 digits are milliseconds that
// somebody took for seconds.
func importedSeconds(raw json.RawMessage) (int64, error) {
	digits, ok := strictjson.Whole(raw)
	switch {
	case raw == nil:
		return 0, errMissing
	case !ok || len(digits) > 10:
		return 0, errors.New("want Unix seconds, a whole number of up to 10 digits")
	}
	return strconv.ParseInt(digits, 10, 64)
}

func readImportedSessionName(raw json.RawMessage, session *redisstore.ImportedSession) error {
	name, ok := strictjson.String(raw)
	if raw != nil && !ok {
		return errors.New("want text")
	}
	session.Name = handlers.CleanSessionName(name)
	if session.Name == "" {
		session.Name = unnamedSession
	}
	return nil
}
