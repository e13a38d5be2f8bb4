package redisstore

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := NewPasswords(bcrypt.MinCost)
	longest := strings.Repeat("x", 72)
	for _, password := range []string{"p", " p ", "pässword", "\xff\xfe", longest} {
		hash, err := p.Hash(t.Context(), password)
		if err != nil || !ValidPasswordHash(hash) {
			t.Fatalf("Hash(%q) = %q, %v", password, hash, err)
		}
		for try, want := range map[string]bool{password: true, password + "x": false, strings.ToUpper(password) + " ": false, "": false} {
			if got, err := p.Verify(t.Context(), hash, try); got != want || err != nil {
				t.Errorf("Verify(%q) of the hash of %q = %v, %v; want %v", try, password, got, err, want)
			}
		}
	}
	for _, password := range []string{"", longest + "x", "a\x00", "\x00", "a\x00b"} {
		if hash, err := p.Hash(t.Context(), password); !errors.Is(err, ErrPasswordUnusable) || hash != "" {
			t.Errorf("Hash(%q) = %q, %v; want %v", password, hash, err, ErrPasswordUnusable)
		}
	}
}

// What bcrypt itself would cut off must not pass for the rest.
func TestPasswordIsNotCut(t *testing.T) {
	t.Parallel()
	p := NewPasswords(bcrypt.MinCost)
	for _, tt := range []struct{ password, try string }{
		{strings.Repeat("x", 72), strings.Repeat("x", 72) + "junk"},
		{"secret", "secret\x00junk"},
	} {
		hash, err := p.Hash(t.Context(), tt.password)
		if err != nil {
			t.Fatal(err)
		}
		if match, err := p.Verify(t.Context(), hash, tt.try); match || err != nil {
			t.Errorf("Verify(%q) of the hash of %q = %v, %v", tt.try, tt.password, match, err)
		}
	}
}

func TestValidPasswordHash(t *testing.T) {
	t.Parallel()
	hash, err := NewPasswords(bcrypt.MinCost).Hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		hash:                                   true,
		strings.Replace(hash, "a", "b", 1):     true,
		strings.Replace(hash, "a", "y", 1):     true,
		hash[:59]:                              false,
		hash + "x":                             false,
		"":                                     false,
		"password":                             false,
		hash[:59] + "\n":                       false,
		hash[:59] + "=":                        false,
		hash[:20] + "\x00" + hash[21:]:         false,
		hash[:20] + "$" + hash[21:]:            false,
		"$2a$99" + hash[6:]:                    false,
		"$1$" + hash[3:]:                       false,
		"$2a$0x" + hash[6:]:                    false,
		"$argon2id$" + strings.Repeat("x", 50): false,
	} {
		if got := ValidPasswordHash(text); got != want {
			t.Errorf("ValidPasswordHash(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestWeak(t *testing.T) {
	t.Parallel()
	for cost, want := range map[int]bool{bcrypt.MinCost: true, bcrypt.MinCost + 1: false, bcrypt.MinCost + 2: false} {
		hash, err := NewPasswords(cost).Hash(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if got := NewPasswords(bcrypt.MinCost + 1).Weak(hash); got != want {
			t.Errorf("a hash of cost %d is weak: %v, want %v", cost, got, want)
		}
	}
	if NewPasswords(12).Weak("no hash") {
		t.Error("what is no hash is weak")
	}
}

// occupy takes all places and returns a function that gives them back.
func occupy(t *testing.T, p *Passwords) (free func()) {
	t.Helper()
	release := make(chan struct{})
	var busy, done sync.WaitGroup
	for range cap(p.places) {
		busy.Add(1)
		done.Go(func() {
			err := p.inPlace(t.Context(), func() error {
				busy.Done()
				<-release
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	busy.Wait()
	return func() {
		close(release)
		done.Wait()
	}
}

func TestHashingTakesHalfOfTheCores(t *testing.T) {
	t.Parallel()
	p := NewPasswords(bcrypt.MinCost)
	if got, want := cap(p.places), max(1, runtime.GOMAXPROCS(0)/2); got != want {
		t.Errorf("%d places, want %d", got, want)
	}
	free := occupy(t, p)
	result := make(chan error, 1)
	go func() {
		_, err := p.Hash(t.Context(), "x")
		result <- err
	}()
	redistest.Eventually(t, "the hash to wait for a place", func() bool { return p.Waiting() == 1 })
	free()
	if err := <-result; err != nil {
		t.Errorf("Hash after the wait: %v", err)
	}
	if got := p.Waiting(); got != 0 {
		t.Errorf("%d wait although none does", got)
	}
}

func TestHashingQueue(t *testing.T) {
	t.Parallel()
	p := NewPasswords(bcrypt.MinCost)
	free := occupy(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results := make(chan error, maxHashWaiting)
	for range maxHashWaiting {
		go func() { results <- p.wait(ctx) }()
	}
	redistest.Eventually(t, "the queue to be full", func() bool { return p.Waiting() == maxHashWaiting })

	if _, err := p.Hash(t.Context(), "x"); !errors.Is(err, ErrHashingBusy) {
		t.Errorf("Hash behind a full queue: %v, want %v", err, ErrHashingBusy)
	}
	if _, err := p.Verify(t.Context(), "x", "x"); !errors.Is(err, ErrHashingBusy) {
		t.Errorf("Verify behind a full queue: %v, want %v", err, ErrHashingBusy)
	}
	cancel()
	for range maxHashWaiting {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("a wait that was called off: %v, want %v", err, context.Canceled)
		}
	}
	if got := p.Waiting(); got != 0 {
		t.Errorf("%d wait although all were called off", got)
	}
	free()
	if _, err := p.Hash(t.Context(), "x"); err != nil {
		t.Errorf("Hash with free places: %v", err)
	}
}
