package signout

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestTheSignOutPageSpeaksOfASessionOnlyIfThereIsOne(t *testing.T) {
	s := site.New(t, site.InProcess())
	s.Mux.Handle("/logout-everywhere", s.Middleware.LogoutEverywhereHandler())
	for _, path := range []string{"/logout", "/logout-everywhere"} {
		with := s.SignIn(site.Demo).Get(s, path, site.CrossSite...)
		assert.Contains(t, with.Text, "your session", path)
		without := (&site.Visitor{}).Get(s, path, site.CrossSite...)
		assert.Equal(t, http.StatusOK, without.StatusCode)
		assert.NotContains(t, without.Text, "your session", path)
		assert.NotContains(t, without.Text, "Stay signed in", path)
		assert.Contains(t, without.Text, "You are not signed in", path)
		if path == "/logout-everywhere" {
			assert.Contains(t, without.Text, `<form action="/login">`, "it is not known whose sessions to end")
			assert.NotContains(t, without.Text, "<button autofocus>Sign out everywhere")
		}
	}
}

func TestAnUnconfirmedSignOutSaysWhatIsTrue(t *testing.T) {
	s := site.New(t, site.InProcess())
	v := s.SignInByKey(site.Demo)
	s.Ledger.RefuseSwaps()
	got := v.Post(s, "/logout", site.Click...)
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	assert.Contains(t, got.Text, "You are signed out in this browser")
	assert.Contains(t, got.Text, "could not be confirmed")
	assert.NotContains(t, got.Text, "Please try again")
}

func TestThePageOfAnOutageOffersAnotherTryAtTheSameAddress(t *testing.T) {
	s := site.New(t, site.InProcess())
	v := s.SignInByKey(site.Demo)
	s.Ledger.RefuseAll()
	got := v.Get(s, "/private?page=2&sort=-date", site.Click...)
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	assert.Contains(t, got.Text, `href="/private?page=2&amp;sort=-date"`)

	guarded := s.Middleware.Require(http.NotFoundHandler())
	for _, target := range []string{"//evil.example/", `/\evil.example/`, "https://evil.example/"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RequestURI = target
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Cookie", "__Host-ecgrid="+v.Cookie)
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.NotContains(t, w.Body.String(), "evil.example", "no link to another site: %s", target)
	}
}

func TestAPersonIsToldWhereECGridRefusedItsPartOfSigningOutEverywhere(t *testing.T) {
	s := site.New(t, site.InProcess())
	s.Mux.Handle("/logout-everywhere", s.Middleware.LogoutEverywhereHandler())
	v, other := s.SignIn(site.Demo), s.SignIn(site.Demo) // a MailboxUser may reset nobody
	got := v.Post(s, "/logout-everywhere", site.Click...)
	assert.Equal(t, http.StatusOK, got.StatusCode)
	assert.Contains(t, got.Text, "All of your sessions in this app have ended")
	assert.Contains(t, got.Text, "ECGrid has not ended your sessions elsewhere")
	assert.Equal(t, http.StatusUnauthorized, other.Get(s, "/private").StatusCode)

	s.Grid.AddUser(site.Admin)
	admin := s.SignIn(site.Admin)
	assert.Equal(t, http.StatusSeeOther, admin.Post(s, "/logout-everywhere", site.Click...).StatusCode)
}

func TestASecondTryOfAnUnconfirmedSignOutConfirmsNothing(t *testing.T) {
	for name, signIn := range map[string]func(*site.Site) *site.Visitor{
		"API key": func(s *site.Site) *site.Visitor { return s.SignInByKey(site.Demo) },
		"bearer": func(s *site.Site) *site.Visitor {
			s.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Status: http.StatusServiceUnavailable})
			return s.SignIn(site.Demo)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := site.New(t, site.InProcess())
			v := signIn(s)
			back := v.Copy() // a browser that kept its cookie, in spite of the deletion
			s.Ledger.RefuseSwaps()
			first := v.Post(s, "/logout", site.Click...)
			assert.Equal(t, http.StatusServiceUnavailable, first.StatusCode)
			assert.Contains(t, first.Text, "This is being tried again")
			assert.Contains(t, first.Text, "there is nothing for you to do")

			second := back.Copy().Post(s, "/logout", site.Click...)
			assert.Equal(t, http.StatusServiceUnavailable, second.StatusCode, "with the cookie it is as unconfirmed as before")
			assert.Contains(t, second.Text, "could not be confirmed")

			none := v.Post(s, "/logout", site.Click...)
			assert.Equal(t, http.StatusSeeOther, none.StatusCode, "without a cookie there is nothing to end")
		})
	}
}
