package ecgridsession

import (
	"context"
	"sync"
	"time"
)

// watchEvery is how often a stream asks the ledger whether its session has
// ended on another replica: with a call of the ledger added, within 2 seconds.
// Each open stream costs one Load in that time
// (TestStreamsAskTheLedgerNoMoreThanOnceEachAndInterval).
const watchEvery = 1500 * time.Millisecond

// EndWithSession returns a context for a response that outlives most requests,
// such as server-sent events or a WebSocket. It is cancelled with the cause
// [ErrSessionEnded] when the session ends: at once by a sign-out in this
// process, within 2 seconds by one on another replica, and at the session's
// absolute end. Idleness alone does not end it, nor does a ledger that is down.
// Where ctx has no session it is cancelled from the start, with [ErrNoSession]
// or [ErrSessionEnded]. The caller calls cancel when the response is done, or
// ends ctx.
func (m *Middleware) EndWithSession(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := m.sessionIn(ctx)
	// The cancel of a context that is done already has nothing left to do.
	if s == nil {
		cancel(ErrNoSession)
		return ctx, func() {}
	}
	snap, err := s.open()
	if err != nil {
		cancel(err)
		return ctx, func() {}
	}
	watched := &stream{end: func() { cancel(ErrSessionEnded) }}
	// Before watch looks for the first time: a sign-out in between is then seen
	// by one of the two.
	m.streams.add(watched, snap.keys.at[:])
	// It ends with ctx, which the caller's cancel, the request's end and the
	// session's each bring about: none is left behind by a stream that the app
	// forgets.
	go m.watch(ctx, watched, snap)
	return ctx, func() { cancel(context.Canceled) }
}

// watch ends a stream by the clock and by the ledger. It returns when the
// stream's context is done. It goes by polling, since a Ledger cannot tell
// anybody: a Redis channel would do it sooner and leave out every other
// backend.
func (m *Middleware) watch(ctx context.Context, watched *stream, snap *snapshot) {
	defer m.streams.remove(watched, snap.keys.at[:])
	end := time.NewTimer(timeOf(snap.record.StartedAt).Add(m.cfg.Lifetime).Sub(m.now()))
	defer end.Stop()
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for m.stillOpen(ctx, snap) { // at once: it may have ended before the stream was added
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

// stillOpen asks the ledger about a session. What it cannot say does not end a
// stream. A token that was refreshed does not end one either: hasEnded asks for
// the end alone.
func (m *Middleware) stillOpen(ctx context.Context, snap *snapshot) bool {
	found, cutOff, err := m.ledger.look(ctx, &snap.keys)
	return !hasEnded(&snap.record, &found, cutOff, err)
}

// stream is one response that ends with its session. Its address is its
// identity, and end may be called more than once.
type stream struct{ end func() }

// streams are those of this process, by the ledger's keys of their sessions and
// their users. The zero value is ready. mu guards by. It is held while a stream
// is cancelled, which runs nothing of the app's: cancelling starts the app's
// functions in goroutines of their own.
type streams struct {
	mu sync.Mutex
	by map[string]map[*stream]struct{}
}

// add files a stream under each key, so that sign-out ends it by the session's
// and sign-out everywhere by the user's.
func (s *streams) add(added *stream, keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = make(map[string]map[*stream]struct{})
	}
	for _, key := range keys {
		if s.by[key] == nil {
			s.by[key] = make(map[*stream]struct{})
		}
		s.by[key][added] = struct{}{}
	}
}

// remove leaves no empty set behind: keys are as many as sessions.
func (s *streams) remove(gone *stream, keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.by[key], gone)
		if len(s.by[key]) == 0 {
			delete(s.by, key)
		}
	}
}

// end ends the streams under a key: those of a session, or of a user.
func (s *streams) end(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// They stay in the map until their watch has seen it and removes them.
	for open := range s.by[key] {
		open.end()
	}
}
