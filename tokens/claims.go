package tokens

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sessiond/sessiond/tokens/strictjson"
)

const (
	// userIDLength is the number of digits in a user ID.
	userIDLength = 13
	// A session ID is its creation in Unix milliseconds, 13 digits, or, if the
	// older system issued the token, in Unix seconds, 10 digits.
	minSessionIDLength, maxSessionIDLength = 10, 13

	// maxUnix is the last second of the year 9999, the last that RFC 3339 can
	// write.
	maxUnix = 253402300799
)

// Claims says which session a token stands for.
type Claims struct {
	UserID    string    // "sub": 13 decimal digits
	SessionID string    // "sid": 10 to 13 decimal digits
	IssuedAt  time.Time // "iat": whole seconds, UTC
	ExpiresAt time.Time // "exp": whole seconds, UTC; the token is valid before it
}

// record is Claims in the form that the cache keeps: a fraction of the size, as
// there may be a hundred thousand.
type record struct {
	ids                 string // user ID, then session ID
	issuedAt, expiresAt int64  // Unix seconds
}

func (r record) claims() Claims {
	return Claims{
		UserID:    r.ids[:userIDLength],
		SessionID: r.ids[userIDLength:],
		IssuedAt:  time.Unix(r.issuedAt, 0).UTC(),
		ExpiresAt: time.Unix(r.expiresAt, 0).UTC(),
	}
}

// claimNames are the claims that are read. One that differs from these only in
// letter case is refused: another reader of the token might take it for them.
var claimNames = [...]string{"iss", "sub", "sid", "iat", "exp", "nbf", "aud"}

// claimRules are what the key that verified a token asks of its claims.
type claimRules struct {
	issuer       string // required in iss; empty: iss is not looked at
	sessionIsIat bool   // without sid, iat is the session ID
}

// readClaims reads a payload whose signature was right. notBefore is the Unix
// second from which the token holds.
func readClaims(payload []byte, rules claimRules) (r record, notBefore int64, err error) {
	claims, err := strictjson.Object(payload)
	if err != nil {
		return record{}, 0, fmt.Errorf("%w: %w", ErrClaims, err)
	}
	for name := range claims {
		for _, known := range claimNames {
			if name != known && strings.EqualFold(name, known) {
				return record{}, 0, badClaim(known)
			}
		}
	}
	// Tokens for another audience must be refused (RFC 7519, section 4.1.3), and
	// ours name none.
	if claims["aud"] != nil {
		return record{}, 0, badClaim("aud")
	}
	if rules.issuer != "" {
		if issuer, ok := strictjson.String(claims["iss"]); !ok || issuer != rules.issuer {
			return record{}, 0, badClaim("iss")
		}
	}
	user, ok := strictjson.String(claims["sub"])
	if !ok || !isUserID(user) {
		return record{}, 0, badClaim("sub")
	}
	iat, ok := strictjson.Whole(claims["iat"])
	if r.issuedAt, err = strconv.ParseInt(iat, 10, 64); !ok || err != nil || r.issuedAt > maxUnix {
		return record{}, 0, badClaim("iat")
	}
	session, ok := strictjson.String(claims["sid"])
	if claims["sid"] == nil && rules.sessionIsIat {
		session, ok = iat, len(iat) == minSessionIDLength
	}
	if !ok || !isSessionID(session) {
		return record{}, 0, badClaim("sid")
	}
	// A token may say parts of a second. It is held to the narrower time: exp is
	// rounded down, nbf up.
	exp, ok := numericDate(claims["exp"])
	if !ok {
		return record{}, 0, badClaim("exp")
	}
	if claims["nbf"] != nil {
		nbf, ok := numericDate(claims["nbf"])
		if !ok {
			return record{}, 0, badClaim("nbf")
		}
		notBefore = int64(math.Ceil(nbf))
	}
	r.ids, r.expiresAt = user+session, int64(exp)
	return r, notBefore, nil
}

func badClaim(name string) error {
	return fmt.Errorf("%w: %s", ErrClaims, name)
}

// numericDate reads a NumericDate (RFC 7519, section 2): Unix seconds, maybe
// with a fraction. Times before 1970 and after 9999 are refused.
func numericDate(raw json.RawMessage) (float64, bool) {
	text, ok := strictjson.Number(raw)
	if !ok {
		return 0, false
	}
	seconds, err := strconv.ParseFloat(text, 64)
	return seconds, err == nil && seconds >= 0 && seconds <= maxUnix
}

func isUserID(id string) bool {
	return len(id) == userIDLength && isDigits(id)
}

func isSessionID(id string) bool {
	return len(id) >= minSessionIDLength && len(id) <= maxSessionIDLength && isDigits(id)
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}
