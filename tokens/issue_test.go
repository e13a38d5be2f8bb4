package tokens_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/tokens"
)

func TestIssueIsVerified(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "sessiond", `"q" <&> é` + "\u2028", strings.Repeat("\x01", 256)} {
		issuer, err := tokens.NewIssuer(testKeyring(t), name)
		if err != nil {
			t.Fatal(err)
		}
		want := tokens.Claims{
			UserID: user, SessionID: session,
			IssuedAt: time.Unix(now, 0).UTC(), ExpiresAt: time.Unix(now+315_576_000, 0).UTC(),
		}
		issued := want
		issued.IssuedAt = issued.IssuedAt.Add(999 * time.Millisecond).In(time.FixedZone("", 3600))
		token, err := issuer.Issue(issued)
		if err != nil {
			t.Fatal(err)
		}
		got, err := verifier(t, tokens.VerifierOptions{Issuer: name}).Verify(token)
		if err != nil {
			t.Fatalf("issuer %q: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("issuer %q: claims (-want +got):\n%s", name, diff)
		}
	}
}

func TestIssueWritesTheDocumentedToken(t *testing.T) {
	t.Parallel()
	claims := tokens.Claims{
		UserID: user, SessionID: session,
		IssuedAt: time.Unix(now, 0), ExpiresAt: time.Unix(now+86_400, 0),
	}
	tests := []struct {
		issuer string
		want   map[string]any
	}{
		{"", map[string]any{"sub": user, "sid": session, "iat": float64(now), "exp": float64(now + 86_400)}},
		{"us", map[string]any{"sub": user, "sid": session, "iat": float64(now), "exp": float64(now + 86_400), "iss": "us"}},
	}
	for _, tt := range tests {
		issuer, err := tokens.NewIssuer(testKeyring(t), tt.issuer)
		if err != nil {
			t.Fatal(err)
		}
		token, err := issuer.Issue(claims)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(token, ".")
		wantHeader := map[string]any{"alg": "ES256", "typ": "JWT", "kid": currentKID}
		if diff := cmp.Diff(wantHeader, decode(t, parts[0])); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(tt.want, decode(t, parts[1])); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	}
}

func TestIssueRefusesWhatNoVerifierAccepts(t *testing.T) {
	t.Parallel()
	issuer, err := tokens.NewIssuer(testKeyring(t), "")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(now, 0)
	for name, claims := range map[string]tokens.Claims{
		"nothing":            {},
		"no user ID":         {SessionID: session, IssuedAt: at, ExpiresAt: at.Add(time.Hour)},
		"user ID of letters": {UserID: "164701502862x", SessionID: session, IssuedAt: at, ExpiresAt: at.Add(time.Hour)},
		"no session ID":      {UserID: user, IssuedAt: at, ExpiresAt: at.Add(time.Hour)},
		"long session ID":    {UserID: user, SessionID: session + "0", IssuedAt: at, ExpiresAt: at.Add(time.Hour)},
		"no time of issue":   {UserID: user, SessionID: session, ExpiresAt: at},
		"no expiry":          {UserID: user, SessionID: session, IssuedAt: at},
		"expired at issue":   {UserID: user, SessionID: session, IssuedAt: at, ExpiresAt: at.Add(999 * time.Millisecond)},
		"after all years":    {UserID: user, SessionID: session, IssuedAt: at, ExpiresAt: at.AddDate(8000, 0, 0)},
	} {
		if token, err := issuer.Issue(claims); err == nil {
			t.Errorf("%s: issued %s", name, token)
		}
	}
}

func TestIssuerNeedsASigningKey(t *testing.T) {
	t.Parallel()
	verifyOnly := keyring(t,
		tokens.Key{ID: legacyKID, Private: testKey(t, legacyKID)},
		tokens.Key{ID: olderKID, Public: &testKey(t, olderKID).PublicKey},
	)
	for name, k := range map[string]*tokens.Keyring{"none": nil, "empty": keyring(t), "only verifies": verifyOnly} {
		if _, err := tokens.NewIssuer(k, ""); !errors.Is(err, tokens.ErrNoSigningKey) {
			t.Errorf("keyring %s: %v, want %v", name, err, tokens.ErrNoSigningKey)
		}
	}
	for _, name := range []string{"\xff", strings.Repeat("x", 257)} {
		if _, err := tokens.NewIssuer(testKeyring(t), name); err == nil {
			t.Errorf("issuer %q: taken", name)
		}
	}
}

func TestIssuerSetKeyring(t *testing.T) {
	t.Parallel()
	older := keyring(t, tokens.Key{ID: olderKID, Private: testKey(t, olderKID)})
	issuer, err := tokens.NewIssuer(older, "")
	if err != nil {
		t.Fatal(err)
	}
	claims := tokens.Claims{UserID: user, SessionID: session, IssuedAt: time.Unix(now, 0), ExpiresAt: time.Unix(now+60, 0)}
	kidOfNext := func() any {
		token, err := issuer.Issue(claims)
		if err != nil {
			t.Fatal(err)
		}
		header, _, _ := strings.Cut(token, ".")
		return decode(t, header)["kid"]
	}
	if kid := kidOfNext(); kid != olderKID {
		t.Errorf("signed with %v", kid)
	}
	if err := issuer.SetKeyring(keyring(t)); !errors.Is(err, tokens.ErrNoSigningKey) {
		t.Errorf("an empty keyring: %v", err)
	}
	if kid := kidOfNext(); kid != olderKID {
		t.Errorf("after a refused keyring signed with %v", kid)
	}
	if err := issuer.SetKeyring(testKeyring(t)); err != nil {
		t.Fatal(err)
	}
	if kid := kidOfNext(); kid != currentKID {
		t.Errorf("after a change of keyrings signed with %v", kid)
	}
}

func decode(t *testing.T, part string) map[string]any {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
