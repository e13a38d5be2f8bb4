package client

import (
	"encoding/json"
	"errors"
	"time"
)

// Flags are the permissions of a scoped session, a set of bits. Those that have
// no name here are for the services behind.
type Flags int64

// The flags that sessiond itself knows.
const (
	// FlagAll stands for every other.
	FlagAll Flags = 1 << 0
	// FlagReadSessions lets a session see its user's sessions.
	FlagReadSessions Flags = 1 << 5
	// FlagModifySessions lets it rename and end them.
	FlagModifySessions Flags = 1 << 6
	// FlagStaffReadSessions lets a staff member's session see those of others.
	FlagStaffReadSessions Flags = 1 << 13
	// FlagStaffModifySessions lets it rename and end them.
	FlagStaffModifySessions Flags = 1 << 14
)

// Has tells whether a session with these flags may do what flag stands for. A
// nil f is that of a full session, which may do everything.
func (f *Flags) Has(flag Flags) bool {
	return f == nil || *f&(FlagAll|flag) != 0
}

// Session is a live session of a user.
type Session struct {
	// ID is unique among its user's: the Unix millisecond of its beginning or,
	// for those of the older API, the Unix second.
	ID   int64
	Name string
	// ExpiresAt has whole seconds, the times below milliseconds; all in UTC.
	ExpiresAt time.Time
	// PermissionFlags is nil for a full session.
	PermissionFlags *Flags
	// UsedAt is when the session was last used, to the minute or so; zero where
	// it never was.
	UsedAt               time.Time
	CreatedAt, UpdatedAt time.Time
	// IP and UserAgent tell where the session was begun; empty where that is
	// not known. The user agent may be cut.
	IP, UserAgent string
	// Current marks the session that asks.
	Current bool
}

// SessionName is a session in a plain list.
type SessionName struct {
	ID   int64
	Name string
}

// ScopedSession is a session that may do less than its user, and its token.
type ScopedSession struct {
	Session
	// Token is a secret, and is not shown again.
	Token string
}

// errNotASession does not tell more: nobody sees it but the one who maps it.
var errNotASession = errors.New("no session")

// UnmarshalJSON reads a session as the API writes it.
func (s *Session) UnmarshalJSON(data []byte) error {
	var body struct {
		ID              int64      `json:"id"`
		Name            string     `json:"name"`
		Exp             int64      `json:"exp"`
		PermissionFlags *Flags     `json:"permissionFlags"`
		UsedAt          *time.Time `json:"usedAt"`
		CreatedAt       time.Time  `json:"createdAt"`
		UpdatedAt       time.Time  `json:"updatedAt"`
		IP              string     `json:"ip"`
		UserAgent       string     `json:"userAgent"`
		Current         bool       `json:"current"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return err
	}
	if body.ID <= 0 || body.Exp <= 0 {
		return errNotASession
	}
	*s = Session{
		ID: body.ID, Name: body.Name, ExpiresAt: time.Unix(body.Exp, 0).UTC(),
		PermissionFlags: body.PermissionFlags,
		CreatedAt:       body.CreatedAt.UTC(), UpdatedAt: body.UpdatedAt.UTC(),
		IP: body.IP, UserAgent: body.UserAgent, Current: body.Current,
	}
	if body.UsedAt != nil {
		s.UsedAt = body.UsedAt.UTC()
	}
	return nil
}

// UnmarshalJSON reads a session of a plain list as the API writes it.
func (s *SessionName) UnmarshalJSON(data []byte) error {
	var body struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return err
	}
	if body.ID <= 0 {
		return errNotASession
	}
	*s = SessionName{ID: body.ID, Name: body.Name}
	return nil
}

// UnmarshalJSON reads a new scoped session as the API writes it.
func (s *ScopedSession) UnmarshalJSON(data []byte) error {
	var body struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return err
	}
	if !validToken(body.Token) {
		return errNotASession
	}
	s.Token = body.Token
	return s.Session.UnmarshalJSON(data)
}
