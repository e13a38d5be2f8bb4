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

// Events go two ways. The script that brings one about writes it to the user's
// own stream, the trail, in the same step: what happened is in the trail, and
// what is in the trail happened. Right after that the event is published to one
// stream for all users, as well as can be: see publisher.
//
// A session that expires, by its time or unused, is no event: Redis lets it go
// without a word.

// EventType says what happened.
type EventType string

// The types of events.
const (
	EventSessionCreated EventType = "session.created"
	EventSessionEnded   EventType = "session.ended"
	EventUserBanned     EventType = "user.banned"
	EventUserUnbanned   EventType = "user.unbanned"
)

// Actor is who brought an event about: Operator, ByUser or ByStaff.
type Actor string

// Operator is whoever runs commands of sessiond.
const Operator Actor = "operator"

// ByUser is a user acting on the own account.
func ByUser(uid string) Actor { return Actor("user:" + uid) }

// ByStaff is a staff account acting on another.
func ByStaff(uid string) Actor { return Actor("staff:" + uid) }

// Reason is why a session ended.
type Reason string

// The reasons for which a session ends.
const (
	ReasonLogout   Reason = "logout"   // it ended itself
	ReasonRevoked  Reason = "revoked"  // another session of the user ended it
	ReasonStaff    Reason = "staff"    // staff ended it
	ReasonCap      Reason = "cap"      // a login beyond the number of sessions a user may hold
	ReasonPassword Reason = "password" // the password was changed
	ReasonOperator Reason = "operator" // a command ended it
	ReasonEveryone Reason = "everyone" // a command ended everybody's
	ReasonRemoved  Reason = "removed"  // the account was removed
)

// Ending says who ends sessions, and why.
type Ending struct {
	Actor  Actor
	Reason Reason
	// Own is the session that asks, if it may be among those that end: its own
	// reason is ReasonLogout.
	Own string
}

// endingArgs are what scripts that end sessions begin with.
func (s *Store) endingArgs(e Ending) []any {
	return []any{s.options.MaxEvents, string(e.Actor), string(e.Reason), e.Own}
}

// Event is something that happened to a user's sessions or account.
type Event struct {
	// ID is its place in the stream: the Unix millisecond, a dash and a number.
	ID   string
	Type EventType
	// UserID and SessionID are "*" where everybody's sessions ended, which is
	// one event in the stream of all users. SessionID is empty for an event of
	// the account.
	UserID, SessionID string
	Actor             Actor
	// Reason is empty unless a session ended.
	Reason Reason
}

// everybody stands for all users, or all sessions.
const everybody = "*"

// Time is when it was written, in milliseconds by Redis' clock. It is zero for an
// event that did not come from a stream.
func (e Event) Time() time.Time {
	text, _, _ := strings.Cut(e.ID, "-")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// eventsPage is how many events Events returns at most.
const eventsPage = 1000

// Events returns events behind the one with an ID, the oldest first, or all from
// the first on where the ID is empty: those of a user or, with an empty user ID,
// those of all users. Where there are none it waits, for as long as wait says,
// for the first to come. It returns a page at most.
func (s *Store) Events(ctx context.Context, uid, after string, wait time.Duration) ([]Event, error) {
	key := eventsKey
	if uid != "" {
		key = trailKey(uid)
	}
	if after == "" {
		after = "0-0"
	}
	args := &redis.XReadArgs{Streams: []string{key, after}, Count: eventsPage, Block: -1}
	if wait > 0 {
		args.Block = wait
	}
	streams, err := s.rdb.XRead(ctx, args).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	var events []Event
	for _, stream := range streams {
		for _, message := range stream.Messages {
			events = append(events, parseEvent(uid, message))
		}
	}
	return events, nil
}

// parseEvent reads an entry. Those of a trail don't repeat whose it is.
func parseEvent(uid string, message redis.XMessage) Event {
	text := func(field string) string {
		value, _ := message.Values[field].(string)
		return value
	}
	if uid == "" {
		uid = text("user")
	}
	return Event{
		ID: message.ID, Type: EventType(text("type")), UserID: uid, SessionID: text("session"),
		Actor: Actor(text("actor")), Reason: Reason(text("reason")),
	}
}
