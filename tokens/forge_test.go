package tokens_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
)

// replace changes the first occurrence of before, which there must be.
func replace(tb testing.TB, text, before, after string) string {
	tb.Helper()
	if !strings.Contains(text, before) {
		tb.Fatalf("%q is not in %q", before, text)
	}
	return strings.Replace(text, before, after, 1)
}

// tokenOfLength returns a good token of n bytes. Base64 has no text of some
// lengths; white space in both parts makes up for it.
func tokenOfLength(t *testing.T, n int) string {
	t.Helper()
	key := testKey(t, currentKID)
	for pad := range 3 {
		header := goodHeader + strings.Repeat(" ", pad)
		rest := n - len(encode(header)) - 2 - 86
		claims := goodClaims + strings.Repeat(" ", rest*3/4-len(goodClaims))
		if token := mint(t, key, header, claims); len(token) == n {
			return token
		}
	}
	t.Fatalf("no token of %d bytes", n)
	return ""
}

// spareBits sets a bit of the last character that no byte comes from.
func spareBits(t *testing.T, text string) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, text[len(text)-1])
	changed := text[:len(text)-1] + string(alphabet[last|1])
	if changed == text || rawSignature(t, changed) != rawSignature(t, text) {
		t.Fatalf("the last character of %q has no spare bits", text)
	}
	return changed
}

// rawSignature decodes the last part of a token.
func rawSignature(t *testing.T, token string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func flipBit(t *testing.T, token string) string {
	t.Helper()
	raw := []byte(rawSignature(t, token))
	raw[17] ^= 0x10
	return token[:strings.LastIndexByte(token, '.')+1] + encode(string(raw))
}

func derSigned(t *testing.T, key *ecdsa.PrivateKey, text string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(text))
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(string(der))
}

func derPublic(t *testing.T, key *ecdsa.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemPublic(t *testing.T, key *ecdsa.PublicKey) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: derPublic(t, key)})
}

func signHS256(t *testing.T, key *ecdsa.PrivateKey, secret func(*testing.T, *ecdsa.PublicKey) []byte) string {
	t.Helper()
	text := encode(replace(t, goodHeader, "ES256", "HS256")) + "." + encode(goodClaims)
	mac := hmac.New(sha256.New, secret(t, &key.PublicKey))
	mac.Write([]byte(text))
	return text + "." + encode(string(mac.Sum(nil)))
}

func signES384(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := encode(replace(t, goodHeader, "ES256", "ES384")) + "." + encode(goodClaims)
	digest := sha512.Sum384([]byte(text))
	return text + "." + encode(string(signDigest(t, key, digest[:], crypto.SHA384)))
}
