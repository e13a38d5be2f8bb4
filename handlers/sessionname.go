package handlers

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// maxSessionName is the longest a session's name can be, in code points.
const maxSessionName = 256

// sessionName returns the name of a session that is opened with the headers h:
// the one in X-Session-Name or, where that leaves nothing to show, one made
// from the user agent.
//
// Of several X-Session-Name lines the first counts. The field is no list, so
// joining them (RFC 9110, section 5.3) would make a name that nobody chose, and
// what is added on the way is added behind the client's own line.
func sessionName(h http.Header) string {
	if name := CleanSessionName(h.Get("X-Session-Name")); name != "" {
		return name
	}
	return userAgentName(h.Get("User-Agent"))
}

// CleanSessionName returns name as it may be stored and shown: valid UTF-8, on
// one line, trimmed of white space, at most 256 code points, cut between
// characters as a reader sees them. It is empty if nothing remains. Cleaning a
// name twice changes nothing more, and text that is in order already passes
// byte for byte: nothing is normalised.
//
// Each run of invalid bytes becomes one U+FFFD: if it were dropped, what stood
// on either side of it would join to another word.
func CleanSessionName(name string) string {
	name = strings.ToValidUTF8(name, string(utf8.RuneError))
	name = strings.Map(func(r rune) rune {
		if forbiddenInName(r) {
			return -1
		}
		return r
	}, name)
	name = cutGraphemes(strings.TrimSpace(name), maxSessionName)
	return strings.TrimSpace(name) // The cut may have bared white space.
}

// forbiddenInName reports whether r could make a name break out of its line, or
// show as something other than what is stored: control characters, line and
// paragraph separators, and the explicit directional formatting of Unicode
// Standard Annex #9, sections 2.1 to 2.4. The directional marks (U+200E,
// U+200F, U+061C) stay, because honest Arabic and Hebrew text needs them.
func forbiddenInName(r rune) bool {
	switch {
	case unicode.IsControl(r),
		r == '\u2028', r == '\u2029',
		r >= '\u202A' && r <= '\u202E',
		r >= '\u2066' && r <= '\u2069':
		return true
	}
	return false
}

// cutGraphemes returns the longest beginning of s, which is valid UTF-8, that
// has at most limit code points and ends between two grapheme clusters. A first
// cluster longer than that (stacked combining marks) is cut at limit.
func cutGraphemes(s string, limit int) string {
	hard, next := -1, len(s) // Where code points number limit and limit+1 end.
	count := 0
	for i := range s {
		if count == limit {
			hard = i
		}
		if count == limit+1 {
			next = i
			break
		}
		count++
	}
	if hard < 0 {
		return s
	}

	// Whether a cluster ends at hard depends on one code point to the right of
	// it and no more, so a long tail is never looked at.
	end, state := 0, -1
	for rest := s[:next]; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if end+len(cluster) > hard {
			break
		}
		end += len(cluster)
	}
	if end == 0 {
		return s[:hard]
	}
	return s[:end]
}
