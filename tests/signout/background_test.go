package signout

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// background is a site in process whose calls to ECGrid are counted.
type background struct {
	*site.Site
	inFlight, most atomic.Int64 // calls to ECGrid
}

func newBackground(t *testing.T, changes ...func(*ecgridsession.Config)) *background {
	t.Helper()
	p := &background{}
	p.Site = site.New(t, site.InProcess(), site.With(func(cfg *ecgridsession.Config) {
		cfg.BaseTransport, cfg.Ledger = p, ecgridsession.NewMemoryLedger()
	}), site.With(changes...))
	p.Grid.SetTokenTTL(24 * time.Hour) // no token goes by itself while a test sleeps
	return p
}

// RoundTrip hands a call to the fake, as a network would.
func (p *background) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	now := p.inFlight.Add(1)
	defer p.inFlight.Add(-1)
	for most := p.most.Load(); now > most && !p.most.CompareAndSwap(most, now); most = p.most.Load() {
	}
	return site.HandlerTransport{Handler: p.Grid}.RoundTrip(r)
}

// signedIn starts a session with a fresh token and returns its cookie.
func (p *background) signedIn() *http.Cookie {
	p.T.Helper()
	return p.started(p.Grid.Issue(site.Demo.ID))
}

// signedInByKey starts a session with demo's API key and returns its cookie.
func (p *background) signedInByKey() *http.Cookie {
	p.T.Helper()
	return p.started(ecgridsession.Credential{APIKey: site.Demo.APIKey})
}

func (p *background) started(c ecgridsession.Credential) *http.Cookie {
	p.T.Helper()
	w := httptest.NewRecorder()
	_, err := p.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/", nil), c)
	require.NoError(p.T, err)
	return w.Result().Cookies()[0]
}

// eachBackground runs a property for both kinds of credential, in a bubble each.
func eachBackground(t *testing.T, property func(t *testing.T, p *background, signedIn func() *http.Cookie)) {
	t.Helper()
	for kind, signIn := range map[string]func(*background) *http.Cookie{
		"bearer": (*background).signedIn, "API key": (*background).signedInByKey,
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBackground(t)
				property(t, p, func() *http.Cookie { return signIn(p) })
			})
		})
	}
}

// signOut posts to the sign-out handler, and tells how long that took.
func (p *background) signOut(cookie *http.Cookie) (site.Answer, time.Duration) {
	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	began := time.Now()
	p.Middleware.Wrap(p.Middleware.LogoutHandler()).ServeHTTP(w, r)
	return site.Answer{Response: w.Result()}, time.Since(began)
}

// opens tells whether the cookie still opens a session.
func (p *background) opens(cookie *http.Cookie) bool {
	r := httptest.NewRequest(http.MethodGet, "/session", nil)
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	p.Middleware.SessionHandler().ServeHTTP(w, r)
	return w.Code == http.StatusOK
}

// close closes the middleware within a time.
func (p *background) close(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return p.Middleware.Close(ctx)
}

// pauses are the times between the calls to sign out at ECGrid.
func (p *background) pauses() []time.Duration {
	var between []time.Duration
	calls := p.Grid.Calls(site.LogoutCall)
	for i := 1; i < len(calls); i++ {
		between = append(between, calls[i].At.Sub(calls[i-1].At))
	}
	return between
}
