package tokens_test

import (
	"errors"
	"testing"

	"github.com/sessiond/sessiond/tokens"
)

// FuzzVerify holds that no text is accepted but one that was signed. (The group
// of ECDSA would allow one more: whoever has a good token can negate its s. The
// claims are the same, so nothing is gained; and no fuzzer computes it.)
func FuzzVerify(f *testing.F) {
	current, legacy := testKey(f, currentKID), testKey(f, legacyKID)
	accepted := map[string]bool{
		mint(f, current, goodHeader, goodClaims):                                                    true,
		mint(f, current, " "+goodHeader, replace(f, goodClaims, `{`, `{"nbf":0,"name":"\u00e9",`)):  true,
		mint(f, testKey(f, olderKID), replace(f, goodHeader, currentKID, olderKID), goodClaims+" "): true,
		mint(f, legacy, oldHeader, oldClaims):                                                       true,
		mint(f, legacy, oldHeader, goodClaims):                                                      true,
	}
	for token := range accepted {
		f.Add(token)
	}
	for _, token := range []string{
		"", ".", "..", "...", exampleToken, exampleToken + "\n",
		mint(f, current, replace(f, goodHeader, "ES256", "none"), goodClaims),
		mint(f, current, replace(f, goodHeader, `{`, `{"crit":["exp"],`), goodClaims),
		mint(f, current, goodHeader, `null`),
		mint(f, current, goodHeader, replace(f, goodClaims, `"exp"`, `"EXP"`)),
		mint(f, current, goodHeader, replace(f, goodClaims, `{`, `{"sub":"1",`)),
	} {
		f.Add(token)
	}
	v := verifier(f, tokens.VerifierOptions{LegacyKeyID: legacyKID})
	f.Fuzz(func(t *testing.T, token string) {
		for range 2 {
			claims, err := v.Verify(token)
			switch {
			case (err == nil) != accepted[token]:
				t.Fatalf("Verify(%q) = %+v, %v", token, claims, err)
			case err != nil && !errors.Is(err, tokens.ErrInvalid):
				t.Fatalf("no ErrInvalid: %v", err)
			case err == nil && (claims.UserID != user || !claims.ExpiresAt.After(claims.IssuedAt)):
				t.Fatalf("Verify(%q) = %+v", token, claims)
			}
		}
	})
}
