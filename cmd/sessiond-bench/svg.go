package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// chart is a picture of horizontal bars, in panels one below the other.
type chart struct {
	title, subtitle string
	panels          []panel
	notes           []string
}

// panel is bars on one scale, which begins at zero.
type panel struct {
	title string
	bars  []bar
}

type bar struct {
	label string
	value figure // The bar ends at the median, the whisker goes from least to greatest.
	text  string // Beside the bar.
	ours  bool   // Whether to set it off.
}

// Sizes in pixels.
const (
	chartWidth = 880
	margin     = 24
	labelWidth = 232
	textWidth  = 240
	barHeight  = 20
	barStep    = 28
	noteStep   = 16
)

// chartStyle follows the reader's theme: an SVG file shown as an image has its
// own prefers-color-scheme, and no background.
const chartStyle = `
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.head { font-weight: 600 }
.dim { fill: #59636e; font-size: 11px }
.bar { fill: #afb8c1 }
.ours { fill: #1f883d }
.whisker { stroke: #1f2328; stroke-width: 1.5; fill: none }
.axis { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .dim { fill: #9198a1 }
  .bar { fill: #59636e }
  .ours { fill: #3fb950 }
  .whisker { stroke: #f0f6fc }
  .axis { stroke: #3d444d }
}
`

// svg draws the chart.
func (c chart) svg() string {
	var b strings.Builder
	y := margin + 14
	text(&b, "title", margin, y, c.title)
	y += 20
	text(&b, "dim", margin, y, c.subtitle)
	for _, p := range c.panels {
		y += 32
		text(&b, "head", margin, y, p.title)
		y = p.draw(&b, y+10)
	}
	y += 30
	for _, note := range c.notes {
		for _, line := range wrap(note, 135) {
			text(&b, "dim", margin, y, line)
			y += noteStep
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">
<title>%s</title>
<style>%s</style>
%s</svg>
`, chartWidth, y+margin/2, chartWidth, y+margin/2, escape(c.title), chartStyle, b.String())
}

// draw draws the bars below y and returns where they end.
func (p panel) draw(b *strings.Builder, y int) int {
	const left = margin + labelWidth
	const width = chartWidth - left - margin - textWidth
	greatest := 0.0
	for _, bar := range p.bars {
		greatest = max(greatest, bar.value.Median, bar.value.Max)
	}
	if greatest == 0 {
		greatest = 1
	}
	x := func(v float64) float64 { return left + v/greatest*width }

	top := y
	for _, bar := range p.bars {
		class := "bar"
		if bar.ours {
			class = "bar ours"
		}
		middle := y + barHeight/2
		text(b, "", margin, middle+4, bar.label)
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n",
			class, left, y, x(bar.value.Median)-left, barHeight)
		if bar.value.Max > bar.value.Min {
			fmt.Fprintf(b, `<path class="whisker" d="M%.1f %dH%.1fM%.1f %dv8M%.1f %dv8"/>`+"\n",
				x(bar.value.Min), middle, x(bar.value.Max), x(bar.value.Min), middle-4, x(bar.value.Max), middle-4)
		}
		text(b, "", int(x(max(bar.value.Median, bar.value.Max)))+10, middle+4, bar.text)
		y += barStep
	}
	fmt.Fprintf(b, `<path class="axis" d="M%d %dV%d"/>`+"\n", left, top-4, y-barStep+barHeight+4)
	return y - barStep + barHeight
}

func text(b *strings.Builder, class string, x, y int, s string) {
	attribute := ""
	if class != "" {
		attribute = fmt.Sprintf(` class="%s"`, class)
	}
	fmt.Fprintf(b, `<text%s x="%d" y="%d">%s</text>`+"\n", attribute, x, y, escape(s))
}

func escape(s string) string {
	var b strings.Builder
	// A strings.Builder takes everything.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// wrap breaks a line at spaces, so that none is longer than limit characters
// where that can be.
func wrap(s string, limit int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > limit {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
