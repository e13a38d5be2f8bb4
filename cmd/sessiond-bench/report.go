package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// report is what a command found out.
type report interface {
	// print writes tables for a terminal.
	print(w io.Writer)
	// write writes the same as path.json and path.svg; nothing if path is "".
	write(path string) error
	// missed is an error where a goal was missed.
	missed() error
}

// writeFiles writes a report's JSON and its picture.
func writeFiles(path string, report any, picture chart) error {
	if path == "" {
		return nil
	}
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	// They are published.
	if err := os.WriteFile(path+".json", append(data, '\n'), 0o644); err != nil { //nolint:gosec // See above.
		return err
	}
	return os.WriteFile(path+".svg", []byte(picture.svg()), 0o644) //nolint:gosec // See above.
}

// table is rows of cells under a head; the first column is text, the others
// numbers.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) {
	t.rows = append(t.rows, cells)
}

func (t *table) print(w io.Writer) {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			if i == 0 {
				fmt.Fprintf(w, "%-*s", widths[i], cell)
				continue
			}
			fmt.Fprintf(w, "  %*s", widths[i], cell)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

func printMachine(w io.Writer, m machine) {
	fmt.Fprintln(w)
	for _, line := range m.lines() {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
}

func printGoals(w io.Writer, goals []goal) {
	if len(goals) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "Goal\tWanted\tGot\t")
	for _, g := range goals {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", g.What, g.want(), g.number(g.Got), g.verdict())
	}
	_ = t.Flush()
	fmt.Fprintln(w)
}

// spread writes a median with what the rounds varied between.
func spread(f figure, digits int) string {
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, f.Median, digits, f.Min, digits, f.Max)
}
