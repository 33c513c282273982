package signout

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// unchanged asserts that the browser is still signed in, and that ECGrid has
// heard of nothing.
func unchanged(t *testing.T, s *site.Site, b *site.Browser) {
	t.Helper()
	assert.True(t, b.SignedIn())
	assert.Empty(t, s.Grid.Calls(site.LogoutCall))
	assert.Empty(t, s.Events.Of(ecgridsession.LoggedOut))
}

func TestNoOtherMethodSignsOut(t *testing.T) {
	for _, method := range []string{
		http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodTrace, "post", "LOGOUT",
	} {
		t.Run(method, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				s.Overdue(b)
				got := b.Do(method, "/logout", nil, site.Click...)
				assert.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
				assert.Equal(t, []string{"GET, HEAD, POST"}, got.Header["Allow"])
				site.RequireNoCookie(t, got)
				unchanged(t, s, b)
			})
		})
	}
}

func TestHEADIsAnsweredLikeTheButtonPageAndChangesNothing(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		page := b.Get("/logout")
		got := b.Do(http.MethodHead, "/logout", nil, site.Click...)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Empty(t, got.Text)
		for _, name := range []string{"Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"} {
			assert.Equal(t, page.Header[name], got.Header[name], name)
		}
		site.RequireNoCookie(t, got)
		unchanged(t, s, b)
	})
}

func TestAPageOfAnotherSiteSignsNobodyOutAndTouchesNoCookie(t *testing.T) {
	for name, header := range site.FromOtherSites {
		t.Run(name, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				s.Overdue(b)
				got := b.Post("/logout", nil, site.WithOwnOrigin(s, header)...)
				assert.Equal(t, http.StatusForbidden, got.StatusCode)
				assert.Empty(t, got.Header.Get("Location"))
				site.RequireNoCookie(t, got)
				unchanged(t, s, b)
			}, site.With(site.TrustExample))
		})
	}
}

func TestARefusalDoesNotTakeBackTheCookiesOfTheApp(t *testing.T) {
	s := site.New(t)
	s.Mux.HandleFunc("/with-cookie", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
		s.Middleware.LogoutHandler().ServeHTTP(w, r)
	})
	b := s.Browser().SignIn()
	s.Overdue(b)
	got := b.Post("/with-cookie", nil, site.CrossSite...)
	assert.Equal(t, http.StatusForbidden, got.StatusCode)
	assert.Equal(t, []string{"theme=dark"}, got.Header["Set-Cookie"])
}

func TestARefusedSignOutOfAnEndedSessionDeletesNoCookieEither(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		stale := b.WithCookie(s)
		b.Post("/logout", nil)
		for name, got := range map[string]site.Answer{
			"cross-site POST": stale.Post("/logout", nil, site.CrossSite...),
			"DELETE":          stale.Do(http.MethodDelete, "/logout", nil),
		} {
			t.Run(name, func(t *testing.T) { site.RequireNoCookie(t, got) })
		}
		assert.Len(t, s.Events.Of(ecgridsession.LoggedOut), 1)
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
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				got := b.Post("/logout", nil, site.WithOwnOrigin(s, header)...)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				site.RequireDeletion(t, got)
				assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
			}, site.With(site.TrustExample))
		})
	}
}

func TestALinkThatAPersonClicksOnThisSiteSignsOut(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		got := b.Get("/logout", site.Click...)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/", got.Header.Get("Location"))
		site.RequireDeletion(t, got)
		assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestAnyOtherGETShowsTheButtonAndChangesNothing(t *testing.T) {
	with := func(name, value string) []string { // a click, but for one header
		header := slices.Clone(site.Click)
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
		"fetch()":                              site.FetchCall,
		"an image":                             {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"fetch() that pretends to be a page":   with("Sec-Fetch-Mode", "cors"),
		"an image that pretends to navigate":   with("Sec-Fetch-Dest", "image"),
		"link rel=prefetch":                    {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty", "Sec-Purpose", "prefetch"},
		"no Fetch Metadata":                    {"Accept", "text/html", "Referer", "https://127.0.0.1/"},
		"no Fetch Metadata, our own Origin":    {"Accept", "text/html", "Origin", "OWN"},
		"a trusted origin":                     {"Sec-Fetch-Site", "same-site", "Origin", "https://www.example.com"},
		"htmx":                                 append([]string{"HX-Request", "true"}, site.FetchCall...),
		"a method in another header":           {"X-HTTP-Method-Override", "POST"},
		"a click in words of another spelling": with("Sec-Fetch-Site", "Same-Origin"),
	} {
		t.Run(name, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				got := b.Get("/logout?_method=POST", site.WithOwnOrigin(s, header)...)
				assert.Equal(t, http.StatusOK, got.StatusCode)
				assert.Contains(t, got.Text, `<form method="post">`)
				assert.Contains(t, got.Text, "<button autofocus>Sign out</button>")
				assert.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
				site.RequireNoCookie(t, got)
				unchanged(t, s, b)
			}, site.With(site.TrustExample))
		})
	}
}

func TestAnErrorHandlerThatPanicsChangesNothingThatWasDecided(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		r := httptest.NewRequest(http.MethodPost, "/logout", nil)
		r.AddCookie(b.Cookie())
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		assert.PanicsWithValue(t, "of the app", func() { s.Middleware.Wrap(s.Middleware.LogoutHandler()).ServeHTTP(w, r) })
		assert.NotContains(t, w.Header(), "Set-Cookie")
		// Over the wire, net/http cuts the connection of a handler that panics.
		_, err := b.Try(t.Context(), http.MethodPost, "/logout", nil, site.CrossSite...)
		assert.Error(t, err)
		unchanged(t, s, b)
	}, site.ExpectPanics(), site.With(func(cfg *ecgridsession.Config) {
		cfg.ErrorHandler = func(http.ResponseWriter, *http.Request, int, error) { panic("of the app") }
	}))
}
