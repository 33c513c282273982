package report

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// Bar is one way to do what the picture shows.
type Bar struct {
	Name        string
	Nanoseconds float64 // per request
	Cookie      float64 // bytes
	Emphasis    Emphasis
}

// Emphasis is how a bar stands out.
type Emphasis int

const (
	Other Emphasis = iota // one among several
	Ours                  // what the picture is about
	Bound                 // what nobody can do better than
)

// Where things are, in pixels.
const (
	width     = 860
	rowHeight = 34
	top       = 84
	labels    = 250 // names end left of here
	times     = 262 // bars of times begin here
	timesRoom = 300
	bytesAt   = 650 // bars of bytes begin here
	bytesRoom = 130
)

// WritePicture draws the bars, shortest time first, as an SVG that follows the
// reader's choice of light or dark.
func WritePicture(w io.Writer, title, note string, bars []Bar) error {
	bars = slices.Clone(bars)
	slices.SortStableFunc(bars, func(a, b Bar) int { return cmp.Compare(a.Nanoseconds, b.Nanoseconds) })
	var longest, widest float64
	for _, bar := range bars {
		longest, widest = max(longest, bar.Nanoseconds), max(widest, bar.Cookie)
	}
	height := top + len(bars)*rowHeight + 44
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title">
<title id="title">%s</title>
<style>
  text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .small { font-size: 12px; fill: #57606a }
  .page { fill: #ffffff }
  .other { fill: #afb8c1 }
  .bound { fill: none; stroke: #8c959f; stroke-dasharray: 3 3 }
  .ours { fill: #0969da }
  .strong { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .page { fill: #0d1117 }
    .other { fill: #484f58 }
    .bound { stroke: #6e7681 }
    .ours { fill: #4493f8 }
  }
</style>
<rect class="page" width="%d" height="%d" rx="6"/>
`, width, height, width, height, html.EscapeString(title), width, height)
	fmt.Fprintf(&b, `<text class="title" x="24" y="34">%s</text>`+"\n", html.EscapeString(title))
	fmt.Fprintf(&b, `<text class="small" x="%d" y="66">time per request</text>`+"\n", times)
	fmt.Fprintf(&b, `<text class="small" x="%d" y="66">cookie, name and value</text>`+"\n", bytesAt)
	for i, bar := range bars {
		y := top + i*rowHeight
		class, strong := "other", ""
		switch bar.Emphasis {
		case Ours:
			class, strong = "ours", " strong"
		case Bound:
			class = "bound"
		}
		fmt.Fprintf(&b, `<text class="name%s" x="%d" y="%d" text-anchor="end">%s</text>`+"\n",
			strong, labels, y+17, html.EscapeString(bar.Name))
		drawBar(&b, class, strong, times, y, timesRoom*bar.Nanoseconds/longest, Time(bar.Nanoseconds))
		drawBar(&b, class, strong, bytesAt, y, bytesRoom*bar.Cookie/widest, Bytes(bar.Cookie))
	}
	fmt.Fprintf(&b, `<text class="small" x="24" y="%d">%s</text>`+"\n</svg>\n", height-18, html.EscapeString(note))
	_, err := io.WriteString(w, b.String())
	return err
}

func drawBar(b *strings.Builder, class, strong string, x, y int, long float64, label string) {
	long = max(long, 2) // visible
	fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="18" rx="2"/>`, class, x, y+3, long)
	fmt.Fprintf(b, `<text class="value%s" x="%.1f" y="%d">%s</text>`+"\n", strong, float64(x)+long+8, y+17, html.EscapeString(label))
}
