package tokens_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/tokens"
)

func TestIssueIsVerified(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "sessiond", `"q" <&> é` + "\u2028", strings.Repeat("\x01", 256)} {
		issuer, err := tokens.NewIssuer(testKeyring(t), tokens.IssuerOptions{Issuer: name})
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
		issuer, err := tokens.NewIssuer(testKeyring(t), tokens.IssuerOptions{Issuer: tt.issuer})
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
	issuer, err := tokens.NewIssuer(testKeyring(t), tokens.IssuerOptions{})
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
		if _, err := tokens.NewIssuer(k, tokens.IssuerOptions{}); !errors.Is(err, tokens.ErrNoSigningKey) {
			t.Errorf("keyring %s: %v, want %v", name, err, tokens.ErrNoSigningKey)
		}
	}
	for _, name := range []string{"\xff", strings.Repeat("x", 257)} {
		if _, err := tokens.NewIssuer(testKeyring(t), tokens.IssuerOptions{Issuer: name}); err == nil {
			t.Errorf("issuer %q: taken", name)
		}
	}
}

func TestIssuerSetKeyring(t *testing.T) {
	t.Parallel()
	older := keyring(t, tokens.Key{ID: olderKID, Private: testKey(t, olderKID)})
	issuer, err := tokens.NewIssuer(older, tokens.IssuerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if kid := issuedKID(t, issuer); kid != olderKID {
		t.Errorf("signed with %v", kid)
	}
	before := issuer.Signer()
	if err := issuer.SetKeyring(keyring(t)); !errors.Is(err, tokens.ErrNoSigningKey) {
		t.Errorf("an empty keyring: %v", err)
	}
	if kid := issuedKID(t, issuer); kid != olderKID {
		t.Errorf("after a refused keyring signed with %v", kid)
	}
	if err := issuer.SetKeyring(testKeyring(t)); err != nil {
		t.Fatal(err)
	}
	if kid := issuedKID(t, issuer); kid != currentKID {
		t.Errorf("after a change of keyrings signed with %v", kid)
	}
	// Whoever noted a kid gets the token that bears it.
	if kid := issuedKID(t, before); kid != olderKID || before.KeyID() != olderKID {
		t.Errorf("a signer of %s signed with %v", before.KeyID(), kid)
	}
}

// The Issuer asks its clock for every token: nothing but time has to pass for a
// key to take over.
func TestIssuerChangesOverByTheClock(t *testing.T) {
	t.Parallel()
	created := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC) // currentKID
	const delay = 5 * time.Minute
	var clock atomic.Pointer[time.Time]
	issuer, err := tokens.NewIssuer(testKeyring(t), tokens.IssuerOptions{
		ActivationDelay: delay, Now: func() time.Time { return *clock.Load() },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		age  time.Duration
		want string
	}{
		{-time.Hour, olderKID},
		{0, olderKID},
		{delay - time.Nanosecond, olderKID},
		{delay, currentKID},
		{delay + time.Hour, currentKID},
		{delay - time.Second, olderKID}, // The clock was set back.
	} {
		now := created.Add(step.age)
		clock.Store(&now)
		if kid := issuedKID(t, issuer); kid != step.want || issuer.Signer().KeyID() != step.want {
			t.Errorf("at the age of %v: signed with %v as %s, want %s", step.age, kid, issuer.Signer().KeyID(), step.want)
		}
	}
}

// issuedKID signs a token and returns the kid in it.
func issuedKID(t *testing.T, signer interface {
	Issue(c tokens.Claims) (string, error)
},
) any {
	t.Helper()
	token, err := signer.Issue(tokens.Claims{
		UserID: user, SessionID: session, IssuedAt: time.Unix(now, 0), ExpiresAt: time.Unix(now+60, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(token, ".")
	return decode(t, header)["kid"]
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
