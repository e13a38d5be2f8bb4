package redisstore

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Every key of one user carries the hash tag {uid}, so that on Redis Cluster
// all of them lie in one slot and one script or pipeline reaches them.
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags

func userKey(uid string) string {
	return "user:{" + uid + "}"
}

func indexKey(uid string) string {
	return "sessions:{" + uid + "}"
}

func sessionKey(uid, sid string) string {
	return "session:{" + uid + "}:" + sid
}

func trailKey(uid string) string {
	return "events:{" + uid + "}"
}

func usernameKey(folded string) string {
	return "username:" + folded
}

func userCounterKey(uid string, window int64) string {
	return "rate:api:user:{" + uid + "}:" + strconv.FormatInt(window, 10)
}

func addressCounterKey(address string, window int64) string {
	return "rate:api:ip:" + address + ":" + strconv.FormatInt(window, 10)
}

// loginLimitKey lacks the "rate:" that redis_rate itself puts in front.
func loginLimitKey(address string) string {
	return "login:" + address
}

func scopedLimitKey(uid string) string {
	return "scoped:{" + uid + "}"
}

// userIDOf is the inverse of userKey.
func userIDOf(key string) (string, bool) {
	return userIDIn(key, "user:{")
}

// userIDIn is the user ID of a key that is nothing but a prefix and a hash tag.
func userIDIn(key, prefix string) (string, bool) {
	uid, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return "", false
	}
	uid, ok = strings.CutSuffix(uid, "}")
	return uid, ok && ValidUserID(uid)
}

// sessionOf is the inverse of sessionKey.
func sessionOf(key string) (uid, sid string, ok bool) {
	rest, ok := strings.CutPrefix(key, "session:{")
	if !ok {
		return "", "", false
	}
	uid, sid, ok = strings.Cut(rest, "}:")
	return uid, sid, ok && ValidUserID(uid) && ValidSessionID(sid)
}

func sessionKeys(uid string, sids []string) []string {
	keys := make([]string, len(sids))
	for i, sid := range sids {
		keys[i] = sessionKey(uid, sid)
	}
	return keys
}

// ValidUserID tells whether s has the form of a user ID: the Unix millisecond
// of the account's creation in 13 digits.
func ValidUserID(s string) bool {
	return len(s) == 13 && isDigits(s)
}

// ValidSessionID tells whether s has the form of a session ID: the Unix
// millisecond of its creation, or the second for one of the older system.
func ValidSessionID(s string) bool {
	return len(s) >= 10 && len(s) <= 13 && isDigits(s)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// maxUsername is in bytes: room for 64 characters of any script.
const maxUsername = 256

// ValidUsername tells whether an account may bear the name: not empty, at most
// 256 bytes of UTF-8, nothing that would not print, no white space around it,
// and no 13 digits, which would read as an ID.
func ValidUsername(name string) bool {
	if name == "" || len(name) > maxUsername || !utf8.ValidString(name) || strings.TrimSpace(name) != name || ValidUserID(name) {
		return false
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return foldUsername(name) != ""
}

// foldUsername maps all spellings of a user name to one: surrounding white
// space and case do not count, nor whether a letter and its accent are one code
// point or two.
func foldUsername(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(strings.TrimSpace(name))))
}
