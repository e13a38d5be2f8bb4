package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// maxPassword is in bytes: bcrypt reads no further, so that of two longer
// passwords with the same beginning either would do.
const maxPassword = 72

// The queue for a place to hash. A login that would wait longer than its client
// does is better refused at once.
const (
	maxHashWait    = 5 * time.Second
	maxHashWaiting = 128
)

// ErrPasswordUnusable means that a text can't be a password: it is empty, over
// 72 bytes long or has a NUL, at which other implementations of bcrypt stop.
var ErrPasswordUnusable = errors.New("a password takes 1 to 72 bytes, none of them NUL")

// ErrHashingBusy means that too many passwords wait to be hashed.
var ErrHashingBusy = errors.New("too many passwords wait to be hashed")

// Passwords hashes and compares passwords on at most half of the cores, so that
// a flood of logins leaves the other half to the token check.
type Passwords struct {
	cost    int
	places  chan struct{}
	waiting atomic.Int64
}

// NewPasswords returns a hasher. The cost is bcrypt's: each step doubles the
// work; it applies to new hashes, any is verified.
func NewPasswords(cost int) *Passwords {
	return &Passwords{cost: cost, places: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// Hash returns the bcrypt hash of a password. The error is ErrPasswordUnusable,
// ErrHashingBusy, or the context's.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if !usablePassword(password) {
		return "", ErrPasswordUnusable
	}
	var hash []byte
	err := p.inPlace(ctx, func() (err error) {
		hash, err = bcrypt.GenerateFromPassword([]byte(password), p.cost)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return string(hash), nil
}

// Verify tells whether the password is the hash's. The error is ErrHashingBusy
// or the context's, or says that the hash is none of bcrypt's.
func (p *Passwords) Verify(ctx context.Context, hash, password string) (bool, error) {
	if !usablePassword(password) {
		return false, nil
	}
	var match bool
	err := p.inPlace(ctx, func() error {
		err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
		if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			return nil
		}
		match = err == nil
		return err
	})
	if err != nil {
		return false, fmt.Errorf("verify a password: %w", err)
	}
	return match, nil
}

// Weak tells whether a hash was made with less work than new ones are.
func (p *Passwords) Weak(hash string) bool {
	cost, err := bcrypt.Cost([]byte(hash))
	return err == nil && cost < p.cost
}

// Places is how many passwords are hashed at the same time at most.
func (p *Passwords) Places() int {
	return cap(p.places)
}

// Waiting returns how many passwords wait for a place at this moment.
func (p *Passwords) Waiting() int {
	return int(p.waiting.Load())
}

// inPlace runs work in one of the places, when one is free in time. What has
// begun can't be stopped: bcrypt knows no context.
func (p *Passwords) inPlace(ctx context.Context, work func() error) error {
	select {
	case p.places <- struct{}{}:
	default:
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	defer func() { <-p.places }()
	return work()
}

func (p *Passwords) wait(ctx context.Context) error {
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > maxHashWaiting {
		return ErrHashingBusy
	}
	timer := time.NewTimer(maxHashWait)
	defer timer.Stop()
	select {
	case p.places <- struct{}{}:
		return nil
	case <-timer.C:
		return ErrHashingBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func usablePassword(password string) bool {
	return password != "" && len(password) <= maxPassword && !strings.ContainsRune(password, 0)
}

// bcryptHash is version, cost, and salt with hash in bcrypt's own base 64.
var bcryptHash = regexp.MustCompile(`^\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)

// ValidPasswordHash tells whether a text is a bcrypt hash. The library itself
// looks no further than at version and cost until a password is compared, which
// then fails for every one.
func ValidPasswordHash(hash string) bool {
	return bcryptHash.MatchString(hash)
}
