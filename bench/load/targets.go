package load

import (
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
)

// What was asked for.
const (
	leastOfBare    = 0.83
	leastOfGorilla = 2.5
	mostBeyond     = 1.0  // ms, over the time that ECGrid takes
	mostOverLimit  = 50.0 // ms, over LogoutTimeout
)

// Targets are the figures that were asked for. A ratio is judged by its median,
// and has to be reached with the headers of a browser and with few; the time beyond ECGrid's answer by its upper quartile, since a machine with
// other work holds up single calls by more than it; and the time beyond
// LogoutTimeout, which is a promise to every user, by the longest.
func (r Result) Targets() []report.Target {
	atOnce, slow := spreadOf(beyond(r.signOuts.atOnce)), spreadOf(beyond(r.signOuts.slow))
	hanging := spreadOf(milliseconds(r.signOuts.hanging, r.options.LogoutTimeout))
	return []report.Target{
		r.throughput("End to end: requests per second, of the bare app that is sent the same cookies", "at least 0.83", appBare, leastOfBare),
		r.throughput("End to end: requests per second, of gorilla/sessions by hand", "at least 2.5 times", appGorilla, leastOfGorilla),
		{
			Name:     "Sign-out: the time over ECGrid's own answer",
			Asked:    "at most 1 ms over the upstream's answer",
			Measured: atOnce.text("%.2f") + " ms where it answers at once, " + slow.text("%.2f") + " ms where it takes " + slowAnswer.String(),
			Reached:  atOnce.upper <= mostBeyond && slow.upper <= mostBeyond,
		},
		{
			Name:  "Sign-out: the time over LogoutTimeout where ECGrid never answers",
			Asked: "never over LogoutTimeout + 50 ms",
			Measured: hanging.text("%.2f") + " ms, " + longest(hanging) + " at most (a bare handler that waits as long: " +
				longest(spreadOf(milliseconds(r.signOuts.waiting, r.options.LogoutTimeout))) + " at most)",
			Reached: hanging.most <= mostOverLimit,
		},
	}
}

func longest(s spread) string { return fmt.Sprintf("%.2f", s.most) }

// throughput compares the middleware's app with another on pages with a session.
func (r Result) throughput(name, asked, other string, least float64) report.Target {
	browser := r.compared(pageWithSession, appMiddleware, other, perSecond, ratio)
	few := r.compared(pageFewHeaders, appMiddleware, other, perSecond, ratio)
	byTime := func(subject string) string {
		return "; by processor time " + r.compared(subject, appMiddleware, other, processor, inverse).text("%.2f")
	}
	return report.Target{
		Name:  name,
		Asked: asked,
		Measured: browser.text("%.2f") + byTime(pageWithSession) + ". With few headers " +
			few.text("%.2f") + byTime(pageFewHeaders),
		Reached: browser.median >= least && few.median >= least,
	}
}
