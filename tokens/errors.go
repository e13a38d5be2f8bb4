package tokens

import (
	"errors"
	"fmt"
)

// ErrInvalid is what every refusal of a token is, for [errors.Is]. A client
// learns no more than this; the errors below tell a log or a test why. None of
// them quotes the token.
var ErrInvalid = errors.New("invalid token")

// The reasons for refusing a token. Each is also an ErrInvalid.
var (
	// ErrMalformed means that the text is no token in compact form: too long,
	// not three parts, or not strictly base64url (RFC 7515, section 7.1).
	ErrMalformed = fmt.Errorf("%w: malformed", ErrInvalid)

	// ErrHeader means that the header is not one that this package, or the
	// older system, writes: another algorithm, another type, an extension.
	ErrHeader = fmt.Errorf("%w: header not accepted", ErrInvalid)

	// ErrUnknownKey means that no key is loaded under the token's kid, or that
	// the token has none and there is no legacy key.
	ErrUnknownKey = fmt.Errorf("%w: unknown key", ErrInvalid)

	// ErrSignature means that the key did not sign this text.
	ErrSignature = fmt.Errorf("%w: wrong signature", ErrInvalid)

	// ErrClaims means that a key of ours signed claims that are no session's:
	// one is missing, repeated, wrongly spelled or of the wrong type.
	ErrClaims = fmt.Errorf("%w: claims not accepted", ErrInvalid)

	// ErrExpired means that the token's exp is not in the future.
	ErrExpired = fmt.Errorf("%w: expired", ErrInvalid)

	// ErrNotYetValid means that the token's nbf is in the future.
	ErrNotYetValid = fmt.Errorf("%w: not valid yet", ErrInvalid)
)

// ErrNoSigningKey means that a keyring holds no key that signs.
var ErrNoSigningKey = errors.New("no signing key")
