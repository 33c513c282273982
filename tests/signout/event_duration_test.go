package signout

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
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// In a bubble nothing takes time but the fake's own delay.
func TestASignInTellsHowLongECGridTook(t *testing.T) {
	const asked, notAsked = 2 * time.Second, time.Duration(0)
	for name, c := range map[string]struct {
		signIn func(p *background, w http.ResponseWriter, r *http.Request) error
		took   time.Duration
	}{
		"Login": {func(p *background, w http.ResponseWriter, r *http.Request) error {
			_, err := p.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
			return err
		}, asked},
		"Start with an API key": {func(p *background, w http.ResponseWriter, r *http.Request) error {
			_, err := p.Middleware.Start(w, r, ecgridsession.Credential{APIKey: site.Demo.APIKey})
			return err
		}, asked},
		"Start with a token that is known": {func(p *background, w http.ResponseWriter, r *http.Request) error {
			_, err := p.Middleware.Start(w, r, p.Grid.Issue(site.Demo.ID))
			return err
		}, notAsked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBackground(t)
				p.Grid.Inject(ecgridtest.Fault{Delay: asked})
				require.NoError(t, c.signIn(p, httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil)))
				started := p.Events.Of(ecgridsession.SessionStarted)
				require.Len(t, started, 1)
				assert.Equal(t, c.took, started[0].Duration)
			})
		})
	}
}

func TestARevocationThatIsGivenUpTellsHowLongItsLastCallTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBackground(t)
		cookie := p.signedIn()
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Status: http.StatusServiceUnavailable, Delay: 2 * time.Second})
		p.signOut(cookie)
		time.Sleep(anHour)
		gaveUp := p.Events.Of(ecgridsession.RevocationGaveUp)
		require.Len(t, gaveUp, 1)
		assert.Equal(t, 2*time.Second, gaveUp[0].Duration)
	})
}

func TestAFailedResetTellsHowLongItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBackground(t)
		cookie := p.signedIn() // demo may not reset
		p.Grid.Inject(ecgridtest.Fault{Path: "/v2/users/reset/4711", Delay: 2 * time.Second})
		r := httptest.NewRequest(http.MethodPost, "/everywhere", nil)
		r.AddCookie(cookie)
		p.Middleware.Wrap(p.Middleware.LogoutEverywhereHandler()).ServeHTTP(httptest.NewRecorder(), r)
		gaveUp := p.Events.Of(ecgridsession.RevocationGaveUp)
		require.Len(t, gaveUp, 1)
		assert.Equal(t, 2*time.Second, gaveUp[0].Duration)
	})
}
