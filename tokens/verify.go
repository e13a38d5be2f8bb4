package tokens

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/sessiond/sessiond/tokens/strictjson"
)

const (
	// MaxLength is the length of the longest token that is looked at, in bytes.
	// Ours are about 300 long.
	MaxLength = 4096

	// DefaultCacheSize is the number of tokens that a Verifier remembers unless
	// told otherwise. Full, it takes about 25 MB.
	DefaultCacheSize = 100_000
)

// VerifierOptions adjust a Verifier. The zero value verifies tokens of ours,
// from any issuer.
type VerifierOptions struct {
	// Issuer is required in the iss of every token that has a kid. Tokens
	// without one are older than that setting. Empty: iss is not looked at.
	Issuer string
	// LegacyKeyID is the kid of the key that verifies tokens without a kid,
	// which the older system issued. Empty: they are refused.
	LegacyKeyID string
	// CacheSize is the number of tokens to remember; 0 means DefaultCacheSize.
	CacheSize int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	options      VerifierOptions
	decoder      *jwt.Parser
	state        atomic.Pointer[verifierState]
	hits, misses atomic.Uint64
}

// verifierState is one keyring and what was verified with it. They are replaced
// together: whoever began with an old keyring can only add to the cache that
// went with it, which nobody reads any more.
type verifierState struct {
	keyring *Keyring
	// Checking a signature takes about 70 µs, most of what a request costs. The
	// cache maps the SHA-256 of a token's exact text to its claims: a digest, so
	// that a core dump holds no tokens. Only good tokens get in, so nobody can
	// flush it with forgeries.
	cache *lru.Cache[[sha256.Size]byte, record]
}

// CacheStats counts what became of the tokens that a Verifier was shown.
type CacheStats struct {
	Hits    uint64 // found in the cache
	Misses  uint64 // checked in full, refused ones too
	Entries int    // in the cache now
}

// NewVerifier returns a Verifier for tokens signed with the keys of k. The key
// named by LegacyKeyID must be among them.
func NewVerifier(k *Keyring, options VerifierOptions) (*Verifier, error) {
	if err := checkIssuer(options.Issuer); err != nil {
		return nil, err
	}
	if options.CacheSize == 0 {
		options.CacheSize = DefaultCacheSize
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	v := &Verifier{options: options, decoder: jwt.NewParser(jwt.WithStrictDecoding())}
	if err := v.SetKeyring(k); err != nil {
		return nil, err
	}
	return v, nil
}

// SetKeyring makes v verify with the keys of k from now on, and forget what it
// verified before. If k lacks the legacy key that v was made with, it is an
// error, and nothing changes.
func (v *Verifier) SetKeyring(k *Keyring) error {
	if k == nil {
		return errors.New("no keyring")
	}
	if id := v.options.LegacyKeyID; id != "" && k.public[id] == nil {
		return fmt.Errorf("legacy key %q: no such key", id)
	}
	cache, err := lru.New[[sha256.Size]byte, record](v.options.CacheSize)
	if err != nil {
		return fmt.Errorf("token cache of %d entries: %w", v.options.CacheSize, err)
	}
	v.state.Store(&verifierState{keyring: k, cache: cache})
	return nil
}

// Verify returns the claims of a token that one of the keys signed. Every error
// is an ErrInvalid.
//
// The token's exp is compared with the clock on every call, remembered or not,
// without leeway: from that second on it is refused. Its nbf, if any, is
// respected likewise. Its iat is not compared: another machine's clock set it.
func (v *Verifier) Verify(token string) (Claims, error) {
	if len(token) > MaxLength {
		return Claims{}, ErrMalformed
	}
	state := v.state.Load()
	digest := sha256.Sum256([]byte(token))
	r, found := state.cache.Get(digest)
	if found {
		v.hits.Add(1)
	} else {
		v.misses.Add(1)
		var err error
		if r, err = v.check(state.keyring, token); err != nil {
			return Claims{}, err
		}
	}
	if v.options.Now().Unix() >= r.expiresAt {
		return Claims{}, ErrExpired
	}
	if !found {
		state.cache.Add(digest, r)
	}
	return r.claims(), nil
}

// CacheStats returns the counts since v was made.
func (v *Verifier) CacheStats() CacheStats {
	return CacheStats{Hits: v.hits.Load(), Misses: v.misses.Load(), Entries: v.state.Load().cache.Len()}
}

// check verifies everything about a token but its exp.
func (v *Verifier) check(k *Keyring, token string) (record, error) {
	parts := strings.SplitN(token, ".", 4)
	// Go's base64 skips line ends, even when it is strict.
	if len(parts) != 3 || strings.ContainsAny(token, "\r\n") {
		return record{}, ErrMalformed
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = v.decoder.DecodeSegment(part); err != nil {
			return record{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	header, claims, signature := decoded[0], decoded[1], decoded[2]

	key, rules, err := v.selectKey(k, header)
	if err != nil {
		return record{}, err
	}
	signed := token[:len(parts[0])+1+len(parts[1])]
	if err := jwt.SigningMethodES256.Verify(signed, signature, key); err != nil {
		return record{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	r, notBefore, err := readClaims(claims, rules)
	if err != nil {
		return record{}, err
	}
	if v.options.Now().Unix() < notBefore {
		return record{}, ErrNotYetValid
	}
	return r, nil
}

// selectKey returns the key that must have signed a token with this header, and
// what it then asks of the claims. A header holds alg, typ and maybe kid, and
// nothing else: whatever else it could hold would change what the token means
// (crit, b64), offer a key of its own (jwk, jku, x5c), or be one of the three
// wrongly spelled.
func (v *Verifier) selectKey(k *Keyring, header []byte) (*ecdsa.PublicKey, claimRules, error) {
	members, err := strictjson.Object(header)
	if err != nil {
		return nil, claimRules{}, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	alg, _ := strictjson.String(members["alg"])
	typ, _ := strictjson.String(members["typ"])
	if alg != jwt.SigningMethodES256.Alg() || typ != "JWT" {
		return nil, claimRules{}, ErrHeader
	}
	rules := claimRules{issuer: v.options.Issuer}
	kid, expected := v.options.LegacyKeyID, 2
	if raw, named := members["kid"]; named {
		text, ok := strictjson.String(raw)
		if !ok {
			return nil, claimRules{}, ErrHeader
		}
		kid, expected = text, 3
	} else {
		rules.issuer = ""
	}
	if len(members) != expected {
		return nil, claimRules{}, ErrHeader
	}
	key := k.public[kid]
	if key == nil {
		return nil, claimRules{}, ErrUnknownKey
	}
	rules.sessionIsIat = kid == v.options.LegacyKeyID
	return key, rules, nil
}
