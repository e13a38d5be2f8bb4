package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/config"
)

// result is what a shell sees of a command.
type result struct {
	stdout, stderr string
	code           int
}

// sessiond runs the program in this process, as main does. Nothing of the
// tests' own environment reaches it.
func sessiond(t *testing.T, environ []string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), args, environ, strings.NewReader(stdin), &stdout, &stderr)
	code := report(&stderr, err)
	return result{stdout.String(), stderr.String(), code}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args           []string
		code           int
		stdout, stderr string // Parts.
	}{
		"help":                 {[]string{"--help"}, 0, "Available Commands:", ""},
		"help of a group":      {[]string{"keys", "--help"}, 0, "--config FILE", ""},
		"no command":           {nil, 2, "", "sessiond: a command is missing\nsessiond: see sessiond --help\n"},
		"no command in group":  {[]string{"keys"}, 2, "", "sessiond: see sessiond keys --help\n"},
		"unknown command":      {[]string{"verson"}, 2, "", "sessiond: unknown command \"verson\", did you mean version?\n"},
		"unknown in a group":   {[]string{"keys", "lst"}, 2, "", "unknown command \"lst\", did you mean list?"},
		"unknown flag":         {[]string{"version", "--loud"}, 2, "", "sessiond: unknown flag: --loud\nsessiond: see sessiond version --help\n"},
		"argument too many":    {[]string{"version", "now"}, 2, "", "sessiond: see sessiond version --help\n"},
		"flag without a value": {[]string{"version", "--config"}, 2, "", "sessiond: flag needs an argument: --config\n"},
		"missing settings":     {[]string{"keys", "list", "--config", "/nowhere/c.yaml"}, 1, "", "sessiond: settings file /nowhere/c.yaml: cannot be read: no such file or directory\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := sessiond(t, nil, "", tt.args...)
			if got.code != tt.code || !strings.Contains(got.stdout, tt.stdout) || !strings.Contains(got.stderr, tt.stderr) {
				t.Errorf("%q: %+v\nwant code %d, stdout with %q, stderr with %q", tt.args, got, tt.code, tt.stdout, tt.stderr)
			}
			if (got.code == 0) != (got.stderr == "") {
				t.Errorf("%q: code %d with stderr %q", tt.args, got.code, got.stderr)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := sessiond(t, nil, "not read", "version")
	fields := strings.Fields(got.stdout)
	if got.code != 0 || len(fields) < 3 || fields[0] != "sessiond" || fields[1] != buildVersion() || !strings.HasPrefix(fields[2], "go") {
		t.Errorf("sessiond version: %+v; want the name, %q and Go's version", got, buildVersion())
	}
}

// Settings come from the file of --config and from variables, wherever the flag
// stands, and every fault is on a line of its own.
func TestConfigFlag(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	file := filepath.Join(directory, "c.yaml")
	if err := os.WriteFile(file, []byte("tokens: {key_directory: '"+directory+"'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--config", file, "keys", "list"}, {"keys", "--config", file, "list"}, {"keys", "list", "--config=" + file}} {
		if got := sessiond(t, nil, "", args...); got != (result{}) {
			t.Errorf("%q: %+v; want success and an empty list", args, got)
		}
	}

	got := sessiond(t, []string{"SESSIOND_REDIS_DB=x", "SESSIOND_REDIS_TIMEOUT=1"}, "", "keys", "list", "--config", file)
	lines := strings.Split(strings.TrimSuffix(got.stderr, "\n"), "\n")
	if got.code != exitError || len(lines) != 2 || !strings.HasPrefix(lines[0], "sessiond: SESSIOND_REDIS_DB: ") || !strings.HasPrefix(lines[1], "sessiond: SESSIOND_REDIS_TIMEOUT: ") {
		t.Errorf("two bad variables: %+v; want exit code 1 and a line for each", got)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := report(&out, nil); code != exitOK || out.Len() != 0 {
		t.Errorf("report(nil) = %d, wrote %q", code, out.String())
	}
	if code := report(&out, errors.Join(errors.New("a"), errors.New("b"))); code != exitError || out.String() != "sessiond: a\nsessiond: b\n" {
		t.Errorf("report(a, b) = %d, wrote %q", code, out.String())
	}
}

func TestLoadConfigUsesTheEnvironment(t *testing.T) {
	t.Parallel()
	a := &app{environ: []string{"SESSIOND_TOKENS_ISSUER=x"}}
	got, err := a.loadConfig()
	if err != nil || got.Tokens.Issuer != "x" || got.HTTP.Address != config.Default().HTTP.Address {
		t.Errorf("loadConfig: %+v, %v", got, err)
	}
}
