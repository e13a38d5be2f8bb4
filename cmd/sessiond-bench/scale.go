package main

import (
	"context"
	"fmt"
	"io"
)

// scaling is the report of `scale`.
type scaling struct {
	Machine  machine  `json:"machine"`
	Setup    setup    `json:"setup"`
	Growth   []growth `json:"growth,omitempty"`
	Costs    []cost   `json:"costs,omitempty"`
	Storm    *storm   `json:"storm,omitempty"`
	Distance []remote `json:"distance,omitempty"`
	Goals    []goal   `json:"goals"`

	// What the parts add to the terminal and to the picture.
	tables []*table
	panels []panel
}

func scale(ctx context.Context, l *lab) (report, error) {
	s := &scaling{Setup: l.options.setup(), Machine: l.describe(ctx, false)}
	for _, part := range []struct {
		name    string
		measure func(context.Context, *lab, *scaling) error
	}{
		{"growth", measureGrowth},
		{"costs", measureCosts},
		{"storm", measureStorm},
		{"distance", measureDistance},
	} {
		if !l.options.measures(part.name) {
			continue
		}
		err := part.measure(ctx, l, s)
		l.stopAll()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return s, nil
}

func (s *scaling) print(w io.Writer) {
	printMachine(w, s.Machine)
	for _, t := range s.tables {
		t.print(w)
	}
	printGoals(w, s.Goals)
}

func (s *scaling) missed() error {
	return missed(s.Goals)
}

func (s *scaling) write(path string) error {
	return writeFiles(path, s, chart{
		title:    "sessiond as data, crowds and distance grow",
		subtitle: fmt.Sprintf("Median, least and greatest of %d rounds of %d s, in turns", s.Setup.Rounds, s.Setup.Seconds),
		panels:   s.panels,
		notes:    s.Machine.lines(),
	})
}
