package routers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/ecgrid-contrib/ecgridsession"
)

// app is what every router serves: a page for anybody, and some for users alone.
type app struct {
	sessions *ecgridsession.Middleware
	grid     string       // ECGrid's base URL
	private  atomic.Int64 // how often a handler behind Require has run
	streams  atomic.Int64 // how many are open
	closing  chan struct{}
}

// greeting names the user, if there is one.
func (a *app) greeting(ctx context.Context) string {
	session, signedIn := a.sessions.Session(ctx)
	if !signedIn {
		return "Hello stranger"
	}
	return "Hello " + session.Login
}

// parcels asks ECGrid for the user's inbox.
func (a *app) parcels(ctx context.Context) ([]byte, error) {
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, a.grid+"/v2/parcels/inbox-list", nil)
	if err != nil {
		return nil, err
	}
	answer, err := a.sessions.Client().Do(call)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ECGrid answered %d", answer.StatusCode)
	}
	return io.ReadAll(answer.Body)
}

// stream sends a first event and, when the session has ended, a last one.
func (a *app) stream(ctx context.Context, w io.Writer, flush func()) {
	ctx, done := a.sessions.EndWithSession(ctx)
	defer done()
	a.streams.Add(1)
	defer a.streams.Add(-1)
	io.WriteString(w, "event: hello\n\n")
	flush()
	select {
	case <-ctx.Done():
	case <-a.closing: // or the server would wait for the streams of a failed test
	}
	if errors.Is(context.Cause(ctx), ecgridsession.ErrSessionEnded) {
		io.WriteString(w, "event: session-ended\n\n")
	}
}
