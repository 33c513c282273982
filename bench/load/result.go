package load

import (
	"fmt"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
)

// Result is what [Measure] has found.
type Result struct {
	options  Options
	samples  map[series][]sample
	signOuts signOuts
}

func perSecond(s sample) float64 { return s.perSecond }
func processor(s sample) float64 { return s.processor }
func busy(s sample) float64      { return s.busy }
func loading(s sample) float64   { return s.loading }

// figures are one figure of a series, round by round.
func (r Result) figures(s series, of func(sample) float64) []float64 {
	figures := make([]float64, len(r.samples[s]))
	for i, taken := range r.samples[s] {
		figures[i] = of(taken)
	}
	return figures
}

// compared relates a figure of two apps under the same requests.
func (r Result) compared(subject, app, other string, of func(sample) float64, relate func(a, b float64) float64) spread {
	return spreadOf(eachRound(r.figures(series{subject, app}, of), r.figures(series{subject, other}, of), relate))
}

// Tables are what was measured.
func (r Result) Tables() []report.Table {
	return []report.Table{r.pages(), r.static(), r.signedOut()}
}

func (r Result) pages() report.Table {
	t := report.Table{
		Title: "Pages over loopback",
		Note: fmt.Sprintf("%d rounds, slices of %v, %d connections; medians (quartiles), ratios within each round. "+
			"The page is a kilobyte of text and costs its handler nothing, so what is compared is little more than net/http itself: "+
			"the page with one call to ECGrid, on loopback and with an answer at once, shows how a real handler brings the apps together. "+
			"Requests have the headers that Chromium sends, of which net/http makes more work for every app alike, "+
			"or, with few headers, those of a Go program. The bare app is sent the same cookies as the middleware, gorilla its own, "+
			"which is longer. GOMAXPROCS is %d for the apps and %d for the generator; \"busy\" is how many cores each had. "+
			"Where the app's is well below its GOMAXPROCS, requests per second tell of the generator too, if that was busier, "+
			"and else of the machine's other work. The ratio of the processor time per request, which is that of the requests per second on a core of one's own, "+
			"is then the better figure.",
			r.options.Rounds, r.options.Slice, r.options.Conns, r.options.ServerProcs, r.options.GeneratorProcs),
		Head: []string{"request", "app behind", "requests per second", "of the bare app", "processor time per request, µs", "of the bare app, by that", "busy: app, generator"},
	}
	for _, s := range []series{
		{pageWithSession, appBare}, {pageWithSession, notSent}, {pageWithSession, appMiddleware}, {pageWithSession, appGorilla},
		{pageFewHeaders, appBare}, {pageFewHeaders, appMiddleware}, {pageFewHeaders, appGorilla},
		{pageWithout, appBare}, {pageWithout, appMiddleware}, {pageWithout, appGorilla},
		{inboxWith, appBare}, {inboxWith, appMiddleware},
	} {
		t.Rows = append(t.Rows, []string{
			s.subject, s.app,
			spreadOf(r.figures(s, perSecond)).text("%.0f"),
			r.compared(s.subject, s.app, appBare, perSecond, ratio).text("%.2f"),
			spreadOf(r.figures(s, processor)).text("%.1f"),
			r.compared(s.subject, s.app, appBare, processor, inverse).text("%.2f"),
			fmt.Sprintf("%.2f, %.2f", spreadOf(r.figures(s, busy)).median, spreadOf(r.figures(s, loading)).median),
		})
	}
	return t
}

func (r Result) static() report.Table {
	t := report.Table{
		Title: "What one wrapped static file costs",
		Note: fmt.Sprintf("http.FileServer behind Wrap and bare, a file of %d bytes, sent the session's cookie among seven. "+
			"The cost is what the middleware's app takes more than the bare one, within each round.", len(staticContent)),
		Head: []string{"figure", "bare", "behind Wrap", "Wrap in comparison"},
	}
	bare, wrapped := series{staticWith, appBare}, series{staticWith, appMiddleware}
	t.Rows = [][]string{
		{
			"requests per second",
			spreadOf(r.figures(bare, perSecond)).text("%.0f"),
			spreadOf(r.figures(wrapped, perSecond)).text("%.0f"),
			r.compared(staticWith, appMiddleware, appBare, perSecond, ratio).text("%.2f") + " times",
		},
		{
			"processor time per file, µs",
			spreadOf(r.figures(bare, processor)).text("%.1f"),
			spreadOf(r.figures(wrapped, processor)).text("%.1f"),
			r.compared(staticWith, appMiddleware, appBare, processor, difference).text("%.1f") + " more",
		},
	}
	return t
}

func (r Result) signedOut() report.Table {
	t := report.Table{
		Title: "Sign-out, from POST /logout to the 303",
		Note: fmt.Sprintf("One after the other, over loopback, the app in another process than the fake ECGrid. "+
			"\"Beyond\" is the whole less ECGrid's own time for that very call, so it holds the app's request and answer, "+
			"the call to ECGrid on an open connection, and all of the library's work; "+
			"where ECGrid does not answer, it is the whole less LogoutTimeout, here %v, "+
			"and at the same moments a bare handler waits for as long, which shows what of it is the machine's. Milliseconds.", r.options.LogoutTimeout),
		Head: []string{"ECGrid", "sign-outs", "whole", "beyond", "the longest beyond"},
	}
	row := func(name string, whole, beyond []float64) {
		s := spreadOf(beyond)
		t.Rows = append(t.Rows, []string{
			name, fmt.Sprint(len(whole)), spreadOf(whole).text("%.2f"), s.text("%.2f"), fmt.Sprintf("%.2f", s.most),
		})
	}
	row("answers at once", wholes(r.signOuts.atOnce), beyond(r.signOuts.atOnce))
	row(fmt.Sprintf("answers after %v", slowAnswer), wholes(r.signOuts.slow), beyond(r.signOuts.slow))
	row("never answers", milliseconds(r.signOuts.hanging, 0), milliseconds(r.signOuts.hanging, r.options.LogoutTimeout))
	row("not asked: a bare handler that waits", milliseconds(r.signOuts.waiting, 0), milliseconds(r.signOuts.waiting, r.options.LogoutTimeout))
	return t
}

func wholes(all []signOut) []float64 {
	figures := make([]float64, len(all))
	for i, s := range all {
		figures[i] = inMilliseconds(s.whole)
	}
	return figures
}

func beyond(all []signOut) []float64 {
	figures := make([]float64, len(all))
	for i, s := range all {
		figures[i] = inMilliseconds(s.whole - s.ecgrid)
	}
	return figures
}

// milliseconds are durations, each less a part.
func milliseconds(all []time.Duration, less time.Duration) []float64 {
	figures := make([]float64, len(all))
	for i, d := range all {
		figures[i] = inMilliseconds(d - less)
	}
	return figures
}

func inMilliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }
