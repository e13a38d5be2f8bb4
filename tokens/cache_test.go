package tokens_test

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/tokens"
)

func TestCacheRemembersExactTexts(t *testing.T) {
	t.Parallel()
	v := verifier(t, tokens.VerifierOptions{})
	key := testKey(t, currentKID)
	first := mint(t, key, goodHeader, goodClaims)
	second := mint(t, key, goodHeader, goodClaims+" ")

	for _, token := range []string{first, second, first, first} {
		if _, err := v.Verify(token); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Verify(flipBit(t, first)); !errors.Is(err, tokens.ErrSignature) {
		t.Errorf("another signature under a remembered text: %v", err)
	}
	want := tokens.CacheStats{Hits: 2, Misses: 3, Entries: 2}
	if diff := cmp.Diff(want, v.CacheStats()); diff != "" {
		t.Errorf("CacheStats (-want +got):\n%s", diff)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	v := verifier(t, tokens.VerifierOptions{CacheSize: 2})
	key := testKey(t, currentKID)
	for pad := range 5 {
		if _, err := v.Verify(mint(t, key, goodHeader, fmt.Sprintf("%s%*s", goodClaims, pad, ""))); err != nil {
			t.Fatal(err)
		}
	}
	want := tokens.CacheStats{Misses: 5, Entries: 2}
	if diff := cmp.Diff(want, v.CacheStats()); diff != "" {
		t.Errorf("CacheStats (-want +got):\n%s", diff)
	}
}

func TestRememberedTokenExpires(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	clock.Store(now)
	v := verifier(t, tokens.VerifierOptions{Now: func() time.Time { return time.Unix(clock.Load(), 999_999_999) }})
	token := mint(t, testKey(t, currentKID), goodHeader, goodClaims)

	const exp = 1767409445
	for _, step := range []struct {
		at   int64
		want error
	}{{now, nil}, {exp - 1, nil}, {exp, tokens.ErrExpired}, {exp + 1, tokens.ErrExpired}} {
		clock.Store(step.at)
		if _, err := v.Verify(token); !errors.Is(err, step.want) {
			t.Errorf("%d s before exp: %v, want %v", exp-step.at, err, step.want)
		}
	}
	if stats := v.CacheStats(); stats.Misses != 1 {
		t.Errorf("the token was not remembered: %+v", stats)
	}
}

func TestSetKeyringForgets(t *testing.T) {
	t.Parallel()
	v := verifier(t, tokens.VerifierOptions{LegacyKeyID: legacyKID})
	token := mint(t, testKey(t, currentKID), goodHeader, goodClaims)
	if _, err := v.Verify(token); err != nil {
		t.Fatal(err)
	}

	withoutLegacy := keyring(t, tokens.Key{ID: olderKID, Private: testKey(t, olderKID)})
	for _, bad := range []*tokens.Keyring{nil, withoutLegacy} {
		if err := v.SetKeyring(bad); err == nil {
			t.Error("a keyring that lacks the legacy key was taken")
		}
	}
	if _, err := v.Verify(token); err != nil {
		t.Errorf("after a refused keyring: %v", err)
	}

	without := keyring(t,
		tokens.Key{ID: olderKID, Private: testKey(t, olderKID)},
		tokens.Key{ID: legacyKID, Private: testKey(t, legacyKID)},
	)
	if err := v.SetKeyring(without); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(token); !errors.Is(err, tokens.ErrUnknownKey) {
		t.Errorf("token of a key that is gone: %v", err)
	}
	if entries := v.CacheStats().Entries; entries != 0 {
		t.Errorf("%d entries outlived their keyring", entries)
	}
}

// A token whose check overlaps the removal of its key may still pass; once
// SetKeyring has returned, a new call may not.
func TestSetKeyringConcurrentlyWithVerify(t *testing.T) {
	t.Parallel()
	v := verifier(t, tokens.VerifierOptions{})
	full, reduced := testKeyring(t), keyring(t, tokens.Key{ID: olderKID, Private: testKey(t, olderKID)})
	token := mint(t, testKey(t, currentKID), goodHeader, goodClaims)

	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := v.Verify(token); err != nil && !errors.Is(err, tokens.ErrUnknownKey) {
					t.Errorf("Verify: %v", err)
					return
				}
			}
		})
	}
	for range 100 {
		if err := v.SetKeyring(full); err != nil {
			t.Error(err)
		}
		if _, err := v.Verify(token); err != nil {
			t.Errorf("with its key: %v", err)
		}
		if err := v.SetKeyring(reduced); err != nil {
			t.Error(err)
		}
		if _, err := v.Verify(token); !errors.Is(err, tokens.ErrUnknownKey) {
			t.Errorf("without its key: %v", err)
		}
	}
	close(stop)
	workers.Wait()
}

func TestNewVerifierRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]tokens.VerifierOptions{
		"unknown legacy key":  {LegacyKeyID: "other"},
		"negative cache size": {CacheSize: -1},
		"issuer of bad UTF-8": {Issuer: "\xff"},
	} {
		if _, err := tokens.NewVerifier(testKeyring(t), options); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := tokens.NewVerifier(nil, tokens.VerifierOptions{}); err == nil {
		t.Error("no keyring: taken")
	}
}

func BenchmarkVerify(b *testing.B) {
	token := mint(b, testKey(b, currentKID), goodHeader, goodClaims)
	b.Run("remembered", func(b *testing.B) {
		v := verifier(b, tokens.VerifierOptions{})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remembered, in parallel", func(b *testing.B) {
		v := verifier(b, tokens.VerifierOptions{})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := v.Verify(token); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("in full", func(b *testing.B) {
		k := testKeyring(b)
		v := verifier(b, tokens.VerifierOptions{CacheSize: 1})
		b.ReportAllocs()
		for b.Loop() {
			if err := v.SetKeyring(k); err != nil {
				b.Fatal(err)
			}
			if _, err := v.Verify(token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCacheMemory reports what one remembered token holds on to.
func BenchmarkCacheMemory(b *testing.B) {
	const entries = tokens.DefaultCacheSize / 8
	key := testKey(b, currentKID)
	texts := make([]string, entries)
	for i := range texts {
		sid := strconv.Itoa(1767323045678 + i)
		texts[i] = mint(b, key, goodHeader, replace(b, goodClaims, session, sid))
	}
	for b.Loop() {
		v := verifier(b, tokens.VerifierOptions{CacheSize: entries})
		before := heap()
		for _, text := range texts {
			if _, err := v.Verify(text); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/entries, "B/entry")
		runtime.KeepAlive(v)
	}
	runtime.KeepAlive(texts)
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
