package main

import (
	"fmt"
	"io"
	"strings"
)

// titles are what the servers are called in a picture.
var titles = map[string]string{
	"floor":    "floor: net/http, one GET",
	"sessiond": "sessiond",
	"verify":   "sessiond for gateways: /verify",
	"naive":    "naive: verify, four round trips",
	"scs":      "alexedwards/scs",
	"express":  "express-session, connect-redis",
}

func (c *comparison) print(w io.Writer) {
	printMachine(w, c.Machine)
	for _, n := range c.Setup.Connections {
		if len(c.Speed) == 0 {
			break
		}
		t := table{head: []string{
			fmt.Sprintf("%d connections", n), "requests/s (min–max)", "of the floor (min–max)",
			"p50 µs", "p99 µs", "CPU µs", "Redis CPU µs", "peak MB",
		}}
		for _, m := range c.Speed {
			if m.Connections != n {
				continue
			}
			t.add(m.Server, spread(m.PerSecond, 0), spread(m.Ratio, 2),
				fmt.Sprintf("%.0f", m.P50.Median), fmt.Sprintf("%.0f", m.P99.Median),
				fmt.Sprintf("%.1f", m.ServerCPU.Median), fmt.Sprintf("%.1f", m.RedisCPU.Median), fmt.Sprintf("%.0f", m.PeakMB))
		}
		t.print(w)
	}
	if m := c.Memory; m != nil {
		fmt.Fprintf(w, "Redis holds a session in %.0f bytes and a user in %.0f (%d users, %d sessions each, names of 40 characters).\n",
			m.BytesPerSession, m.BytesPerUser, memoryUsers, memorySessions)
		fmt.Fprintf(w, "With a trail of events for each user, which is off by default, a session takes %.0f bytes.\n", m.WithTrail)
		fmt.Fprintf(w, "sessiond took %s MB in the course of %d checks of %d tokens, %.0f MB at most.\n\n",
			join(m.ResidentMB), m.Checks, memoryUsers, m.PeakMB)
	}
	if len(c.Skipped) > 0 {
		fmt.Fprintf(w, "Not measured: %s.\n\n", strings.Join(c.Skipped, ", "))
	}
	printGoals(w, c.Goals)
}

func join(values []float64) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprintf("%.0f", v)
	}
	return strings.Join(texts, ", ")
}

func (c *comparison) missed() error {
	return missed(c.Goals)
}

func (c *comparison) write(path string) error {
	return writeFiles(path, c, c.chart())
}

// chart shows the ratios to the floor, a panel for each number of connections.
func (c *comparison) chart() chart {
	picture := chart{
		title:    "Token checks per second, as a ratio to the floor",
		subtitle: fmt.Sprintf("Median, least and greatest of %d rounds of %d s, in turns; 2,000 tokens of 2,000 users", c.Setup.Rounds, c.Setup.Seconds),
		notes:    c.Machine.lines(),
	}
	for _, n := range c.Setup.Connections {
		p := panel{title: fmt.Sprintf("%d connections", n)}
		for _, m := range c.Speed {
			if m.Connections != n {
				continue
			}
			p.bars = append(p.bars, bar{
				label: titles[m.Server], value: m.Ratio, ours: m.Server == "sessiond" || m.Server == "verify",
				text: fmt.Sprintf("%.2f · %.0f/s, p99 %.1f ms", m.Ratio.Median, m.PerSecond.Median, m.P99.Median/1000),
			})
		}
		picture.panels = append(picture.panels, p)
	}
	return picture
}
