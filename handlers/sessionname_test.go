package handlers

import (
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

func TestSessionName(t *testing.T) {
	t.Parallel()

	const (
		curl     = "curl/8.4.0"
		fromCurl = "curl v8 on an Unknown OS"
	)
	tests := []struct {
		name   string
		custom []string
		ua     []string
		want   string
	}{
		{"given", []string{"Way Cool Cumulonimbus Session"}, []string{curl}, "Way Cool Cumulonimbus Session"},
		{"given, without a user agent", []string{"Home"}, nil, "Home"},
		{"cleaned", []string{" \u202eHo\x7fme\t"}, []string{curl}, "Home"},
		{"given twice", []string{"Home", "Office"}, []string{curl}, "Home"},
		{"given twice, first empty", []string{" ", "Office"}, []string{curl}, fromCurl},
		{"not given", nil, []string{curl}, fromCurl},
		{"empty", []string{""}, []string{curl}, fromCurl},
		{"white space alone", []string{" \t\u00a0\u3000 "}, []string{curl}, fromCurl},
		{"nothing to show", []string{"\u202e\x01 \u2029"}, []string{curl}, fromCurl},
		{"two user agents", nil, []string{curl, "Wget/1.21"}, fromCurl},
		{"neither", nil, nil, "Unknown Browser on an Unknown OS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"X-Session-Name": tt.custom, "User-Agent": tt.ua}
			if got := sessionName(h); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCleanSessionName(t *testing.T) {
	t.Parallel()

	const (
		family = "👩‍👩‍👧‍👦" // Seven code points, one character.
		flag   = "🇨🇭"
		tone   = "👍🏽"
	)
	repeat := strings.Repeat
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"plain", "Way Cool Session", "Way Cool Session"},
		{"UTF-8 as it was sent", "Zoë’s 電話 " + family + flag, "Zoë’s 電話 " + family + flag},
		{"decomposed stays so", "Zoe\u0308", "Zoe\u0308"},
		{"U+FFFD as it was sent", "a\ufffd\ufffdb", "a\ufffd\ufffdb"},
		{"right-to-left text and marks", "\u200fשלום\u200e مرحبا\u061c", "\u200fשלום\u200e مرحبا\u061c"},

		{"white space around", " \t\u00a0\u2003\u3000name\u3000\n ", "name"},
		{"white space within", "a \u00a0 b", "a \u00a0 b"},
		{"white space behind control characters", "\x00 a \x1b", "a"},

		{"control characters", "a\x00b\x1b[31mc\td\re\nf\x7fg", "ab[31mcdefg"},
		{"C1 control characters", "a\u0080b\u0085c\u009fd", "abcd"},
		{"line and paragraph separators", "a\u2028b\u2029c", "abc"},
		{"embeddings and overrides", "a\u202ab\u202bc\u202cd\u202de\u202ef", "abcdef"},
		{"isolates", "a\u2066b\u2067c\u2068d\u2069e", "abcde"},
		{"all forbidden", "\x00\u202e\u2066\u2028", ""},

		{"lone invalid byte", "Zo\xeb", "Zo\ufffd"},
		{"run of invalid bytes", "a\xff\xfe\xfdb", "a\ufffdb"},
		{"two runs of invalid bytes", "a\xffb\xffc", "a\ufffdb\ufffdc"},
		{"cut off", "a\xf0\x9f\x91", "a\ufffd"},
		{"overlong", "a\xc0\xafb", "a\ufffdb"},
		{"surrogates", "a\xed\xa0\xbd\xed\xb1\x8db", "a\ufffdb"},
		{"beyond Unicode", "a\xf5\x80\x80\x80b", "a\ufffdb"},
		{"control character inside broken UTF-8", "a\xf0\x9f\x00\x91b", "a\ufffd\ufffdb"},

		{"256 characters", repeat("a", 256), repeat("a", 256)},
		{"257 characters", repeat("a", 257), repeat("a", 256)},
		{"256 after cleaning", " " + repeat("a", 128) + "\x00" + repeat("b", 128) + " ", repeat("a", 128) + repeat("b", 128)},
		{"counted in code points, not bytes", repeat("電", 300), repeat("電", 256)},
		{"300 emoji", repeat("😀", 300), repeat("😀", 256)},
		{"300 emoji with a tone", repeat(tone, 300), repeat(tone, 128)},
		{"300 flags", "x" + repeat(flag, 300), "x" + repeat(flag, 127)},
		{"300 families", repeat(family, 300), repeat(family, 36)},
		{"combining mark over the edge", repeat("a", 255) + "e\u0301", repeat("a", 255)},
		{"combining mark at the edge", repeat("a", 254) + "e\u0301z", repeat("a", 254) + "e\u0301"},
		{"one endless character", "e" + repeat("\u0301", 300), "e" + repeat("\u0301", 255)},
		{"endless character behind another", "ae" + repeat("\u0301", 300), "a"},
		{"Hangul syllables from their parts", repeat("\u1100\u1161\u11a8", 100), repeat("\u1100\u1161\u11a8", 85)},
		{"white space at the cut", repeat("a", 250) + repeat(" ", 10) + "b", repeat("a", 250)},
		{"invalid bytes count as one", repeat("a", 255) + "\xff\xff\xffb", repeat("a", 255) + "\ufffd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := CleanSessionName(tt.in); got != tt.want {
				t.Errorf("CleanSessionName(%+q)\n got %+q\nwant %+q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzSessionName(f *testing.F) {
	for _, name := range []string{
		"", " Way Cool Session ", "a\x00\u202e\xff\u2028b", "Zoe\u0308 👩‍👩‍👧‍👦🇨🇭", strings.Repeat("👍🏽", 200),
		strings.Repeat("a", 255) + "e\u0301", "\u0600 " + strings.Repeat("\u0301", 300), strings.Repeat("क्ष", 90),
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := CleanSessionName(name)
		if !utf8.ValidString(got) {
			t.Errorf("%+q: broken UTF-8 in %+q", name, got)
		}
		if n := utf8.RuneCountInString(got); n > maxSessionName {
			t.Errorf("%+q: %d code points", name, n)
		}
		if i := strings.IndexFunc(got, forbiddenInName); i >= 0 {
			t.Errorf("%+q: forbidden character at %d of %+q", name, i, got)
		}
		if strings.TrimFunc(got, unicode.IsSpace) != got {
			t.Errorf("%+q: not trimmed: %+q", name, got)
		}
		if again := CleanSessionName(got); again != got {
			t.Errorf("%+q: cleaned to %+q, then to %+q", name, got, again)
		}
		h := http.Header{"X-Session-Name": {name}}
		if got := sessionName(h); got == "" {
			t.Errorf("%+q: no name", name)
		}
	})
}

// FuzzCutGraphemes compares the cut, which looks at little more than it keeps,
// with the clusters of the whole text.
func FuzzCutGraphemes(f *testing.F) {
	f.Add("Zoe\u0308 👩‍👩‍👧‍👦🇨🇭", 6)
	f.Add("🇨🇭🇨🇭🇨🇭", 3)
	f.Add("e\u0301\u0301\u0301", 2)
	f.Add("\u0600각क्ष\r\n", 4)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		s = strings.ToValidUTF8(s, "?")
		limit = 1 + max(limit, -limit-1)%maxSessionName

		want, count := "", 0
		for g := uniseg.NewGraphemes(s); g.Next(); {
			if count += len(g.Runes()); count > limit {
				break
			}
			want += g.Str()
		}
		if want == "" && s != "" {
			want = string([]rune(s)[:limit])
		}
		if got := cutGraphemes(s, limit); got != want {
			t.Errorf("cutGraphemes(%+q, %d)\n got %+q\nwant %+q", s, limit, got, want)
		}
	})
}
