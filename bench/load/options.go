package load

import (
	"cmp"
	"errors"
	"time"
)

// Options say how long and how hard to measure. The zero value takes three
// to four minutes.
type Options struct {
	// Rounds is how often every app is loaded. Default 50.
	Rounds int
	// Slice is how long one app is loaded at a time, after an eighth as long
	// that is not counted. Default 200 milliseconds.
	Slice time.Duration
	// Conns is how many connections the generator keeps to an app, with one
	// request on each at a time. Default 8.
	Conns int

	// ServerProcs and GeneratorProcs are how many cores the process of the apps
	// and that of the generator may use: their GOMAXPROCS. Default 1 each.
	ServerProcs, GeneratorProcs int
	// ShareCores leaves it to the kernel which cores that are. Otherwise, on
	// Linux and where there are as many, each process has its own: the kernel
	// likes to put two processes that talk to each other on one core, and then
	// each waits for the other while a core is idle. On a machine with much
	// other work, which can then not be evaded, requests per second are fewer
	// and swing more; the processor time per request is the steadier.
	ShareCores bool

	// SignOuts is how many sign-outs are timed for each time that ECGrid takes
	// to answer, and Hangs how many while it does not answer at all. Default 200
	// and 20.
	SignOuts, Hangs int
	// LogoutTimeout is the middleware's, for the sign-outs that ECGrid does not
	// answer. Default 1 second, a third of the middleware's own.
	LogoutTimeout time.Duration

	// Progress, if set, is called after each round.
	Progress func(round, rounds int)
}

// tokenSize is the length of the bearer token, a JWT.
const tokenSize = 700

func (o Options) withDefaults() Options {
	o.Rounds = cmp.Or(o.Rounds, 50)
	o.Slice = cmp.Or(o.Slice, 200*time.Millisecond)
	o.Conns = cmp.Or(o.Conns, 8)
	o.ServerProcs = cmp.Or(o.ServerProcs, 1)
	o.GeneratorProcs = cmp.Or(o.GeneratorProcs, 1)
	o.SignOuts = cmp.Or(o.SignOuts, 200)
	o.Hangs = cmp.Or(o.Hangs, 20)
	o.LogoutTimeout = cmp.Or(o.LogoutTimeout, time.Second)
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	return o
}

func (o Options) check() error {
	smallest := min(o.Rounds, o.Conns, o.ServerProcs, o.GeneratorProcs, o.SignOuts, o.Hangs)
	if smallest < 0 || o.Slice < 0 || o.LogoutTimeout < 0 {
		return errors.New("load: no option may be negative")
	}
	return nil
}
