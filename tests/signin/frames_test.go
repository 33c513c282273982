package signin

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// framing are the headers of a navigation within a page of this site.
func framing(dest string) []string {
	return []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", dest}
}

func TestAFrameGetsNoPageThatItMayNotShow(t *testing.T) {
	s := site.New(t, site.InProcess())
	for _, dest := range []string{"iframe", "frame", "object", "embed", "fencedframe"} {
		v := s.SignIn(site.Demo)
		wrong := url.Values{"login": {"demo"}, "password": {"wrong"}}
		for name, got := range map[string]site.Answer{
			"sign-in":              (&site.Visitor{}).Get(s, "/login", framing(dest)...),
			"sign-in, signed in":   v.Get(s, "/login", framing(dest)...),
			"a wrong password":     (&site.Visitor{}).SendForm(t.Context(), s, http.MethodPost, "/login", wrong, framing(dest)...),
			"a form that was late": (&site.Visitor{}).Post(s, "/private", framing(dest)...),
		} {
			assert.Contains(t, got.Header.Get("Content-Security-Policy"), "frame-ancestors 'self'", "%s in %s", name, dest)
			assert.NotContains(t, got.Text, "<form", "%s in %s: a page around it could trick a person into a button", name, dest)
			assert.Contains(t, got.Text, "<a ", "%s in %s: a way out", name, dest)
		}
		out := v.Get(s, "/logout", framing(dest)...)
		assert.Contains(t, out.Header.Get("Content-Security-Policy"), "frame-ancestors 'self'", dest)
	}
}

func TestAPageThatAServiceWorkerPassesOnMayBeFramedByThisSiteAlone(t *testing.T) {
	s := site.New(t, site.InProcess())
	got := (&site.Visitor{}).Get(s, "/login", framing("empty")...)
	assert.Contains(t, got.Text, `name="password"`, "it may be a whole page as well")
	assert.Contains(t, got.Header.Get("Content-Security-Policy"), "frame-ancestors 'self'")
}

func TestHTMXAndTurboLeaveTheirPageForOneOfOurs(t *testing.T) {
	s := site.New(t, site.InProcess())
	s.Mux.Handle("/logout-everywhere", s.Middleware.LogoutEverywhereHandler())
	v := s.SignIn(site.Demo)
	boosted := append([]string{"HX-Request", "true", "HX-Boosted", "true"}, site.FetchCall...)
	for _, path := range []string{"/login?return_to=%2Finbox", "/logout", "/logout-everywhere"} {
		got := v.Get(s, path, boosted...)
		assert.Equal(t, http.StatusNoContent, got.StatusCode, path)
		assert.Equal(t, path, got.Header.Get("HX-Redirect"))
		page := v.Get(s, path, "Accept", "text/html")
		require.Equal(t, http.StatusOK, page.StatusCode, path)
		assert.Contains(t, page.Text, `<meta name="turbo-visit-control" content="reload">`)
	}
	assert.Equal(t, http.StatusOK, v.Get(s, "/private").StatusCode, "nothing has changed")
}

func TestAFormThatWasLateOffersSignIn(t *testing.T) {
	s := site.New(t, site.InProcess())
	got := (&site.Visitor{}).Post(s, "/private", site.Click...)
	assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
	assert.Contains(t, got.Text, `href="/login"`)
}
