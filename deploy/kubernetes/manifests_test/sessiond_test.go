package manifests_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// The product is asked through its command line. To import it would tie this
// module's list of dependencies to each change of the other's.
var binary = struct {
	sync.Once
	path string
	err  error
}{}

// TestMain removes the binary that tests have built.
func TestMain(m *testing.M) {
	code := m.Run()
	if binary.path != "" {
		_ = os.RemoveAll(filepath.Dir(binary.path))
	}
	os.Exit(code)
}

// sessiond runs the product and returns what it printed and whether it succeeded.
func sessiond(t *testing.T, environ []string, args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	binary.Do(func() {
		directory, err := os.MkdirTemp("", "sessiond") //nolint:usetesting // It outlives this test.
		if err != nil {
			binary.err = err
			return
		}
		binary.path = filepath.Join(directory, "sessiond")
		build := exec.CommandContext(context.Background(), "go", "build", "-o", binary.path, "./cmd/sessiond")
		build.Dir = filepath.Join("..", "..", "..")
		if output, err := build.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("%w\n%s", err, output)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	command := exec.CommandContext(t.Context(), binary.path, args...)
	command.Env = environ
	if environ == nil {
		command.Env = []string{}
	}
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), err == nil
}

// newKey makes a signing key in a file of this name.
func newKey(t *testing.T, file string) {
	t.Helper()
	directory := filepath.Dir(file)
	kid, stderr, ok := sessiond(t, []string{"SESSIOND_TOKENS_KEY_DIRECTORY=" + directory}, "keys", "create")
	if !ok {
		t.Fatal(stderr)
	}
	if err := os.Rename(filepath.Join(directory, strings.TrimSpace(kid)+".pem"), file); err != nil {
		t.Fatal(err)
	}
}

// settings are the values in force, as they are written.
type settings map[string]string

func (s settings) seconds(t *testing.T, key string) float64 {
	t.Helper()
	d, err := time.ParseDuration(s[key])
	if err != nil {
		t.Fatal(err)
	}
	return d.Seconds()
}

// settings reads the file of the config map over sessiond's own defaults.
func (m manifests) settings(t *testing.T) settings {
	t.Helper()
	all := make(settings)
	help, stderr, ok := sessiond(t, nil, "serve", "--help")
	if !ok {
		t.Fatal(stderr)
	}
	for line := range strings.Lines(help) {
		// The setting, its variable, its default, its meaning.
		if fields := strings.Fields(line); len(fields) > 3 && strings.HasPrefix(fields[1], "SESSIOND_") {
			all[fields[0]] = fields[2]
		}
	}
	var file map[string]map[string]any
	if err := yaml.UnmarshalStrict([]byte(m.configMap.Data["sessiond.yaml"]), &file); err != nil {
		t.Fatal(err)
	}
	for section, values := range file {
		for name, value := range values {
			all[section+"."+name] = fmt.Sprint(value)
		}
	}
	return all
}

// checkSettings has sessiond read them as in the container, but for the
// directory of its keys. It refuses what it does not know.
func (m manifests) checkSettings(t *testing.T, keys string) (list string) {
	t.Helper()
	environ := []string{"SESSIOND_TOKENS_KEY_DIRECTORY=" + keys}
	for _, variable := range m.container(t).Env {
		value := variable.Value
		if variable.ValueFrom != nil {
			value = "from elsewhere"
		}
		environ = append(environ, variable.Name+"="+value)
	}
	file := filepath.Join(t.TempDir(), "sessiond.yaml")
	if err := os.WriteFile(file, []byte(m.configMap.Data["sessiond.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	list, stderr, ok := sessiond(t, environ, "keys", "list", "--config", file)
	if !ok {
		t.Error(stderr)
	}
	return list
}
