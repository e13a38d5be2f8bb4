// Package deploy_test checks the files beside it with the programs that will
// read them, and against the sessiond that they are about.
package deploy_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// promtool runs Prometheus' own checker in a directory.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v (these tests need Prometheus' promtool; `make test` installs it)", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

func TestPrometheusTakesItsFiles(t *testing.T) {
	t.Parallel()
	promtool(t, "prometheus", "check", "config", "prometheus.yml")
	promtool(t, "prometheus", "check", "rules", "alerts.yml")
}

func TestAlertsFire(t *testing.T) {
	t.Parallel()
	promtool(t, "prometheus", "test", "rules", "alerts_test.yml")
}

// rule is an alert of a rules file.
type rule struct {
	Alert, Expr string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	readYAML(t, "prometheus/alerts.yml", &file)
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no alerts in prometheus/alerts.yml")
	}
	return all
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// Who is woken is told what is wrong and what to do, by an alert that was seen
// to fire.
func TestAlertsAreComplete(t *testing.T) {
	t.Parallel()
	tests, err := os.ReadFile("prometheus/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range alerts(t) {
		if seen[a.Alert] {
			t.Errorf("two alerts are called %s", a.Alert)
		}
		seen[a.Alert] = true
		if severity := a.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s: severity %q", a.Alert, severity)
		}
		for _, annotation := range []string{"summary", "description", "action"} {
			if a.Annotations[annotation] == "" {
				t.Errorf("%s: no %s", a.Alert, annotation)
			}
		}
		if !strings.Contains(string(tests), `{alertname="`+a.Alert+`"}`) {
			t.Errorf("%s: never fires in alerts_test.yml", a.Alert)
		}
	}
}

func TestAlertsAskForMetricsThatExist(t *testing.T) {
	t.Parallel()
	metrics := exposedMetrics(t)
	for _, a := range alerts(t) {
		for _, problem := range metrics.problems(a.Expr) {
			t.Errorf("%s: %s", a.Alert, problem)
		}
	}
}
