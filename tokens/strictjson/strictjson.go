// Package strictjson reads JSON that was sent by someone who may not wish us
// well.
//
// [encoding/json] is lenient where a session service must not be: of two
// members with one name the last wins, struct fields match in any letter case,
// broken UTF-8 and lone surrogates turn into U+FFFD, and null passes for any
// type. Two readers of the same text can then disagree about what it says. Here
// such text is refused, so that it has one reading or none. Token headers and
// claims, request bodies and the lines of a user import all come through
// [Object].
//
// Nesting is bounded by encoding/json itself (10,000 levels, without
// recursion), and the length of the text by the callers.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var (
	// ErrNotObject means that the text is not exactly one JSON object
	// (RFC 8259, section 4): it is another value, or cut off, or has more
	// behind it.
	ErrNotObject = errors.New("not one JSON object")

	// ErrRepeatedName means that the object has two members with one name.
	// RFC 8259 leaves open which of them counts.
	ErrRepeatedName = errors.New("repeated name in JSON object")

	// ErrBadText means that the JSON holds broken UTF-8, or an escape such as
	// \ud800 that is half of a surrogate pair and so no character.
	ErrBadText = errors.New("invalid Unicode in JSON")
)

// Object reads data as one JSON object and returns its members' values, still
// encoded, by exact name. Names are compared after their escapes are resolved,
// so "sub" and "\u0073ub" are one name. Only the members of the outermost object
// are compared; its values may themselves be objects with repeated names, which
// a caller that looks inside reads with Object again.
//
// The error is, for [errors.Is], one of ErrNotObject, ErrRepeatedName and
// ErrBadText. It never quotes data, which may hold a password.
func Object(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, ErrBadText
	}
	// Checking the whole text first is what lets the steps below rely on it:
	// backslashes stand only inside strings, and nothing follows the object.
	if !json.Valid(data) {
		return nil, ErrNotObject
	}
	if hasLoneSurrogate(data) {
		return nil, ErrBadText
	}

	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, ErrNotObject
	}
	members := make(map[string]json.RawMessage)
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, ErrNotObject
		}
		if _, repeated := members[name]; repeated {
			return nil, ErrRepeatedName
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, ErrNotObject
		}
		members[name] = value
	}
	return members, nil
}

// hasLoneSurrogate reports whether valid JSON holds a \u escape of a surrogate
// that is not one of a pair, high then low (RFC 8259, section 7).
func hasLoneSurrogate(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 {
			return false
		}
		data = data[i:]
		if data[1] != 'u' {
			data = data[2:]
			continue
		}
		switch unit := escapedUnit(data); {
		case unit < 0xd800 || unit > 0xdfff:
			data = data[6:]
		case unit >= 0xdc00:
			return true
		default:
			data = data[6:]
			if !bytes.HasPrefix(data, []byte(`\u`)) {
				return true
			}
			if low := escapedUnit(data); low < 0xdc00 || low > 0xdfff {
				return true
			}
			data = data[6:]
		}
	}
}

// escapedUnit returns the UTF-16 code unit that the escape at the start of data
// spells in four hexadecimal digits.
func escapedUnit(data []byte) uint32 {
	var unit uint32
	for _, digit := range data[2:6] {
		if digit > '9' {
			// Setting 0x20 makes a letter lower case.
			digit = (digit | 0x20) - 'a' + '0' + 10
		}
		unit = unit<<4 | uint32(digit-'0')
	}
	return unit
}
