package tokens_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/tokens"
)

func TestCreateKeyAndLoad(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "keys")
	at := time.Date(2026, 3, 4, 5, 6, 7, 8_900_000, time.FixedZone("", -3600))
	kid, err := tokens.CreateKey(dir, at)
	if err != nil {
		t.Fatal(err)
	}
	if kid != "20260304T060607.008Z" {
		t.Errorf("kid %s", kid)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700 | fs.ModeDir, filepath.Join(dir, kid+".pem"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}

	second, err := tokens.CreateKey(dir, at.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	k, err := tokens.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []tokens.KeyInfo{
		{ID: second, Created: at.Add(time.Hour).UTC().Truncate(time.Millisecond), Signs: true},
		{ID: kid, Created: at.UTC().Truncate(time.Millisecond), Signs: true},
	}
	if diff := cmp.Diff(want, k.Keys()); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
}

func TestCreateKeyAllAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	at := time.Date(2026, 1, 2, 3, 4, 5, 999_000_000, time.UTC)
	const n = 8
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if _, err := tokens.CreateKey(dir, at); err != nil {
				t.Errorf("CreateKey: %v", err)
			}
			// Whoever reads meanwhile sees whole keys, or none.
			if _, err := tokens.LoadKeyring(dir); err != nil {
				t.Errorf("LoadKeyring: %v", err)
			}
		})
	}
	all.Wait()
	k, err := tokens.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	if keys := k.Keys(); len(keys) != n {
		t.Errorf("%d keys, want %d: %v", len(keys), n, keys)
	}
}

func TestCreateKeyReportsFailure(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, 0o600, nil)
	if kid, err := tokens.CreateKey(file, time.Now()); err == nil {
		t.Errorf("created %s in a file", kid)
	}
}

func TestLoadKeyringFormats(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	current, legacy := testKey(t, currentKID), testKey(t, legacyKID)
	// OpenSSL writes the curve before the key (here: P-256 by its OID).
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")})
	writeFile(t, filepath.Join(dir, currentKID+".pem"), 0o600, pkcs8(t, current))
	writeFile(t, filepath.Join(dir, olderKID+".pem"), 0o400, append(parameters, sec1(t, testKey(t, olderKID))...))
	writeFile(t, filepath.Join(dir, "20240102T030405.678Z.pem"), 0o644, pemPublic(t, &current.PublicKey))
	writeFile(t, filepath.Join(dir, "legacy.pem"), 0o640, sec1(t, legacy))
	writeFile(t, filepath.Join(dir, "20260102T030405Z.pem"), 0o440, pkcs8(t, legacy))
	writeFile(t, filepath.Join(dir, "20269902T030405.000Z.pem"), 0o600, pkcs8(t, legacy))
	writeFile(t, filepath.Join(dir, "2026-01-02T03:04:05Z.pem"), 0o600, pkcs8(t, legacy))
	// Passed over.
	writeFile(t, filepath.Join(dir, "README"), 0o644, []byte("no key"))
	writeFile(t, filepath.Join(dir, ".new-key-1.pem"), 0o600, []byte("half a"))

	k, err := tokens.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	date := func(year int) time.Time { return time.Date(year, 1, 2, 3, 4, 5, 678_000_000, time.UTC) }
	want := []tokens.KeyInfo{
		{ID: currentKID, Created: date(2026), Signs: true},
		{ID: olderKID, Created: date(2025), Signs: true},
		{ID: "20240102T030405.678Z", Created: date(2024)},
		{ID: "2026-01-02T03:04:05Z"},
		{ID: "20260102T030405Z"},
		{ID: "20269902T030405.000Z"},
		{ID: "legacy"},
	}
	if diff := cmp.Diff(want, k.Keys()); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}

	v, err := tokens.NewVerifier(k, tokens.VerifierOptions{
		LegacyKeyID: "legacy", Now: func() time.Time { return time.Unix(now, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"PKCS#8": mint(t, current, goodHeader, goodClaims),
		"SEC 1":  mint(t, testKey(t, olderKID), replace(t, goodHeader, currentKID, olderKID), goodClaims),
		"PKIX":   mint(t, current, replace(t, goodHeader, currentKID, "20240102T030405.678Z"), goodClaims),
		"legacy": mint(t, legacy, oldHeader, oldClaims),
	} {
		if _, err := v.Verify(token); err != nil {
			t.Errorf("key in %s: %v", name, err)
		}
	}
}

func TestLoadKeyringFollowsMountedLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "..data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(data, currentKID+".pem"), 0o440, pkcs8(t, testKey(t, currentKID)))
	if err := os.Symlink(filepath.Join("..data", currentKID+".pem"), filepath.Join(dir, currentKID+".pem")); err != nil {
		t.Fatal(err)
	}
	k, err := tokens.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	if keys := k.Keys(); len(keys) != 1 || !keys[0].Signs {
		t.Errorf("keys: %+v", keys)
	}
}

func TestLoadKeyringRefuses(t *testing.T) {
	t.Parallel()
	good := pkcs8(t, testKey(t, currentKID))
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		file string
		mode fs.FileMode
		data []byte
		want string
	}{
		{"empty file", "", 0o600, nil, `no key in PEM`},
		{"no PEM", "", 0o600, []byte("secret"), `no key in PEM`},
		{"cut off", "", 0o600, good[:len(good)/2], `no key in PEM`},
		{"rubbish in PEM", "", 0o600, pemBlock("PRIVATE KEY", []byte("x")), `parse private key`},
		{"encrypted", "", 0o600, pemBlock("ENCRYPTED PRIVATE KEY", []byte("x")), `"ENCRYPTED PRIVATE KEY"`},
		{"certificate", "", 0o600, pemBlock("CERTIFICATE", []byte("x")), `"CERTIFICATE"`},
		{"two keys", "", 0o600, slices.Concat(good, good), `more than one key`},
		{"curve P-384 in PKCS#8", "", 0o600, pkcs8(t, p384), `curve P-384, want P-256`},
		{"curve P-384 in SEC 1", "", 0o600, sec1(t, p384), `curve P-384, want P-256`},
		{"curve P-384, public", "", 0o600, pemPublic(t, &p384.PublicKey), `curve P-384, want P-256`},
		{"Ed25519", "", 0o600, pkcs8(t, ed), `ed25519`},
		{"private key read by all", "", 0o644, good, `mode 0644`},
		{"private key run by all", "", 0o601, good, `mode 0601`},
		{"public key written by all", "", 0o646, pemPublic(t, &testKey(t, legacyKID).PublicKey), `mode 0646`},
		{"name with a space", "a key.pem", 0o600, good, `"a key"`},
		{"name with a control character", "a\nkey.pem", 0o600, good, `"a\\nkey"`},
		{"name with a backslash", `a\key.pem`, 0o600, good, `"a\\\\key"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := tt.file
			if file == "" {
				file = "broken.pem"
				tt.want = `broken\.pem: .*` + tt.want
			}
			writeFile(t, filepath.Join(dir, file), tt.mode, tt.data)
			_, err := tokens.LoadKeyring(dir)
			if err == nil || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
				t.Errorf("LoadKeyring: %v, want /%s/", err, tt.want)
			}
			if wantMode := strings.Contains(tt.want, "mode"); errors.Is(err, tokens.ErrKeyPermissions) != wantMode {
				t.Errorf("LoadKeyring: %v; is ErrKeyPermissions: %t", err, !wantMode)
			}
		})
	}
}

func TestLoadKeyringOfOddDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, err := tokens.LoadKeyring(dir)
	if err != nil || len(k.Keys()) != 0 {
		t.Errorf("empty directory: %v", err)
	}
	if _, err := tokens.LoadKeyring(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "x.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.LoadKeyring(dir); err == nil || !strings.Contains(err.Error(), "x.pem") {
		t.Errorf("a directory where a key should be: %v", err)
	}
}

func TestSigningKey(t *testing.T) {
	t.Parallel()
	const (
		first  = "20260102T030000.000Z"
		second = "20260102T030400.000Z"
		third  = "20260102T031000.000Z"
		delay  = 5 * time.Minute
	)
	at := func(clock string) time.Time {
		parsed, err := time.Parse(time.DateTime, "2026-01-02 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	tests := []struct {
		name  string
		keys  []string
		at    time.Time
		delay time.Duration
		want  string
	}{
		{"none", nil, at("03:00:00"), delay, ""},
		{"none that is dated", []string{legacyKID, "2026"}, at("03:00:00"), delay, ""},
		{"an only key, just made", []string{first, legacyKID}, at("03:00:00"), delay, first},
		{"an only key, dated in the future", []string{first}, at("01:00:00"), delay, first},
		{"two, both too young", []string{first, second}, at("03:04:30"), delay, first},
		{"two, both dated in the future", []string{second, first}, at("01:00:00"), delay, first},
		{"two, one old enough", []string{first, second}, at("03:05:00"), delay, first},
		{"the moment before", []string{second, first}, at("03:09:00").Add(-1), delay, first},
		{"the moment", []string{second, first}, at("03:09:00"), delay, second},
		{"three, one too young", []string{third, first, second}, at("03:14:59"), delay, second},
		{"three, all old enough", []string{second, third, first}, at("03:15:00"), delay, third},
		{"no delay", []string{first, second}, at("03:04:00"), 0, second},
		{"no delay, dated in the future", []string{first, second}, at("03:03:59"), 0, first},
		{"a key that only verifies is newer", []string{first, currentKID + "-"}, at("03:30:00"), delay, first},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var keys []tokens.Key
			for _, id := range tt.keys {
				keys = append(keys, tokens.Key{ID: id, Private: testKey(t, id)})
			}
			// Dated, but without its private part.
			keys = append(keys, tokens.Key{ID: "20260102T030100.000Z", Public: &testKey(t, "public").PublicKey})
			id, ok := keyring(t, keys...).SigningKey(tt.at, tt.delay)
			if id != tt.want || ok != (tt.want != "") {
				t.Errorf("SigningKey: %q, %t; want %q", id, ok, tt.want)
			}
		})
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	t.Parallel()
	key := testKey(t, currentKID)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string][]tokens.Key{
		"no ID":         {{Private: key}},
		"ID a path":     {{ID: "../x", Private: key}},
		"hidden ID":     {{ID: ".x", Private: key}},
		"ID not ASCII":  {{ID: "é", Private: key}},
		"no key":        {{ID: "x"}},
		"ID twice":      {{ID: "x", Private: key}, {ID: "x", Private: key}},
		"another curve": {{ID: "x", Private: p384}},
		"no pair":       {{ID: "x", Private: key, Public: &testKey(t, olderKID).PublicKey}},
		"an empty key":  {{ID: "x", Public: new(ecdsa.PublicKey)}},
	} {
		if _, err := tokens.NewKeyring(keys...); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestGenerateKeyring(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	k, err := tokens.GenerateKeyring(at)
	if err != nil {
		t.Fatal(err)
	}
	want := []tokens.KeyInfo{{ID: currentKID, Created: at, Signs: true}}
	if diff := cmp.Diff(want, k.Keys()); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
}

func writeFile(t *testing.T, path string, mode fs.FileMode, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	// The umask does not apply to a change of mode.
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func pemBlock(kind string, data []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemBlock("PRIVATE KEY", der)
}

func sec1(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemBlock("EC PRIVATE KEY", der)
}
