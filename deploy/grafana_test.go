package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const dashboardFile = "grafana/sessiond.json"

type dashboard struct {
	UID           string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage
		}
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
}

type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Panels  []panel
	Targets []struct {
		Expr       string
		Datasource struct{ Type, UID string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	return d
}

// valuesOf is a variable that Grafana fills by asking for a label's values.
var valuesOf = regexp.MustCompile(`^label_values\((.+), *(\w+)\)$`)

// queries are all expressions of the dashboard by where they stand.
func (d dashboard) queries(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range d.Panels {
		if p.Type == "row" && len(p.Panels) > 0 {
			t.Errorf("row %q hides its panels from this test: expand it", p.Title)
		}
		for i, target := range p.Targets {
			all[fmt.Sprintf("panel %q, query %d", p.Title, i+1)] = target.Expr
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			all[fmt.Sprintf("annotation %q", a.Name)] = a.Expr
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		var q struct{ Query string }
		if err := json.Unmarshal(v.Query, &q); err != nil {
			t.Errorf("variable %s: %v", v.Name, err)
		}
		parts := valuesOf.FindStringSubmatch(q.Query)
		if parts == nil {
			t.Errorf("variable %s: %q is no label_values(…)", v.Name, q.Query)
			continue
		}
		all["variable "+v.Name] = "count by (" + parts[2] + ") (" + parts[1] + ")"
	}
	return all
}

func TestDashboardAsksForMetricsThatExist(t *testing.T) {
	t.Parallel()
	metrics := exposedMetrics(t)
	for where, expression := range readDashboard(t).queries(t) {
		for _, problem := range metrics.problems(expression) {
			t.Errorf("%s: %s", where, problem)
		}
	}
}

// Prometheus reads every query of the dashboard, with Grafana's variables
// filled in, as a rule.
func TestDashboardQueriesAreValid(t *testing.T) {
	t.Parallel()
	type recording struct{ Record, Expr string }
	var rules []recording
	for where, expression := range readDashboard(t).queries(t) {
		expression = strings.ReplaceAll(expression, "$__rate_interval", "5m")
		for _, variable := range []string{"$job", "$instance"} {
			expression = strings.ReplaceAll(expression, variable, "x")
		}
		if strings.Contains(expression, "$") {
			t.Errorf("%s: an unknown variable in %q", where, expression)
		}
		rules = append(rules, recording{Record: fmt.Sprintf("dashboard:query:%d", len(rules)), Expr: expression})
	}
	text, err := yaml.Marshal(map[string]any{
		"groups": []any{map[string]any{"name": "dashboard", "rules": rules}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, dir, "check", "rules", "rules.yml")
}

// Grafana takes the file on any installation: panels are told apart, don't lie
// on each other, and ask the data source that the viewer picks.
func TestDashboardIsPortable(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if d.UID == "" || d.SchemaVersion < 39 {
		t.Errorf("uid %q, schema version %d", d.UID, d.SchemaVersion)
	}
	ids := map[int]bool{}
	cells := map[[2]int]string{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("panel %q: its ID %d is another's", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q is wider than Grafana's 24 columns", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken && other != p.Title {
					t.Errorf("panel %q lies on %q", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q has no query", p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.Type != "prometheus" || target.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q asks a data source of its own: %+v", p.Title, target.Datasource)
			}
		}
	}
}
