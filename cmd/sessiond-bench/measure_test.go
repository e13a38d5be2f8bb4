package main

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFigure(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		values []float64
		want   figure
	}{
		"none": {nil, figure{}},
		"one":  {[]float64{3}, figure{3, 3, 3}},
		"odd":  {[]float64{9, 1, 4}, figure{Median: 4, Min: 1, Max: 9}},
		"even": {[]float64{4, 1, 2, 9}, figure{Median: 3, Min: 1, Max: 9}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := figureOf(tt.values); got != tt.want {
				t.Errorf("figureOf(%v) = %+v, want %+v", tt.values, got, tt.want)
			}
		})
	}
}

// A machine that halves its speed between two rounds shows in the rates and not
// in the ratio.
func TestRatiosAreTakenWithinARound(t *testing.T) {
	t.Parallel()
	all := samples{
		{server: "floor", connections: 16, round: 0, perSecond: 1000},
		{server: "sessiond", connections: 16, round: 0, perSecond: 800},
		{server: "sessiond", connections: 64, round: 0, perSecond: 7},
		{server: "floor", connections: 16, round: 1, perSecond: 500},
		{server: "sessiond", connections: 16, round: 1, perSecond: 400},
	}
	got := summarize(all.of("sessiond", 16), all.of("floor", 16))
	if want := (figure{0.8, 0.8, 0.8}); got.Ratio != want {
		t.Errorf("ratio %+v, want %+v", got.Ratio, want)
	}
	if want := (figure{600, 400, 800}); got.PerSecond != want {
		t.Errorf("requests per second %+v, want %+v", got.PerSecond, want)
	}
}

func TestParseUsage(t *testing.T) {
	t.Parallel()
	const stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 9 0 1000 0 0"
	const status = "Name:\ta) b (c\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n"
	got, err := parseUsage(stat, status)
	want := usage{cpu: 2 * time.Second, rss: 1 << 20, peak: 2 << 20}
	if err != nil || got != want {
		t.Errorf("parseUsage: %+v, %v; want %+v", got, err, want)
	}
	for name, bad := range map[string][2]string{
		"short stat": {"42 (a) S 1", status},
		"no numbers": {"42 (a) S x x x x x x x x x x x x x x", status},
		"no memory":  {stat, "Name:\ta\n"},
		"empty":      {"", ""},
	} {
		if got, err := parseUsage(bad[0], bad[1]); err == nil {
			t.Errorf("%s: %+v, want an error", name, got)
		}
	}
}

func TestParseLoadResult(t *testing.T) {
	t.Parallel()
	const out = "Running 1s test\nRESULT {\"requests\":500,\"micros\":250000,\"p50\":300,\"p99\":900,\"status\":1,\"connect\":0,\"read\":0,\"write\":0,\"timeout\":0}\n"
	got, err := parseLoadResult(out)
	want := loadResult{Requests: 500, Micros: 250_000, P50: 300, P99: 900, Status: 1}
	if err != nil || got != want {
		t.Errorf("parseLoadResult: %+v, %v; want %+v", got, err, want)
	}
	if got := got.perSecond(); got != 2000 {
		t.Errorf("perSecond() = %v, want 2000", got)
	}
	if _, err := parseLoadResult("unable to connect\n"); err == nil {
		t.Error("parseLoadResult of no report: no error")
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		goal    goal
		want    string
		verdict string
	}{
		{atLeast("a ratio", 0.80, 0.80, 0.90), "≥ 0.80, aim for 0.90", "met"},
		{atLeast("a ratio", 0.79, 0.80, 0), "≥ 0.80", "MISSED"},
		{atMost("memory", "bytes", 450, 450, 0), "≤ 450 bytes", "met"},
		{atMost("failures", "", 1, 0, 0), "≤ 0", "MISSED"},
	}
	var all []goal
	for _, tt := range tests {
		if tt.goal.want() != tt.want || tt.goal.verdict() != tt.verdict {
			t.Errorf("%+v: wants %q, verdict %q; want %q, %q", tt.goal, tt.goal.want(), tt.goal.verdict(), tt.want, tt.verdict)
		}
		all = append(all, tt.goal)
	}
	if err := missed(all); !errors.Is(err, errMissed) {
		t.Errorf("missed: %v, want errMissed", err)
	}
	if err := missed(nil); err != nil {
		t.Errorf("missed of no goals: %v", err)
	}
}

func TestParseOptions(t *testing.T) {
	t.Parallel()
	got, err := parseOptions("compare", []string{"-rounds", "7", "-connections", "8", "-variants", "floor,sessiond"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got.rounds != 7 || !cmp.Equal(got.connections, []int{8}) || !got.measures("memory") || got.measures("storm") {
		t.Errorf("parseOptions: %+v", got)
	}
	for _, args := range [][]string{
		{"-rounds", "0"},
		{"-connections", "16,x"},
		{"-connections", "0"},
		{"-variants", "sessiond"},
		{"-variants", "floor,fast"},
		{"-parts", "storm"},
		{"-duration", "1500ms"},
		{"-warmup", "0s"},
		{"more"},
	} {
		if got, err := parseOptions("compare", args, io.Discard); err == nil {
			t.Errorf("parseOptions(%q) = %+v, want an error", args, got)
		}
	}
}
