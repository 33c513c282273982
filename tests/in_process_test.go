package tests

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// inProcess is an app and a fake ECGrid without a network, for bubbles of
// testing/synctest, where time is the subject.
type inProcess struct {
	t      *testing.T
	m      *ecgridsession.Middleware
	grid   *ecgridtest.API
	events *eventLog

	inFlight, most atomic.Int64 // calls to ECGrid
}

func newInProcess(t *testing.T, changes ...func(*ecgridsession.Config)) *inProcess {
	t.Helper()
	p := &inProcess{t: t, grid: ecgridtest.NewAPI(), events: &eventLog{}}
	p.grid.AddUser(demo)
	p.grid.SetTokenTTL(24 * time.Hour) // no token goes by itself while a test sleeps
	cfg := ecgridsession.Config{
		Upstream:      "https://ecgrid.example",
		Keys:          [][]byte{randomKey(t)},
		BaseTransport: p,
		Logger:        slog.New(slog.DiscardHandler),
		OnEvent:       p.events.add,
	}
	for _, change := range changes {
		change(&cfg)
	}
	m, err := ecgridsession.New(cfg)
	require.NoError(t, err)
	p.m = m
	return p
}

// RoundTrip hands a call to the fake, as a network would.
func (p *inProcess) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	now := p.inFlight.Add(1)
	defer p.inFlight.Add(-1)
	for most := p.most.Load(); now > most && !p.most.CompareAndSwap(most, now); most = p.most.Load() {
	}
	return handlerTransport{p.grid}.RoundTrip(r)
}

// signedIn starts a session with a fresh token and returns its cookie.
func (p *inProcess) signedIn() *http.Cookie {
	p.t.Helper()
	return p.started(p.grid.Issue(demo.ID))
}

// signedInByKey starts a session with demo's API key and returns its cookie.
func (p *inProcess) signedInByKey() *http.Cookie {
	p.t.Helper()
	return p.started(ecgridsession.Credential{APIKey: demo.APIKey})
}

func (p *inProcess) started(c ecgridsession.Credential) *http.Cookie {
	p.t.Helper()
	w := httptest.NewRecorder()
	_, err := p.m.Start(w, httptest.NewRequest(http.MethodPost, "/", nil), c)
	require.NoError(p.t, err)
	return w.Result().Cookies()[0]
}

// eachInProcess runs a property for both kinds of credential, in a bubble each.
func eachInProcess(t *testing.T, property func(t *testing.T, p *inProcess, signedIn func() *http.Cookie)) {
	t.Helper()
	for kind, signIn := range map[string]func(*inProcess) *http.Cookie{
		"bearer": (*inProcess).signedIn, "API key": (*inProcess).signedInByKey,
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newInProcess(t)
				property(t, p, func() *http.Cookie { return signIn(p) })
			})
		})
	}
}

// signOut posts to the sign-out handler, and tells how long that took.
func (p *inProcess) signOut(cookie *http.Cookie) (answer, time.Duration) {
	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	began := time.Now()
	p.m.Wrap(p.m.LogoutHandler()).ServeHTTP(w, r)
	return answer{Response: w.Result()}, time.Since(began)
}

// opens tells whether the cookie still opens a session.
func (p *inProcess) opens(cookie *http.Cookie) bool {
	r := httptest.NewRequest(http.MethodGet, "/session", nil)
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	p.m.SessionHandler().ServeHTTP(w, r)
	return w.Code == http.StatusOK
}

// close closes the middleware within a time.
func (p *inProcess) close(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return p.m.Close(ctx)
}

// pauses are the times between the calls to sign out at ECGrid.
func (p *inProcess) pauses() []time.Duration {
	var between []time.Duration
	calls := p.grid.Calls(logoutCall)
	for i := 1; i < len(calls); i++ {
		between = append(between, calls[i].At.Sub(calls[i-1].At))
	}
	return between
}
