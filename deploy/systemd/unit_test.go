// Package systemd_test tests the unit beside it: by systemd's own tools where
// they are, and everywhere against what sessiond does by default.
package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
)

const unitFile = "sessiond.service"

// unit holds the values of each directive, by its section and name.
type unit map[string][]string

// readUnit reads the unit as systemd.syntax(7) says, as far as it goes there.
func readUnit(t *testing.T) unit {
	t.Helper()
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	u, section := make(unit), ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		default:
			name, value, found := strings.Cut(line, "=")
			if !found || strings.HasSuffix(value, "\\") {
				t.Fatalf("line %q", line)
			}
			u[section+"."+name] = append(u[section+"."+name], value)
		}
	}
	return u
}

// A stop has time to drain and to finish what is under way.
func TestStopTimeout(t *testing.T) {
	t.Parallel()
	u, c := readUnit(t), config.Default()
	timeout, err := time.ParseDuration(strings.Join(u["Service.TimeoutStopSec"], ""))
	if err != nil {
		t.Fatal(err)
	}
	if need := c.HTTP.DrainDelay + c.HTTP.ShutdownTimeout; timeout <= need {
		t.Errorf("TimeoutStopSec=%v, sessiond may take %v", timeout, need)
	}
	if got := u["Service.KillSignal"]; !slices.Equal(got, []string{"SIGTERM"}) {
		t.Errorf("KillSignal=%q", got)
	}
}

// Keys are in the one directory that the unit can write, which is its own.
func TestKeyDirectory(t *testing.T) {
	t.Parallel()
	u := readUnit(t)
	state := u["Service.StateDirectory"]
	if len(state) != 1 {
		t.Fatalf("StateDirectory=%q", state)
	}
	want := "SESSIOND_TOKENS_KEY_DIRECTORY=%S/" + state[0] + "/keys"
	if got := u["Service.Environment"]; !slices.Equal(got, []string{want}) {
		t.Errorf("Environment=%q, want %q", got, want)
	}
	known := slices.ContainsFunc(config.Settings(), func(s config.Setting) bool { return strings.HasPrefix(want, s.Variable+"=") })
	if !known {
		t.Errorf("%q sets nothing", want)
	}
}

// What is taken from the process stays taken.
func TestHardening(t *testing.T) {
	t.Parallel()
	u := readUnit(t)
	for name, want := range map[string]string{
		"User": "sessiond", "UMask": "0077", "StateDirectoryMode": "0700",
		"NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "AmbientCapabilities": "",
		"ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "PrivateUsers": "yes",
		"ProtectKernelTunables": "yes", "ProtectKernelModules": "yes", "ProtectKernelLogs": "yes", "ProtectControlGroups": "yes",
		"MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "RestrictSUIDSGID": "yes", "LockPersonality": "yes",
		"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "SystemCallArchitectures": "native",
		"Restart": "on-failure", "LimitNOFILE": "65536",
	} {
		if got := u["Service."+name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
	if got := u["Service.SystemCallFilter"]; !slices.Equal(got, []string{"@system-service", "~@privileged @resources"}) {
		t.Errorf("SystemCallFilter=%q", got)
	}
}

// systemd knows each directive, and finds little that is left open.
func TestSystemdAnalyze(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd here; the other tests read the unit themselves")
	}
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	// A program that is not installed would be an error.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), unitFile)
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "/usr/local/bin/sessiond", self)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", file},
		// 20 is an exposure of 2.0 out of 10.
		{"security", "--offline=true", "--threshold=20", "--no-pager", file},
	} {
		output, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, output)
		}
		// verify only warns of a directive that it does not know.
		if args[0] == "verify" && strings.Contains(string(output), file) {
			t.Errorf("systemd-analyze verify:\n%s", output)
		}
	}
}
