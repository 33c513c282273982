package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

const (
	// lookAgain is how often the stream looks whether a token has expired,
	// which no call tells.
	lookAgain = time.Second

	// keepAlive is how long the stream may be silent, so that proxies do not
	// take it for dead.
	keepAlive = 15 * time.Second

	// writeTimeout lets go of a reader that has stopped reading.
	writeTimeout = 10 * time.Second
)

// events tells a page whose reader was signed in, and is no longer, of the end:
// an event "session-ended". With the fake it also streams what the panel shows:
// an event "call" for each call, again when its status has come, and "token" for
// each change of the token. It begins with the latest calls, so that a browser
// that reconnects has missed nothing.
func (a *app) events(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	_, signedIn := a.m.Session(r.Context())
	if !signedIn && a.grid == nil {
		w.WriteHeader(http.StatusNoContent) // there is nothing to tell; EventSource does not ask again
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	// Shutdown waits for requests to finish, and a stream does not by itself.
	defer context.AfterFunc(a.streams, cancel)()
	if signedIn {
		// A visitor may watch as well, but the page of a user whose session
		// has ended, in this tab or another, is to learn of it.
		var done context.CancelFunc
		ctx, done = a.m.EndWithSession(ctx)
		defer done()
	}

	s := stream{grid: a.grid, w: w, control: http.NewResponseController(w)}
	if err := s.run(ctx); err != nil && ctx.Err() == nil {
		// The connection broke: there is nobody left to tell.
		a.logger.DebugContext(ctx, "an event stream broke off", "error", err)
	}
}

// stream is one reader of the events.
type stream struct {
	grid    *grid // nil with the real ECGrid
	w       http.ResponseWriter
	control *http.ResponseController

	started bool
	sent    []int // the status of each call, as it was last sent
	token   token // as it was last sent
	wroteAt time.Time
}

func (s *stream) run(ctx context.Context) error {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		var changed <-chan struct{}
		if s.grid != nil {
			changed = s.grid.nextChange()
		}
		if err := s.update(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), ecgridsession.ErrSessionEnded) {
				return s.write(appendEvent(nil, "session-ended", struct{}{}))
			}
			return nil
		case <-changed:
		case <-ticker.C:
		}
	}
}

// update writes what is new, all of it at once.
func (s *stream) update() error {
	var out []byte
	if s.grid != nil {
		out = s.news()
	}
	if len(out) == 0 && time.Since(s.wroteAt) >= keepAlive {
		out = []byte(":\n\n")
	}
	if len(out) == 0 {
		return nil
	}
	return s.write(out)
}

// news is what the panel does not show yet.
func (s *stream) news() []byte {
	calls := s.grid.Calls("")
	now := tokenOf(calls, s.grid.LiveTokens(demo.ID))
	var out []byte
	for i, c := range calls {
		if i == len(s.sent) {
			s.sent = append(s.sent, c.Status)
			if !s.started && i < len(calls)-maxShown {
				continue
			}
		} else if s.sent[i] == c.Status {
			continue
		}
		s.sent[i] = c.Status
		out = appendEvent(out, "call", describe(i, c))
	}
	if now != s.token {
		s.token = now
		out = appendEvent(out, "token", now)
	}
	s.started = true
	return out
}

func (s *stream) write(out []byte) error {
	s.wroteAt = time.Now()
	if err := s.control.SetWriteDeadline(s.wroteAt.Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := s.w.Write(out); err != nil {
		return err
	}
	return s.control.Flush()
}

func appendEvent(out []byte, name string, data any) []byte {
	body, err := json.Marshal(data)
	if err != nil {
		panic("example: an event that is not JSON: " + err.Error())
	}
	return fmt.Appendf(out, "event: %s\ndata: %s\n\n", name, body)
}
