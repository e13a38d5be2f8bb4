package tokens_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"testing"
	"time"

	"github.com/sessiond/sessiond/tokens"
)

const (
	currentKID = "20260102T030405.678Z"
	olderKID   = "20250102T030405.678Z"
	legacyKID  = "legacy"

	user    = "1647015028626"
	session = "1767323045678"

	// now is the clock of these tests, in Unix seconds.
	now = 1767323100

	goodHeader = `{"alg":"ES256","kid":"` + currentKID + `","typ":"JWT"}`
	goodClaims = `{"sub":"` + user + `","sid":"` + session + `","iat":1767323045,"exp":1767409445}`

	oldHeader = `{"alg":"ES256","typ":"JWT"}`
	oldClaims = `{"name":"Old","sub":"` + user + `","iat":1687067614,"exp":2002643614}`
)

// testKey returns a key that is the same in every process, so that fuzzing
// workers agree on what was signed.
func testKey(tb testing.TB, seed string) *ecdsa.PrivateKey {
	tb.Helper()
	scalar := sha256.Sum256([]byte(seed))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// testKeyring holds a current key, an older one and that of the older system.
func testKeyring(tb testing.TB) *tokens.Keyring {
	tb.Helper()
	return keyring(tb,
		tokens.Key{ID: currentKID, Private: testKey(tb, currentKID)},
		tokens.Key{ID: olderKID, Private: testKey(tb, olderKID)},
		tokens.Key{ID: legacyKID, Public: &testKey(tb, legacyKID).PublicKey},
	)
}

func keyring(tb testing.TB, keys ...tokens.Key) *tokens.Keyring {
	tb.Helper()
	k, err := tokens.NewKeyring(keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// verifier returns a Verifier on testKeyring whose clock stands at now.
func verifier(tb testing.TB, options tokens.VerifierOptions) *tokens.Verifier {
	tb.Helper()
	if options.Now == nil {
		options.Now = func() time.Time { return time.Unix(now, 0) }
	}
	v, err := tokens.NewVerifier(testKeyring(tb), options)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func encode(text string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// mint signs a header and claims as they are, with ES256. The signature is
// deterministic (RFC 6979).
func mint(tb testing.TB, key *ecdsa.PrivateKey, header, claims string) string {
	tb.Helper()
	return signText(tb, key, encode(header)+"."+encode(claims))
}

// signText appends an ES256 signature to text.
func signText(tb testing.TB, key *ecdsa.PrivateKey, text string) string {
	tb.Helper()
	digest := sha256.Sum256([]byte(text))
	return text + "." + encode(string(signDigest(tb, key, digest[:], crypto.SHA256)))
}

// signDigest returns r and s, each as long as the curve's order (RFC 7518,
// section 3.4).
func signDigest(tb testing.TB, key *ecdsa.PrivateKey, digest []byte, hash crypto.Hash) []byte {
	tb.Helper()
	der, err := key.Sign(nil, digest, hash)
	if err != nil {
		tb.Fatal(err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		tb.Fatal(err)
	}
	size := (key.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	rs.R.FillBytes(out[:size])
	rs.S.FillBytes(out[size:])
	return out
}
