package tokens_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/tokens"
)

func TestJWKS(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(verifier(t, tokens.VerifierOptions{}).JWKS())
	if err != nil {
		t.Fatal(err)
	}
	var want []any
	for _, kid := range []string{currentKID, olderKID, legacyKID} {
		point, err := testKey(t, kid).PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, map[string]any{
			"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
			"x": base64.RawURLEncoding.EncodeToString(point[1:33]),
			"y": base64.RawURLEncoding.EncodeToString(point[33:65]),
		})
	}
	var document any
	if err := json.Unmarshal(got, &document); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"keys": want}, document); diff != "" {
		t.Errorf("JWKS (-want +got):\n%s", diff)
	}
}

// The set is its caller's own.
func TestJWKSIsACopy(t *testing.T) {
	t.Parallel()
	v := verifier(t, tokens.VerifierOptions{})
	v.JWKS().Keys[0].KeyID = "other"
	if kid := v.JWKS().Keys[0].KeyID; kid != currentKID {
		t.Errorf("kid %s", kid)
	}
}

// A coordinate has 32 bytes whatever its value (RFC 7518, section 6.2.1.2).
func TestJWKSPadsCoordinates(t *testing.T) {
	t.Parallel()
	// The first of its kind: its x begins with a zero byte.
	seed := ""
	for {
		point, err := testKey(t, seed).PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if point[1] == 0 {
			break
		}
		seed += "x"
	}
	v, err := tokens.NewVerifier(keyring(t, tokens.Key{ID: "padded", Private: testKey(t, seed)}), tokens.VerifierOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := base64.RawURLEncoding.DecodeString(v.JWKS().Keys[0].X)
	if err != nil || len(x) != 32 || x[0] != 0 {
		t.Errorf("x is %x, %v", x, err)
	}
}
