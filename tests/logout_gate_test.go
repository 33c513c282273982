package tests

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// overdue makes the next request one on which Wrap sets the cookie anew, and
// proves it.
func (s *site) overdue(b *browser) {
	s.t.Helper()
	s.clockOf().advance(5 * time.Minute)
	copied := b.withCookie(s)
	require.Len(s.t, copied.get("/").sessionCookies(), 1, "Wrap sets the cookie anew by now")
}

// unchanged asserts that the browser is still signed in, and that ECGrid has
// heard of nothing.
func unchanged(t *testing.T, s *site, b *browser) {
	t.Helper()
	assert.True(t, b.signedIn())
	assert.Empty(t, s.grid.Calls(logoutCall))
	assert.Empty(t, s.events.of(ecgridsession.LoggedOut))
}

func TestNoOtherMethodSignsOut(t *testing.T) {
	for _, method := range []string{
		http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodTrace, "post", "LOGOUT",
	} {
		t.Run(method, func(t *testing.T) {
			eachWay(t, func(t *testing.T, s *site, b *browser) {
				s.overdue(b)
				got := b.do(method, "/logout", nil, click...)
				assert.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
				assert.Equal(t, []string{"GET, HEAD, POST"}, got.Header["Allow"])
				requireNoCookie(t, got)
				unchanged(t, s, b)
			})
		})
	}
}

func TestHEADIsAnsweredLikeTheButtonPageAndChangesNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		page := b.get("/logout")
		got := b.do(http.MethodHead, "/logout", nil, click...)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Empty(t, got.body)
		for _, name := range []string{"Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"} {
			assert.Equal(t, page.Header[name], got.Header[name], name)
		}
		requireNoCookie(t, got)
		unchanged(t, s, b)
	})
}

// fromOtherSites is what browsers send with a POST that a page of another site
// has made.
var fromOtherSites = map[string][]string{
	"cross-site":                      {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
	"same-site":                       {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
	"same-site, by a person":          {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1"},
	"cross-site, in a frame":          {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
	"cross-site fetch":                {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty", "Origin", "https://evil.example"},
	"a word that does not exist yet":  {"Sec-Fetch-Site", "cross-planet"},
	"an old browser":                  {"Origin", "https://evil.example"},
	"an old browser, other port":      {"Origin", "https://127.0.0.1:1"},
	"an old browser, opaque origin":   {"Origin", "null"},
	"an old browser, not an origin":   {"Origin", "%zz"},
	"cross-site with our own Origin":  {"Sec-Fetch-Site", "cross-site", "Origin", "OWN"},
	"cross-site, opaque origin":       {"Sec-Fetch-Site", "cross-site", "Origin", "null"},
	"a site beside a trusted one":     {"Sec-Fetch-Site", "same-site", "Origin", "https://www.example.com.evil.example"},
	"a trusted host by another port":  {"Sec-Fetch-Site", "same-site", "Origin", "https://www.example.com:8443"},
	"a trusted host over plain http":  {"Sec-Fetch-Site", "same-site", "Origin", "http://www.example.com"},
	"an origin that repeats ours":     {"Origin", "https://evil.example/OWN"},
	"an origin with us as its user":   {"Origin", "https://127.0.0.1@evil.example"},
	"cross-site htmx":                 {"Sec-Fetch-Site", "cross-site", "HX-Request", "true", "Origin", "https://evil.example"},
	"cross-site that asks for JSON":   {"Sec-Fetch-Site", "cross-site", "Accept", "application/json"},
	"cross-site with a foreign proxy": {"Origin", "https://evil.example", "X-Forwarded-Host", "evil.example"},
}

func trustExample(cfg *ecgridsession.Config) {
	cfg.TrustedOrigins = []string{"https://www.example.com"}
}

// withOwnOrigin puts the site's own origin in the place of OWN.
func withOwnOrigin(s *site, header []string) []string {
	header = slices.Clone(header)
	for i, value := range header {
		if value == "OWN" {
			header[i] = s.app.URL
		}
	}
	return header
}

func TestAPageOfAnotherSiteSignsNobodyOutAndTouchesNoCookie(t *testing.T) {
	for name, header := range fromOtherSites {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, s *site, b *browser) {
				s.overdue(b)
				got := b.post("/logout", nil, withOwnOrigin(s, header)...)
				assert.Equal(t, http.StatusForbidden, got.StatusCode)
				assert.Empty(t, got.Header.Get("Location"))
				requireNoCookie(t, got)
				unchanged(t, s, b)
			}, trustExample)
		})
	}
}

func TestARefusalDoesNotTakeBackTheCookiesOfTheApp(t *testing.T) {
	s := newSite(t)
	s.mux.HandleFunc("/with-cookie", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
		s.m.LogoutHandler().ServeHTTP(w, r)
	})
	b := s.browser().signIn()
	s.overdue(b)
	got := b.post("/with-cookie", nil, crossSite...)
	assert.Equal(t, http.StatusForbidden, got.StatusCode)
	assert.Equal(t, []string{"theme=dark"}, got.Header["Set-Cookie"])
}

func TestARefusedSignOutOfAnEndedSessionDeletesNoCookieEither(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		stale := b.withCookie(s)
		b.post("/logout", nil)
		for name, got := range map[string]answer{
			"cross-site POST": stale.post("/logout", nil, crossSite...),
			"DELETE":          stale.do(http.MethodDelete, "/logout", nil),
		} {
			t.Run(name, func(t *testing.T) { requireNoCookie(t, got) })
		}
		assert.Len(t, s.events.of(ecgridsession.LoggedOut), 1)
	})
}

func TestThisSiteNoBrowserAndTrustedOriginsMaySignOut(t *testing.T) {
	for name, header := range map[string][]string{
		"this site":                             {"Sec-Fetch-Site", "same-origin", "Origin", "OWN"},
		"this site with an opaque origin":       {"Sec-Fetch-Site", "same-origin", "Origin", "null"},
		"the address bar":                       {"Sec-Fetch-Site", "none"},
		"an old browser":                        {"Origin", "OWN"},
		"not a browser":                         nil,
		"a trusted origin":                      {"Sec-Fetch-Site", "same-site", "Origin", "https://www.example.com"},
		"a trusted origin on another site":      {"Sec-Fetch-Site", "cross-site", "Origin", "https://www.example.com"},
		"a trusted origin in an old browser":    {"Origin", "https://www.example.com"},
		"an empty Origin, which says as little": {"Origin", ""},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, s *site, b *browser) {
				got := b.post("/logout", nil, withOwnOrigin(s, header)...)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				requireDeletion(t, got)
				assert.Len(t, s.grid.Calls(logoutCall), 1)
			}, trustExample)
		})
	}
}

func TestALinkThatAPersonClicksOnThisSiteSignsOut(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		got := b.get("/logout", click...)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/", got.Header.Get("Location"))
		requireDeletion(t, got)
		assert.Len(t, s.grid.Calls(logoutCall), 1)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
}

func TestAnyOtherGETShowsTheButtonAndChangesNothing(t *testing.T) {
	with := func(name, value string) []string { // a click, but for one header
		header := slices.Clone(click)
		for i := 0; i < len(header); i += 2 {
			if header[i] == name {
				header[i+1] = value
				return header
			}
		}
		return append(header, name, value)
	}
	for name, header := range map[string][]string{
		"a link on another site":               with("Sec-Fetch-Site", "cross-site"),
		"a link on a sibling":                  with("Sec-Fetch-Site", "same-site"),
		"a bookmark or the address bar":        with("Sec-Fetch-Site", "none"),
		"a redirect or a script's navigation":  with("Sec-Fetch-User", ""),
		"a false user activation":              with("Sec-Fetch-User", "?0"),
		"a prefetch":                           with("Sec-Purpose", "prefetch"),
		"a prerender":                          with("Sec-Purpose", "prefetch;prerender"),
		"a purpose that does not exist yet":    with("Sec-Purpose", "x"),
		"a frame":                              with("Sec-Fetch-Dest", "iframe"),
		"fetch()":                              fetchCall,
		"an image":                             {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"fetch() that pretends to be a page":   with("Sec-Fetch-Mode", "cors"),
		"an image that pretends to navigate":   with("Sec-Fetch-Dest", "image"),
		"link rel=prefetch":                    {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty", "Sec-Purpose", "prefetch"},
		"no Fetch Metadata":                    {"Accept", "text/html", "Referer", "https://127.0.0.1/"},
		"no Fetch Metadata, our own Origin":    {"Accept", "text/html", "Origin", "OWN"},
		"a trusted origin":                     {"Sec-Fetch-Site", "same-site", "Origin", "https://www.example.com"},
		"htmx":                                 append([]string{"HX-Request", "true"}, fetchCall...),
		"a method in another header":           {"X-HTTP-Method-Override", "POST"},
		"a click in words of another spelling": with("Sec-Fetch-Site", "Same-Origin"),
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, s *site, b *browser) {
				got := b.get("/logout?_method=POST", withOwnOrigin(s, header)...)
				assert.Equal(t, http.StatusOK, got.StatusCode)
				assert.Contains(t, got.body, `<form method="post">`)
				assert.Contains(t, got.body, "<button autofocus>Sign out</button>")
				assert.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
				requireNoCookie(t, got)
				unchanged(t, s, b)
			}, trustExample)
		})
	}
}

func TestAnErrorHandlerThatPanicsChangesNothingThatWasDecided(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		r := httptest.NewRequest(http.MethodPost, "/logout", nil)
		r.AddCookie(b.cookie())
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		assert.PanicsWithValue(t, "of the app", func() { s.m.Wrap(s.m.LogoutHandler()).ServeHTTP(w, r) })
		assert.NotContains(t, w.Header(), "Set-Cookie")
		// Over the wire, net/http cuts the connection of a handler that panics.
		_, err := b.try(t.Context(), http.MethodPost, "/logout", nil, crossSite...)
		assert.Error(t, err)
		unchanged(t, s, b)
	}, func(cfg *ecgridsession.Config) {
		cfg.ErrorHandler = func(http.ResponseWriter, *http.Request, int, error) { panic("of the app") }
	})
}
