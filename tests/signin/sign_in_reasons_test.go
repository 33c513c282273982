package signin

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestTheSignInPageSaysWhoIsSignedIn(t *testing.T) {
	s := site.New(t, site.InProcess())
	v := s.SignIn(site.Demo)
	got := v.Get(s, "/login?return_to=/inbox", site.Click...)
	assert.Equal(t, http.StatusOK, got.StatusCode)
	assert.Contains(t, got.Text, "You are signed in as <strong>demo</strong>")
	assert.Contains(t, got.Text, `href="/inbox"`, "a way on")
	assert.Contains(t, got.Text, `name="password"`, "a way to be someone else")
	assert.Equal(t, http.StatusOK, v.Get(s, "/private").StatusCode, "looking changes nothing")

	assert.NotContains(t, (&site.Visitor{}).Get(s, "/login", site.Click...).Text, "You are signed in")
}

func TestTheSignInPageSaysWhyASessionIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		wait  time.Duration
		limit func(*ecgridsession.Config)
		says  string
	}{
		"idle": {31 * time.Minute, func(*ecgridsession.Config) {}, "not used for a while"},
		"limit": {time.Hour + time.Minute, func(c *ecgridsession.Config) {
			c.Lifetime, c.IdleTimeout = time.Hour, 2*time.Hour
		}, "ends after a fixed time"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := site.New(t, site.InProcess(), site.With(c.limit))
				s.Grid.SetTokenTTL(24 * time.Hour)
				v := s.SignIn(site.Demo)
				time.Sleep(c.wait)
				assert.Contains(t, v.Copy().Get(s, "/login", site.Click...).Text, c.says, "by the cookie")

				sent := v.Get(s, "/private", site.Click...)
				require.Equal(t, http.StatusSeeOther, sent.StatusCode)
				to, err := url.Parse(sent.Header.Get("Location"))
				require.NoError(t, err)
				assert.Equal(t, "/private", to.Query().Get("return_to"))
				assert.Contains(t, v.Get(s, to.String(), site.Click...).Text, c.says, "by the address")
			})
		})
	}
	t.Run("ended elsewhere", func(t *testing.T) {
		s := site.New(t, site.InProcess())
		v := s.SignIn(site.Demo)
		stale := v.Copy()
		v.Post(s, "/logout")
		assert.Contains(t, stale.Get(s, "/login", site.Click...).Text, "Your session has ended")
	})
	t.Run("made up", func(t *testing.T) {
		s := site.New(t, site.InProcess())
		got := (&site.Visitor{}).Get(s, "/login?over=%3Cscript%3E", site.Click...)
		assert.NotContains(t, got.Text, "script")
		assert.NotContains(t, got.Text, `class="notice"`)
	})
}

func TestAFrameWhoseSessionIsOverShowsALinkOutOfIt(t *testing.T) {
	s := site.New(t, site.InProcess())
	frame := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}
	sent := (&site.Visitor{}).Get(s, "/private", frame...)
	require.Equal(t, http.StatusSeeOther, sent.StatusCode)
	got := (&site.Visitor{}).Get(s, sent.Header.Get("Location"), frame...)
	assert.Contains(t, got.Header.Get("Content-Security-Policy"), "frame-ancestors 'self'")
	assert.Contains(t, got.Text, `href="/login" target="_top">Sign in</a>`)
	assert.NotContains(t, got.Text, "<form", "a page around it could trick a person into a button")

	page := (&site.Visitor{}).Get(s, "/login", site.Click...)
	assert.Contains(t, page.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
}

func TestTheWayBackSurvivesAWrongPassword(t *testing.T) {
	s := site.New(t, site.InProcess())
	wrong := url.Values{"login": {"demo"}, "password": {"wrong"}, "return_to": {`/files?p=C:\data&q="x"`}}
	wrong.Set("return_to", `/files?p=C:\data`)
	got := (&site.Visitor{}).SendForm(t.Context(), s, http.MethodPost, "/login", wrong, site.Click...)
	assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
	assert.Contains(t, html.UnescapeString(got.Text), `name="return_to" value="/files?p=C:\data"`)

	wrong.Set("return_to", "//evil.example")
	got = (&site.Visitor{}).SendForm(t.Context(), s, http.MethodPost, "/login", wrong, site.Click...)
	assert.NotContains(t, got.Text, "evil.example")
}

func TestAnAppsOwnSignInUsesTheCheckOfTheWayBack(t *testing.T) {
	s := site.New(t, site.InProcess(), site.With(func(c *ecgridsession.Config) { c.AfterLogin = "/home" }))
	var back string
	s.Mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		back = s.Middleware.ReturnTo(r)
	})
	for target, want := range map[string]string{"/inbox": "/inbox", "//evil.example": "/home", "": "/home", "/logout": "/home"} {
		(&site.Visitor{}).Get(s, "/own?return_to="+url.QueryEscape(target))
		assert.Equal(t, want, back, target)
		(&site.Visitor{}).SendForm(t.Context(), s, http.MethodPost, "/own", url.Values{"return_to": {target}})
		assert.Equal(t, want, back, target)
	}
}

func TestAnAppsOwnSignInShowsTheLibrarysMessages(t *testing.T) {
	s := site.New(t, site.InProcess())
	message := func(login, password string) string {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/own", nil)
		_, err := s.Middleware.Login(w, r, login, password)
		return s.Middleware.LoginMessage(err)
	}
	assert.Empty(t, message(site.Demo.Login, site.Demo.Password))
	assert.Equal(t, "Login or password is not correct.", message(site.Demo.Login, "wrong"))
	s.Grid.Inject(ecgridtest.Fault{Path: site.LoginCall, Status: http.StatusServiceUnavailable})
	assert.Contains(t, message(site.Demo.Login, site.Demo.Password), "not possible at the moment")
}
