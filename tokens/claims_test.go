package tokens

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
)

// FuzzReadClaims drives the reader behind the signature, where FuzzVerify cannot
// get: whatever a key of ours signs, the IDs that come out can be put into a
// Redis key, and the times into a date.
func FuzzReadClaims(f *testing.F) {
	for _, seed := range []string{
		`{"sub":"1647015028626","sid":"1767323045678","iat":1767323045,"exp":1767409445}`,
		`{"sub":"1647015028626","iat":1687067614,"exp":2002643614.5,"nbf":1e9,"name":"x"}`,
		`{"sub":"1647015028626","iss":"us","sid":null,"iat":1,"exp":1e999}`,
		`{"sub":"}:{*","sid":"1767323045678","iat":-0,"exp":9223372036854775807}`,
		`{"sub":"1647015028626","\u0073id":"1767323045","iat":0,"exp":0,"EXP":1}`,
		`null`,
	} {
		f.Add([]byte(seed), "us", true)
		f.Add([]byte(seed), "", false)
	}
	f.Fuzz(func(t *testing.T, payload []byte, issuer string, sessionIsIat bool) {
		r, notBefore, err := readClaims(payload, claimRules{issuer: issuer, sessionIsIat: sessionIsIat})
		if err != nil {
			if !errors.Is(err, ErrClaims) || r != (record{}) {
				t.Fatalf("readClaims(%q) = %+v, %v", payload, r, err)
			}
			return
		}
		c := r.claims()
		if !isUserID(c.UserID) || !isSessionID(c.SessionID) {
			t.Fatalf("%q: %+v", payload, c)
		}
		if c.IssuedAt.Year() > 9999 || c.ExpiresAt.Year() > 9999 || c.ExpiresAt.Year() < 1970 || notBefore < 0 {
			t.Fatalf("%q: %+v, not before %d", payload, c, notBefore)
		}
		if !strings.Contains(string(payload), "sid") && !strings.Contains(string(payload), `\u`) &&
			c.SessionID != strconv.FormatInt(r.issuedAt, 10) {
			t.Fatalf("%q: session %s", payload, c.SessionID)
		}
	})
}

func TestNumericDate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		`0`: 0, `1767409445`: 1767409445, `1767409445.75`: 1767409445.75, `1.767409445e9`: 1767409445,
		`253402300799`: maxUnix,
		``:             math.NaN(), `"1"`: math.NaN(), `null`: math.NaN(), `true`: math.NaN(), `{}`: math.NaN(),
		`-1`: math.NaN(), `253402300800`: math.NaN(), `1e300`: math.NaN(), `1e999`: math.NaN(),
	} {
		got, ok := numericDate([]byte(text))
		if ok == math.IsNaN(want) || (ok && got != want) {
			t.Errorf("numericDate(%s) = %v, %t", text, got, ok)
		}
	}
}
