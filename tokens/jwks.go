package tokens

import (
	"crypto/ecdsa"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// JWKSet is a JSON Web Key Set (RFC 7517, section 5): what others need to verify
// tokens of ours by themselves.
type JWKSet struct {
	Keys []JWK `json:"keys"`
}

// JWK is one public key on P-256 (RFC 7517, section 4, and RFC 7518, section
// 6.2.1).
type JWK struct {
	KeyType   string `json:"kty"` // "EC"
	Curve     string `json:"crv"` // "P-256"
	X         string `json:"x"`   // 32 bytes in base64url, as is y
	Y         string `json:"y"`
	KeyID     string `json:"kid"`
	Use       string `json:"use"` // "sig"
	Algorithm string `json:"alg"` // "ES256"
}

// JWKS returns every key that v verifies with now, in the order of
// [Keyring.Keys]: those that do not sign yet, so that others have them in time,
// and those that no longer do.
func (v *Verifier) JWKS() JWKSet {
	return JWKSet{Keys: slices.Clone(v.state.Load().keyring.published)}
}

// newJWK fails for what is no point on the curve.
func newJWK(kid string, key *ecdsa.PublicKey) (JWK, error) {
	// Uncompressed: a 4, then x and y, each as long as the field (SEC 1, section
	// 2.3.3), as RFC 7518 wants them, too.
	point, err := key.Bytes()
	if err != nil {
		return JWK{}, fmt.Errorf("encode the key: %w", err)
	}
	x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
	return JWK{
		KeyType:   "EC",
		Curve:     key.Params().Name,
		X:         base64.RawURLEncoding.EncodeToString(x),
		Y:         base64.RawURLEncoding.EncodeToString(y),
		KeyID:     kid,
		Use:       "sig",
		Algorithm: jwt.SigningMethodES256.Alg(),
	}, nil
}
