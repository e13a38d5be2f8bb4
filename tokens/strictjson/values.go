package strictjson

import "encoding/json"

// String returns the text of a JSON string, and false for every other value,
// null and a missing one (nil) included.
func String(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", false
	}
	return text, true
}

// Bool returns a JSON true or false; ok is false for every other value, null
// and a missing one (nil) included.
func Bool(raw json.RawMessage) (value, ok bool) {
	switch string(raw) {
	case "true":
		return true, true
	case "false":
		return false, true
	default:
		return false, false
	}
}

// Whole returns the digits of a whole number from 0 up that is written out. A
// sign, a fraction or an exponent makes it something else, even where the value
// would be whole (1.0, 1e3): identifiers and seconds have one spelling. The
// number may be of any length; ok is false for every other value.
func Whole(raw json.RawMessage) (digits string, ok bool) {
	if len(raw) == 0 || (raw[0] == '0' && len(raw) > 1) {
		return "", false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return string(raw), true
}

// Number returns the text of any JSON number, and false for every other value.
func Number(raw json.RawMessage) (text string, ok bool) {
	if len(raw) == 0 || (raw[0] != '-' && (raw[0] < '0' || raw[0] > '9')) {
		return "", false
	}
	return string(raw), true
}

// Array returns the elements of a JSON array, still encoded, and false for every
// other value, null and a missing one (nil) included.
func Array(raw json.RawMessage) ([]json.RawMessage, bool) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return nil, false
	}
	return elements, true
}

// IsNull reports whether a member is there and is null; a missing one (nil) is
// not null.
func IsNull(raw json.RawMessage) bool {
	return string(raw) == "null"
}
