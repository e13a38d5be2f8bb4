package tokens

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// maxIssuerLength bounds iss, in bytes, so that no token outgrows MaxLength even
// if every byte needs an escape.
const maxIssuerLength = 256

// Issuer signs tokens. It is safe for concurrent use.
type Issuer struct {
	keyring atomic.Pointer[Keyring]
	issuer  string
}

// NewIssuer returns an Issuer that signs with the current key of k and writes
// issuer into each token's iss, unless it is empty. It fails with ErrNoSigningKey
// if k has no current key.
func NewIssuer(k *Keyring, issuer string) (*Issuer, error) {
	if err := checkIssuer(issuer); err != nil {
		return nil, err
	}
	i := &Issuer{issuer: issuer}
	if err := i.SetKeyring(k); err != nil {
		return nil, err
	}
	return i, nil
}

// SetKeyring makes i sign with the current key of k from now on. It fails with
// ErrNoSigningKey, and changes nothing, if k has none.
func (i *Issuer) SetKeyring(k *Keyring) error {
	if k == nil || k.signer == nil {
		return ErrNoSigningKey
	}
	i.keyring.Store(k)
	return nil
}

// issuedClaims is what a token of ours says.
type issuedClaims struct {
	jwt.RegisteredClaims

	SessionID string `json:"sid"`
}

// Issue returns a signed token. Claims that no Verifier would accept are an
// error. Times lose their parts of a second, as NumericDate has whole ones here.
func (i *Issuer) Issue(c Claims) (string, error) {
	switch iat, exp := c.IssuedAt.Unix(), c.ExpiresAt.Unix(); {
	case !isUserID(c.UserID):
		return "", errors.New("issue token: the user ID is not 13 digits")
	case !isSessionID(c.SessionID):
		return "", errors.New("issue token: the session ID is not 10 to 13 digits")
	case iat < 0 || exp <= iat || exp > maxUnix:
		return "", fmt.Errorf("issue token: issued at %d, expires at %d", iat, exp)
	}
	k := i.keyring.Load()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, issuedClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    i.issuer,
			Subject:   c.UserID,
			IssuedAt:  jwt.NewNumericDate(c.IssuedAt),
			ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
		},
		SessionID: c.SessionID,
	})
	token.Header["kid"] = k.current
	text, err := token.SignedString(k.signer)
	if err != nil {
		return "", fmt.Errorf("issue token: %w", err)
	}
	return text, nil
}

// checkIssuer refuses names that would not come out of a token as they went in.
func checkIssuer(issuer string) error {
	if !utf8.ValidString(issuer) || len(issuer) > maxIssuerLength {
		return fmt.Errorf("token issuer: want valid UTF-8 of at most %d bytes", maxIssuerLength)
	}
	return nil
}
