package tokens

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// maxIssuerLength bounds iss, in bytes, so that no token outgrows MaxLength even
// if every byte needs an escape.
const maxIssuerLength = 256

// IssuerOptions adjust an Issuer. The zero value writes no iss and signs with
// the newest key at once.
type IssuerOptions struct {
	// Issuer goes into each token's iss, unless it is empty.
	Issuer string
	// ActivationDelay is how old a key has to be, by the time in its kid, before
	// it signs: long enough for every process that verifies to have loaded it.
	ActivationDelay time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Issuer signs tokens. It is safe for concurrent use.
type Issuer struct {
	options IssuerOptions
	keyring atomic.Pointer[Keyring]
}

// NewIssuer returns an Issuer that signs with the keys of k, each in its time.
// It fails with ErrNoSigningKey if none of them signs.
func NewIssuer(k *Keyring, options IssuerOptions) (*Issuer, error) {
	if err := checkIssuer(options.Issuer); err != nil {
		return nil, err
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	i := &Issuer{options: options}
	if err := i.SetKeyring(k); err != nil {
		return nil, err
	}
	return i, nil
}

// SetKeyring makes i sign with the keys of k from now on. It fails with
// ErrNoSigningKey, and changes nothing, if none of them signs.
func (i *Issuer) SetKeyring(k *Keyring) error {
	if k == nil || len(k.signers) == 0 {
		return ErrNoSigningKey
	}
	i.keyring.Store(k)
	return nil
}

// Signer signs tokens with one key, whatever becomes of the keyring meanwhile:
// so a session can be noted under the kid that its token will bear. Only an
// Issuer makes one that works, for use at once.
type Signer struct {
	key    *signingKey
	issuer string
}

// Signer returns the Signer of the present moment, as [Keyring.SigningKey]
// chooses it. No timer is involved: each call compares the clock with the kids,
// so processes whose clocks agree change over together.
func (i *Issuer) Signer() Signer {
	key := i.keyring.Load().signerAt(i.options.Now(), i.options.ActivationDelay)
	return Signer{key: key, issuer: i.options.Issuer}
}

// Issue is Signer().Issue.
func (i *Issuer) Issue(c Claims) (string, error) {
	return i.Signer().Issue(c)
}

// issuedClaims is what a token of ours says.
type issuedClaims struct {
	jwt.RegisteredClaims

	SessionID string `json:"sid"`
}

// KeyID returns the kid of the tokens that s signs.
func (s Signer) KeyID() string {
	return s.key.id
}

// Issue returns a signed token. Claims that no Verifier would accept are an
// error. Times lose their parts of a second, as NumericDate has whole ones here.
func (s Signer) Issue(c Claims) (string, error) {
	switch iat, exp := c.IssuedAt.Unix(), c.ExpiresAt.Unix(); {
	case !isUserID(c.UserID):
		return "", errors.New("issue token: the user ID is not 13 digits")
	case !isSessionID(c.SessionID):
		return "", errors.New("issue token: the session ID is not 10 to 13 digits")
	case iat < 0 || exp <= iat || exp > maxUnix:
		return "", fmt.Errorf("issue token: issued at %d, expires at %d", iat, exp)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, issuedClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    s.issuer,
			Subject:   c.UserID,
			IssuedAt:  jwt.NewNumericDate(c.IssuedAt),
			ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
		},
		SessionID: c.SessionID,
	})
	token.Header["kid"] = s.key.id
	text, err := token.SignedString(s.key.private)
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
