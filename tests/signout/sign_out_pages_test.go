package signout

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

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
}
