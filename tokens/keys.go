package tokens

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// kidLayout spells the kid of a signing key: the UTC time of its creation to the
// millisecond. Of two such texts the greater is the newer.
const kidLayout = "20060102T150405.000Z"

// Key is one key of a keyring.
type Key struct {
	// ID is the key's kid. One that spells a time, as CreateKey's do, may sign;
	// any other only verifies.
	ID string
	// Private is the key to sign with, or nil for a key that only verifies.
	Private *ecdsa.PrivateKey
	// Public is the key to verify with; nil means that of Private.
	Public *ecdsa.PublicKey
}

// KeyInfo describes a key without holding it.
type KeyInfo struct {
	ID      string
	Created time.Time // the zero time where the ID does not spell one
	Signs   bool      // it signs in its time; false: it only verifies
}

// Keyring is a set of keys, loaded once and never changed, so it can be shared
// without locking. Private parts of keys that only verify are not kept.
type Keyring struct {
	public    map[string]*ecdsa.PublicKey
	infos     []KeyInfo
	published []JWK        // in the order of infos
	signers   []signingKey // the newest first
}

// signingKey is a key whose ID spells the time of its creation.
type signingKey struct {
	id      string
	created time.Time
	private *ecdsa.PrivateKey
}

// NewKeyring returns a keyring of the given keys. Every key must be on P-256,
// under an ID of its own.
func NewKeyring(keys ...Key) (*Keyring, error) {
	k := &Keyring{public: make(map[string]*ecdsa.PublicKey, len(keys))}
	for _, key := range keys {
		if err := checkKeyID(key.ID); err != nil {
			return nil, err
		}
		if _, taken := k.public[key.ID]; taken {
			return nil, fmt.Errorf("key %q: given twice", key.ID)
		}
		public := key.Public
		if public == nil && key.Private != nil {
			public = &key.Private.PublicKey
		}
		if err := checkCurve(public); err != nil {
			return nil, fmt.Errorf("key %q: %w", key.ID, err)
		}
		if key.Private != nil && !key.Private.PublicKey.Equal(public) {
			return nil, fmt.Errorf("key %q: the private and the public key are no pair", key.ID)
		}
		k.public[key.ID] = public

		created, dated := keyTime(key.ID)
		signs := dated && key.Private != nil
		k.infos = append(k.infos, KeyInfo{ID: key.ID, Created: created, Signs: signs})
		if signs {
			k.signers = append(k.signers, signingKey{id: key.ID, created: created, private: key.Private})
		}
	}
	slices.SortFunc(k.signers, func(a, b signingKey) int { return b.created.Compare(a.created) })
	slices.SortFunc(k.infos, func(a, b KeyInfo) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	for _, info := range k.infos {
		jwk, err := newJWK(info.ID, k.public[info.ID])
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", info.ID, err)
		}
		k.published = append(k.published, jwk)
	}
	return k, nil
}

// GenerateKeyring returns a keyring with one new signing key that is stored
// nowhere: tokens signed with it end with the process.
func GenerateKeyring(now time.Time) (*Keyring, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return NewKeyring(Key{ID: formatKeyID(now), Private: private})
}

// Keys describes the keys: those with a time of creation first, the newest at
// the top, then the others by ID.
func (k *Keyring) Keys() []KeyInfo {
	return slices.Clone(k.infos)
}

// equal tells whether two keyrings verify and sign alike.
func (k *Keyring) equal(other *Keyring) bool {
	return slices.Equal(k.infos, other.infos) && slices.Equal(k.published, other.published)
}

// SigningKey returns the ID of the key that signs at a time: the newest that was
// created the delay before it, or earlier. Where none is that old it is the
// oldest, so an only key signs at once, even one that is dated in the future,
// and a key that joins others never signs before its time has come. The flag
// tells whether any key signs.
func (k *Keyring) SigningKey(at time.Time, delay time.Duration) (id string, ok bool) {
	if len(k.signers) == 0 {
		return "", false
	}
	return k.signerAt(at, delay).id, true
}

// signerAt is SigningKey for keyrings with a key that signs.
func (k *Keyring) signerAt(at time.Time, delay time.Duration) *signingKey {
	for i := range k.signers {
		if !k.signers[i].created.Add(delay).After(at) {
			return &k.signers[i]
		}
	}
	return &k.signers[len(k.signers)-1]
}

func formatKeyID(now time.Time) string {
	return now.UTC().Format(kidLayout)
}

// keyTime returns the time that a kid spells. Only the exact spelling counts:
// time.Parse alone would take a comma for the point.
func keyTime(id string) (time.Time, bool) {
	created, err := time.Parse(kidLayout, id)
	if err != nil || formatKeyID(created) != id {
		return time.Time{}, false
	}
	return created, true
}

// checkKeyID refuses IDs that could be taken for a path, or that would garble a
// log line or a list. It guards file names; a token's kid is compared with the
// loaded IDs and never gets near a file.
func checkKeyID(id string) error {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == '\\' }
	if id == "" || strings.HasPrefix(id, ".") || strings.ContainsFunc(id, odd) {
		return fmt.Errorf("key ID %q: want visible ASCII without slashes that does not begin with a dot", id)
	}
	return nil
}

func checkCurve(key *ecdsa.PublicKey) error {
	if key == nil || key.Curve == nil {
		return errors.New("no key")
	}
	if key.Curve != elliptic.P256() {
		return fmt.Errorf("the key is on curve %s, want P-256", key.Curve.Params().Name)
	}
	return nil
}
