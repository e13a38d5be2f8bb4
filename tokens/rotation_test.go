package tokens_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/tokens"
)

// What Rotation logs when it has done its work.
const (
	keysChanged = "keys changed"
	keysStay    = "key directory: the keys in use stay"
	keyCameLate = "a key came late and signs at once: replicas that have it not yet refuse its tokens"
)

// newestKID is of a key that is too young to sign at rotationTime.
const newestKID = "20260102T031400.000Z"

var rotationTime = time.Date(2026, 1, 2, 3, 15, 0, 0, time.UTC)

// rotating is a key directory with a Verifier and an Issuer that follow it.
type rotating struct {
	t        *testing.T
	dir      string
	verifier *tokens.Verifier
	issuer   *tokens.Issuer
	logged   chan slog.Record
}

// rotate follows a directory that holds currentKID and legacy.
func rotate(t *testing.T, interval time.Duration, dir string) *rotating {
	t.Helper()
	k, err := tokens.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return rotationTime }
	r := &rotating{t: t, dir: dir, logged: make(chan slog.Record, 1000)}
	if r.verifier, err = tokens.NewVerifier(k, tokens.VerifierOptions{LegacyKeyID: legacyKID, Now: clock}); err != nil {
		t.Fatal(err)
	}
	if r.issuer, err = tokens.NewIssuer(k, tokens.IssuerOptions{ActivationDelay: 5 * time.Minute, Now: clock}); err != nil {
		t.Fatal(err)
	}
	rotation := &tokens.Rotation{Directory: dir, Verifier: r.verifier, Issuer: r.issuer, Log: slog.New(r), Interval: interval}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		rotation.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

// keyDirectory returns a new directory with two keys.
func keyDirectory(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	putKey(t, dir, currentKID)
	putKey(t, dir, legacyKID)
	return dir
}

func putKey(t *testing.T, dir, kid string) {
	t.Helper()
	putFile(t, dir, kid, 0o600, pkcs8(t, testKey(t, kid)))
}

// putFile puts a key file into its place whole, so that no look at the directory
// finds half of it.
func putFile(t *testing.T, dir, kid string, mode fs.FileMode, data []byte) {
	t.Helper()
	half := filepath.Join(dir, ".half-a-key")
	writeFile(t, half, mode, data)
	if err := os.Rename(half, filepath.Join(dir, kid+".pem")); err != nil {
		t.Fatal(err)
	}
}

// never is an interval that no test lives to see.
const never = 24 * time.Hour

func (r *rotating) Enabled(context.Context, slog.Level) bool { return true }

func (r *rotating) Handle(_ context.Context, record slog.Record) error {
	r.logged <- record
	return nil
}

func (r *rotating) WithAttrs([]slog.Attr) slog.Handler { return r }

func (r *rotating) WithGroup(string) slog.Handler { return r }

// await waits for the next line of the log, which has to be this one, and
// returns what it tells.
func (r *rotating) await(message string) string {
	r.t.Helper()
	select {
	case record := <-r.logged:
		var attributes strings.Builder
		record.Attrs(func(a slog.Attr) bool {
			attributes.WriteString(a.String() + " ")
			return true
		})
		if record.Message != message {
			r.t.Fatalf("logged %q %s; want %q", record.Message, &attributes, message)
		}
		return attributes.String()
	case <-time.After(time.Minute):
		r.t.Fatalf("%q was never logged", message)
		return ""
	}
}

// accepts tells whether tokens of a key are verified.
func (r *rotating) accepts(kid string) bool {
	r.t.Helper()
	_, err := r.verifier.Verify(mint(r.t, testKey(r.t, kid), replace(r.t, goodHeader, currentKID, kid), goodClaims))
	if err != nil && !errors.Is(err, tokens.ErrUnknownKey) {
		r.t.Fatal(err)
	}
	return err == nil
}

// check compares which keys are accepted and which signs.
func (r *rotating) check(signs string, accepted ...string) {
	r.t.Helper()
	var got []string
	for _, kid := range []string{newestKID, currentKID, olderKID, legacyKID} {
		if r.accepts(kid) {
			got = append(got, kid)
		}
	}
	if diff := cmp.Diff(accepted, got); diff != "" {
		r.t.Errorf("accepted keys (-want +got):\n%s", diff)
	}
	var published []string
	for _, key := range r.verifier.JWKS().Keys {
		published = append(published, key.KeyID)
	}
	if diff := cmp.Diff(accepted, published); diff != "" {
		r.t.Errorf("published keys (-want +got):\n%s", diff)
	}
	if kid := issuedKID(r.t, r.issuer); kid != signs {
		r.t.Errorf("%v signs, want %s", kid, signs)
	}
}

func TestRotationFollowsTheDirectory(t *testing.T) {
	t.Parallel()
	r := rotate(t, never, keyDirectory(t))
	r.check(currentKID, currentKID, legacyKID)

	putKey(t, r.dir, newestKID)
	if told := r.await(keysChanged); !strings.Contains(told, "added=["+newestKID+"] removed=[] signs="+currentKID) {
		t.Errorf("logged %s", told)
	}
	r.check(currentKID, newestKID, currentKID, legacyKID)

	putKey(t, r.dir, olderKID)
	r.await(keysChanged)
	r.check(currentKID, newestKID, currentKID, olderKID, legacyKID)

	// What signs now goes: the next in line is the older, not the one that waits.
	if err := tokens.RemoveKey(r.dir, currentKID); err != nil {
		t.Fatal(err)
	}
	if told := r.await(keysChanged); !strings.Contains(told, "added=[] removed=["+currentKID+"] signs="+olderKID) {
		t.Errorf("logged %s", told)
	}
	r.check(olderKID, newestKID, olderKID, legacyKID)

	// One that should have been here long ago.
	putKey(t, r.dir, currentKID)
	r.await(keysChanged)
	r.await(keyCameLate)
	r.check(currentKID, newestKID, currentKID, olderKID, legacyKID)
}

// Nothing that happens to the directory takes away keys that work, and once it
// is right again, it is followed again.
func TestRotationKeepsKeysThatWork(t *testing.T) {
	t.Parallel()
	whole := pkcs8(t, testKey(t, newestKID))
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		told  string
	}{
		{"half a file", func(t *testing.T, dir string) {
			t.Helper()
			writeFile(t, filepath.Join(dir, newestKID+".pem"), 0o600, whole[:len(whole)/2])
		}, "no key in PEM"},
		{"a key for all to read", func(t *testing.T, dir string) {
			t.Helper()
			putFile(t, dir, newestKID, 0o644, whole)
		}, "mode 0644"},
		{"no legacy key", func(t *testing.T, dir string) {
			t.Helper()
			remove(t, dir, legacyKID)
		}, `legacy key "legacy": no such key`},
		{"nothing that signs", func(t *testing.T, dir string) {
			t.Helper()
			remove(t, dir, currentKID)
		}, tokens.ErrNoSigningKey.Error()},
		{"no directory", func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Rename(dir, dir+".away"); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := rotate(t, 50*time.Millisecond, keyDirectory(t))
			tt.spoil(t, r.dir)
			if told := r.await(keysStay); !strings.Contains(told, tt.told) {
				t.Errorf("logged %s; want %q", told, tt.told)
			}
			r.check(currentKID, currentKID, legacyKID)

			if err := os.MkdirAll(r.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, kid := range []string{legacyKID, currentKID, newestKID} {
				putKey(t, r.dir, kid)
			}
			// A look in between may have found other faults, or only some keys.
			for !r.accepts(newestKID) {
				select {
				case <-r.logged:
				case <-time.After(time.Minute):
					t.Fatal("the keys were never read again")
				}
			}
			r.check(currentKID, newestKID, currentKID, legacyKID)
		})
	}
}

func remove(t *testing.T, dir, kid string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, kid+".pem")); err != nil {
		t.Fatal(err)
	}
}

// Kubernetes mounts a secret as links by way of ..data, itself a link, which it
// replaces: no key file ever changes.
func TestRotationFollowsMountedSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	publish := func(version string, kids ...string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, kid := range kids {
			putKey(t, filepath.Join(dir, version), kid)
		}
		link(t, version, filepath.Join(dir, "..data"))
		for _, kid := range kids {
			link(t, filepath.Join("..data", kid+".pem"), filepath.Join(dir, kid+".pem"))
		}
	}
	publish("..1", currentKID, legacyKID)
	r := rotate(t, never, dir)

	publish("..2", currentKID, legacyKID, newestKID)
	r.await(keysChanged)
	r.check(currentKID, newestKID, currentKID, legacyKID)
}

// link makes a link, or replaces one, in one step.
func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path+".tmp"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

// The directory itself may be a link: the system tells of no change there, so
// that it is found shows that the directory is re-read.
func TestRotationRereads(t *testing.T) {
	t.Parallel()
	first, second := keyDirectory(t), keyDirectory(t)
	putKey(t, second, newestKID)
	dir := filepath.Join(t.TempDir(), "link")
	link(t, first, dir)
	r := rotate(t, 10*time.Millisecond, dir)
	r.check(currentKID, currentKID, legacyKID)

	link(t, second, dir)
	r.await(keysChanged)
	r.check(currentKID, newestKID, currentKID, legacyKID)

	// The new one is watched from now on.
	putKey(t, second, olderKID)
	r.await(keysChanged)
	r.check(currentKID, newestKID, currentKID, olderKID, legacyKID)
}

// Re-reading the same keys must not make the Verifier forget what it verified.
func TestRotationChangesNothingInVain(t *testing.T) {
	t.Parallel()
	r := rotate(t, time.Millisecond, keyDirectory(t))
	r.accepts(currentKID)
	// The broken file shows that the directory was read.
	writeFile(t, filepath.Join(r.dir, "broken.pem"), 0o600, nil)
	r.await(keysStay)
	r.accepts(currentKID)
	want := tokens.CacheStats{Hits: 1, Misses: 1, Entries: 1}
	if diff := cmp.Diff(want, r.verifier.CacheStats()); diff != "" {
		t.Errorf("CacheStats (-want +got):\n%s", diff)
	}
}
