package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "new", "keys")
	environ := []string{"SESSIOND_TOKENS_KEY_DIRECTORY=" + directory}

	if got := sessiond(t, environ, "", "keys", "list"); got.code != exitError || !strings.Contains(got.stderr, directory) {
		t.Errorf("keys list without a directory: %+v; want an error that names it", got)
	}

	var kids []string
	for range 2 {
		got := sessiond(t, environ, "", "keys", "create")
		kid, rest, _ := strings.Cut(got.stdout, "\n")
		if got.code != exitOK || got.stderr != "" || rest != "" {
			t.Fatalf("keys create: %+v; want the ID alone", got)
		}
		if _, err := os.Stat(filepath.Join(directory, kid+".pem")); err != nil {
			t.Errorf("keys create printed %q: %v", kid, err)
		}
		kids = append(kids, kid)
	}
	// A key from elsewhere, as the older system's would be.
	key, err := os.ReadFile(filepath.Join(directory, kids[0]+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "legacy.pem"), key, 0o600); err != nil {
		t.Fatal(err)
	}

	list := func(settings ...string) result {
		return sessiond(t, append(settings, environ...), "", "keys", "list")
	}
	made := func(i int, after time.Duration) string { return created(t, kids[i], after) }
	want := kids[1] + "\twaiting until " + made(1, 5*time.Minute) + "\t" + made(1, 0) + "\n" +
		kids[0] + "\tcurrent\t" + made(0, 0) + "\n" +
		"legacy\tlegacy\t-\n"
	if got := list("SESSIOND_TOKENS_LEGACY_KEY_ID=legacy"); got != (result{stdout: want}) {
		t.Errorf("keys list: %+v\nwant %q", got, want)
	}
	want = kids[1] + "\tcurrent\t" + made(1, 0) + "\n" +
		kids[0] + "\tverifies only, legacy\t" + made(0, 0) + "\n" +
		"legacy\tverifies only\t-\n"
	if got := list("SESSIOND_TOKENS_ACTIVATION_DELAY=0s", "SESSIOND_TOKENS_LEGACY_KEY_ID="+kids[0]); got != (result{stdout: want}) {
		t.Errorf("keys list: %+v\nwant %q", got, want)
	}
}

// created turns the time in a kid, or one after it, into the form in which it
// is listed.
func created(t *testing.T, kid string, after time.Duration) string {
	t.Helper()
	at, err := time.Parse("20060102T150405.000Z", kid)
	if err != nil {
		t.Fatal(err)
	}
	return at.Add(after).Format(time.RFC3339)
}

func TestKeysCreateIfNoneMakesOneKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	environ := []string{"SESSIOND_TOKENS_KEY_DIRECTORY=" + dir}
	first := sessiond(t, environ, "", "keys", "create", "--if-none")
	again := sessiond(t, environ, "", "keys", "create", "--if-none")
	if first.code != 0 || first.stdout == "" || again != first {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.pem")); len(files) != 1 {
		t.Errorf("keys %v", files)
	}
	if next := sessiond(t, environ, "", "keys", "create"); next.code != 0 || next == first {
		t.Errorf("without the flag: %+v", next)
	}
}
