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
// with the headers of a browser and with few, each by itself; the time beyond
// ECGrid's answer by its upper quartile, since a machine with other work holds
// up single calls by more than it; and the time beyond LogoutTimeout, which is a
// promise to every user, by the longest.
func (r Result) Targets() []report.Target {
	atOnce, slow := spreadOf(beyond(r.signOuts.atOnce)), spreadOf(beyond(r.signOuts.slow))
	hanging := spreadOf(milliseconds(r.signOuts.hanging, r.options.LogoutTimeout))
	return []report.Target{
		r.throughput("End to end, of the bare app that is sent the same cookies", "at least 0.83", pageWithSession, appBare, leastOfBare),
		r.throughput("End to end, of the bare app that is sent the same cookies, few headers", "at least 0.83", pageFewHeaders, appBare, leastOfBare),
		r.throughput("End to end, of gorilla by hand", "at least 2.5 times", pageWithSession, appGorilla, leastOfGorilla),
		r.throughput("End to end, of gorilla by hand, few headers", "at least 2.5 times", pageFewHeaders, appGorilla, leastOfGorilla),
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

// throughput compares the requests per second of the middleware's app with
// those of another, for the same requests.
func (r Result) throughput(name, asked, requests, other string, least float64) report.Target {
	got := r.compared(requests, appMiddleware, other, perSecond, ratio)
	byTime := r.compared(requests, appMiddleware, other, processor, inverse)
	return report.Target{
		Name:     name,
		Asked:    asked,
		Measured: got.text("%.2f") + " of its requests per second; by processor time " + byTime.text("%.2f"),
		Reached:  got.median >= least,
	}
}
