package signin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// signInForms are the forms of both kinds of sign-in, and the call that each makes.
var signInForms = map[string]struct {
	form url.Values
	call string
}{
	"password": {url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}}, site.LoginCall},
	"API key":  {url.Values{"api_key": {site.Demo.APIKey}}, site.SessionCall},
}

func TestSignInsAtASlowECGridLeaveRoomForSignOutsAndRefreshes(t *testing.T) {
	for name, c := range signInForms {
		t.Run(name, func(t *testing.T) {
			s := site.New(t, site.With(func(cfg *ecgridsession.Config) {
				cfg.RefreshBefore = time.Hour
				cfg.AuthTimeout = 10 * time.Second
			}))
			s.Grid.SetTokenTTL(time.Second)
			refreshing := s.Browser().SignIn()
			s.Grid.SetTokenTTL(time.Hour)
			leaving := s.Browser().SignIn()
			before := len(s.Grid.Calls(c.call))
			s.Grid.Inject(ecgridtest.Fault{Path: c.call, Hang: true})
			t.Cleanup(s.Grid.ClearFaults)
			ctx, stop := context.WithCancel(t.Context())
			var signIns sync.WaitGroup
			for range 200 {
				signIns.Go(func() {
					_, _ = s.Browser().Try(ctx, http.MethodPost, "/login", strings.NewReader(c.form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
				})
			}
			defer signIns.Wait()
			defer stop()
			require.Eventually(t, func() bool { return len(s.Grid.Calls(c.call))-before >= 64 }, site.Patience, site.Tick)

			require.Equal(t, http.StatusSeeOther, leaving.Post("/logout", nil).StatusCode)
			require.Len(t, s.Events.Of(ecgridsession.LoggedOut), 1)
			assert.Equal(t, ecgridsession.LogoutConfirmed, s.Events.Of(ecgridsession.LoggedOut)[0].Outcome)
			assert.Eventually(t, func() bool {
				refreshing.Get("/private")
				return len(s.Events.Of(ecgridsession.SessionRefreshed)) == 1
			}, site.Patience, site.Tick)
		})
	}
}

func TestASignInBeyondTheBoundIsAskedToComeAgain(t *testing.T) {
	for name, c := range signInForms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := site.New(t, site.InProcess())
				s.Grid.Inject(ecgridtest.Fault{Path: c.call, Times: 64, Hang: true})
				var early, late, without atomic.Int64
				site.AtOnce(200, func(int) {
					began := time.Now()
					got := (&site.Visitor{}).SendForm(context.Background(), s, http.MethodPost, "/login", c.form)
					assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
					if after, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || after <= 0 {
						without.Add(1)
					}
					if time.Since(began) < 2*time.Second {
						early.Add(1)
					} else {
						late.Add(1)
					}
				})
				assert.Len(t, s.Grid.Calls(c.call), 64)
				assert.Equal(t, int64(64), late.Load(), "those that had a place")
				assert.Equal(t, int64(136), early.Load(), "those that had none")
				assert.Zero(t, without.Load())
				assert.Len(t, s.Events.Of(ecgridsession.SignInFailed), 200)
				// The places come back.
				got := (&site.Visitor{}).SendForm(context.Background(), s, http.MethodPost, "/login", c.form)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			})
		})
	}
}

func TestABurstOfSignInsAtAHealthyECGridSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := site.New(t, site.InProcess())
		s.Grid.Inject(ecgridtest.Fault{Path: site.LoginCall, Delay: 100 * time.Millisecond})
		site.AtOnce(500, func(int) { s.SignIn(site.Demo) })
		assert.Equal(t, 500, s.Grid.LiveTokens(site.Demo.ID))
	})
}
