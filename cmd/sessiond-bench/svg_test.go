package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSVGIsWellFormed(t *testing.T) {
	t.Parallel()
	tests := map[string]chart{
		"nothing":     {},
		"no bars":     {title: "t", panels: []panel{{title: "p"}}},
		"only zeros":  {panels: []panel{{bars: []bar{{label: "z"}}}}},
		"markup":      {title: `<b> & "c"`, notes: []string{"a < b"}, panels: []panel{{bars: []bar{{label: "</svg>", text: "&"}}}}},
		"with spread": {panels: []panel{{bars: []bar{{value: figure{2, 1, 3}, ours: true}, {value: figure{1, 1, 1}}}}}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svg := c.svg()
			decoder := xml.NewDecoder(strings.NewReader(svg))
			for {
				_, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%v in\n%s", err, svg)
				}
			}
			if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Errorf("a length is no number in\n%s", svg)
			}
		})
	}
}

// Only where the rounds differed is there a whisker to see.
func TestSVGWhiskers(t *testing.T) {
	t.Parallel()
	c := chart{panels: []panel{{bars: []bar{{value: figure{2, 1, 3}}, {value: figure{1, 1, 1}}}}}}
	if n := strings.Count(c.svg(), `<path class="whisker"`); n != 1 {
		t.Errorf("%d whiskers, want 1", n)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	got := wrap("one two three  fourfourfour", 7)
	if diff := cmp.Diff([]string{"one two", "three", "fourfourfour"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := table{head: []string{"µs", "p50"}}
	table.add("scs", "7")
	var b strings.Builder
	table.print(&b)
	if want := "µs   p50\nscs    7\n\n"; b.String() != want {
		t.Errorf("table:\n%s\nwant\n%s", b.String(), want)
	}
}
