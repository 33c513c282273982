package load

import "fmt"

// What was asked for.
const (
	leastOfBare    = 0.83
	leastOfGorilla = 2.5
	mostBeyond     = 1.0  // ms, over the time that ECGrid takes
	mostOverLimit  = 50.0 // ms, over LogoutTimeout
)

// Targets are the figures that were asked for. A ratio is judged by its median;
// the time beyond ECGrid's answer by its upper quartile, since a machine with
// other work holds up single calls by more than it; and the time beyond
// LogoutTimeout, which is a promise to every user, by the longest.
func (r Result) Targets() []Target {
	bare := r.compared(pageWithSession, appMiddleware, appBare, perSecond, ratio)
	gorilla := r.compared(pageWithSession, appMiddleware, appGorilla, perSecond, ratio)
	atOnce, slow := spreadOf(beyond(r.signOuts.atOnce)), spreadOf(beyond(r.signOuts.slow))
	hanging := spreadOf(milliseconds(r.signOuts.hanging, r.options.LogoutTimeout))
	return []Target{
		{
			Name:     "End to end: requests per second, of the bare app that is sent the same cookies",
			Asked:    "at least 0.83",
			Measured: bare.text("%.2f") + "; by processor time " + r.compared(pageWithSession, appMiddleware, appBare, processor, inverse).text("%.2f"),
			Reached:  bare.median >= leastOfBare,
		},
		{
			Name:     "End to end: requests per second, of gorilla/sessions by hand",
			Asked:    "at least 2.5 times",
			Measured: gorilla.text("%.2f") + "; by processor time " + r.compared(pageWithSession, appMiddleware, appGorilla, processor, inverse).text("%.2f"),
			Reached:  gorilla.median >= leastOfGorilla,
		},
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
