package session

import (
	"context"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// watchEvery is how often a stream asks the ledger whether its session has
// ended on another replica: with a call of the ledger added, within 2 seconds.
// Each open stream costs one Load in that time
// (TestStreamsAskTheLedgerNoMoreThanOnceEachAndInterval).
const watchEvery = 1500 * time.Millisecond

// Watch calls end when the session ends: at once by this process, soon by
// another, and at its absolute end. end may be called more than once. It is
// watched until ctx is done. What the ledger cannot say does not end it, nor
// does idleness.
func (l *Ledger) Watch(ctx context.Context, snap *Snapshot, limits *Limits, end func()) {
	watched := &stream{end: end}
	// Before the first look: a sign-out in between is then seen by one of the
	// two.
	l.streams.add(watched, snap.Keys.at[:])
	go l.watch(ctx, watched, snap, limits)
}

// watch ends a stream by the clock and by the ledger. It returns when the
// stream's context is done. It goes by polling, since a Ledger cannot tell
// anybody: a Redis channel would do it sooner and leave out every other
// backend.
func (l *Ledger) watch(ctx context.Context, watched *stream, snap *Snapshot, limits *Limits) {
	defer l.streams.remove(watched, snap.Keys.at[:])
	end := time.NewTimer(record.Time(snap.Record.StartedAt).Add(limits.Lifetime).Sub(limits.Now()))
	defer end.Stop()
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for l.stillOpen(ctx, snap) { // at once: it may have ended before the stream was added
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			watched.end()
		case <-look.C:
		}
	}
	watched.end()
}

// stillOpen asks the ledger about a session. A token that was refreshed does
// not end a stream: HasEnded asks for the end alone.
func (l *Ledger) stillOpen(ctx context.Context, snap *Snapshot) bool {
	found, cutOff, err := l.Look(ctx, &snap.Keys)
	return !snap.HasEnded(&found, cutOff, err)
}

// EndStreams ends those of a session in this process, where the ledger could
// not be told of its end.
func (l *Ledger) EndStreams(snap *Snapshot) { l.streams.end(snap.Keys.Session()) }

// Ends counts the ends of sessions in this process, of any session. A request that
// sees another number than at its beginning has to look at its own session again.
func (l *Ledger) Ends() uint64 { return l.streams.ends.Load() }
