package tests

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// In a bubble nothing takes time but the fake's own delay.
func TestASignInTellsHowLongECGridTook(t *testing.T) {
	const asked, notAsked = 2 * time.Second, time.Duration(0)
	for name, c := range map[string]struct {
		signIn func(p *inProcess, w http.ResponseWriter, r *http.Request) error
		took   time.Duration
	}{
		"Login": {func(p *inProcess, w http.ResponseWriter, r *http.Request) error {
			_, err := p.m.Login(w, r, demo.Login, demo.Password)
			return err
		}, asked},
		"Start with an API key": {func(p *inProcess, w http.ResponseWriter, r *http.Request) error {
			_, err := p.m.Start(w, r, ecgridsession.Credential{APIKey: demo.APIKey})
			return err
		}, asked},
		"Start with a token that is known": {func(p *inProcess, w http.ResponseWriter, r *http.Request) error {
			_, err := p.m.Start(w, r, p.grid.Issue(demo.ID))
			return err
		}, notAsked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newInProcess(t)
				p.grid.Inject(ecgridtest.Fault{Delay: asked})
				require.NoError(t, c.signIn(p, httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil)))
				started := p.events.of(ecgridsession.SessionStarted)
				require.Len(t, started, 1)
				assert.Equal(t, c.took, started[0].Duration)
			})
		})
	}
}

func TestARevocationThatIsGivenUpTellsHowLongItsLastCallTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newInProcess(t)
		cookie := p.signedIn()
		p.grid.Inject(ecgridtest.Fault{Path: logoutCall, Status: http.StatusServiceUnavailable, Delay: 2 * time.Second})
		p.signOut(cookie)
		time.Sleep(anHour)
		gaveUp := p.events.of(ecgridsession.RevocationGaveUp)
		require.Len(t, gaveUp, 1)
		assert.Equal(t, 2*time.Second, gaveUp[0].Duration)
	})
}

func TestAFailedResetTellsHowLongItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newInProcess(t)
		cookie := p.signedIn() // demo may not reset
		p.grid.Inject(ecgridtest.Fault{Path: "/v2/users/reset/4711", Delay: 2 * time.Second})
		r := httptest.NewRequest(http.MethodPost, "/everywhere", nil)
		r.AddCookie(cookie)
		p.m.Wrap(p.m.LogoutEverywhereHandler()).ServeHTTP(httptest.NewRecorder(), r)
		gaveUp := p.events.of(ecgridsession.RevocationGaveUp)
		require.Len(t, gaveUp, 1)
		assert.Equal(t, 2*time.Second, gaveUp[0].Duration)
	})
}
