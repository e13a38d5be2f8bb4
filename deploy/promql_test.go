package deploy_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// selector is a metric that a query reads, and its conditions on labels.
type selector struct {
	metric   string
	matchers []matcher
}

type matcher struct {
	label, op, value string
}

// query is as much of a PromQL expression as the tests look at.
type query struct {
	selectors []selector
	// labels are those that the expression groups or joins by.
	labels []string
}

var promqlToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_:][\w:]*|\d[\w.]*|=~|!~|!=|==|>=|<=|\S`)

// reserved are names that are no metric although no parenthesis follows them.
var reserved = map[string]bool{
	"and": true, "or": true, "unless": true, "bool": true, "offset": true, "inf": true, "nan": true,
}

// grouping are followed by labels in parentheses.
var grouping = map[string]bool{
	"by": true, "without": true, "on": true, "ignoring": true, "group_left": true, "group_right": true,
}

// parseQuery finds the metrics and labels in an expression that promtool takes
// for a valid one.
func parseQuery(expression string) query {
	var q query
	tokens := promqlToken.FindAllString(expression, -1)
	at := func(i int) string {
		if i < len(tokens) {
			return tokens[i]
		}
		return ""
	}
	for i := 0; i < len(tokens); i++ {
		token := tokens[i]
		switch {
		case token == "[":
			for at(i) != "]" && i < len(tokens) {
				i++
			}
		case grouping[token]:
			for i += 2; at(i) != ")" && i < len(tokens); i++ {
				if at(i) != "," {
					q.labels = append(q.labels, at(i))
				}
			}
		case !isName(token) || reserved[strings.ToLower(token)] || at(i+1) == "(" || grouping[at(i+1)]:
		default:
			found := selector{metric: token}
			if at(i+1) == "{" {
				for i += 2; at(i) != "}" && i < len(tokens); i++ {
					if isName(at(i)) {
						found.matchers = append(found.matchers, matcher{at(i), at(i + 1), strings.Trim(at(i+2), `"'`)})
						i += 2
					}
				}
			}
			q.selectors = append(q.selectors, found)
		}
	}
	return q
}

func isName(token string) bool {
	first := token[:min(len(token), 1)]
	return first == "_" || first == ":" || strings.ToLower(first) != strings.ToUpper(first)
}

func TestParseQuery(t *testing.T) {
	t.Parallel()
	tests := map[string]query{
		"up": {selectors: []selector{{metric: "up"}}},
		`sum by (le, kind) (rate(a_bucket{b="c", d=~"e|f"}[5m])) > 0.1`: {
			selectors: []selector{{"a_bucket", []matcher{{"b", "=", "c"}, {"d", "=~", "e|f"}}}},
			labels:    []string{"le", "kind"},
		},
		`a / on (b) group_left (c) d offset 5m and not_a_function`: {
			selectors: []selector{{metric: "a"}, {metric: "d"}, {metric: "not_a_function"}},
			labels:    []string{"b", "c"},
		},
		`(sum(a) or vector(0)) > bool 1e3`: {selectors: []selector{{metric: "a"}}},
		`absent(a{b!='x} y{'} == 1)`:       {selectors: []selector{{"a", []matcher{{"b", "!=", "x} y{"}}}}},
	}
	for expression, want := range tests {
		if diff := cmp.Diff(want, parseQuery(expression), cmp.AllowUnexported(query{}, selector{}, matcher{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
}
