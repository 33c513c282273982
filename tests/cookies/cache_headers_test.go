package cookies

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// setsCookie holds that an answer sets the session's cookie once, and in a way
// that no cache keeps or gives to somebody else.
func setsCookie(t *testing.T, header http.Header, what string) {
	t.Helper()
	lines := slices.DeleteFunc(slices.Clone(header["Set-Cookie"]), func(line string) bool { return !strings.HasPrefix(line, "__Host-ecgrid=") })
	assert.Len(t, lines, 1, what)
	assert.Equal(t, []string{"no-store"}, header["Cache-Control"], what)
	assert.Contains(t, header["Vary"], "Cookie", what)
}

// dueSite is one whose browser has a cookie that is to be set anew: it was
// sealed by a key that is no longer the first.
func dueSite(t *testing.T, open func(*site.Site) *site.Browser, signIn func(*site.Browser) *site.Browser) (*site.Site, *site.Browser) {
	t.Helper()
	ledger := ecgridsession.NewMemoryLedger()
	before := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.Ledger = ledger }))
	b := signIn(open(before))
	s := site.New(t, site.With(func(cfg *ecgridsession.Config) {
		cfg.Upstream, cfg.Ledger = before.Grid.URL, ledger
		cfg.Keys = [][]byte{site.NewKey(t), before.Key}
	}))
	s.Grid = before.Grid
	return s, b.WithCookie(s)
}

// eachDue runs a property with a browser whose cookie is due, for both kinds of
// credential over both versions of HTTP.
func eachDue(t *testing.T, property func(t *testing.T, s *site.Site, b *site.Browser)) {
	t.Helper()
	for protocol, open := range site.Protocols {
		for kind, signIn := range site.SignInKinds {
			t.Run(kind+" over "+protocol, func(t *testing.T) {
				s, b := dueSite(t, open, signIn)
				property(t, s, b)
			})
		}
	}
}

func TestNoCacheKeepsAnAnswerThatSetsTheCookie(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		fresh := s.Browser()
		setsCookie(t, fresh.Post("/login", url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}}).Header, "sign-in")
		setsCookie(t, fresh.Post("/login", url.Values{"api_key": {site.Demo.APIKey}}).Header, "sign-in over a session")
		setsCookie(t, fresh.Post("/logout", nil).Header, "sign-out")
		setsCookie(t, s.Browser().Get("/private", append(site.Click[:len(site.Click):len(site.Click)], "Cookie", "__Host-ecgrid=garbage")...).Header, "deletion of an unreadable cookie")

		copied := b.WithCookie(s)
		b.Post("/logout", nil)
		setsCookie(t, copied.Get("/private", site.Click...).Header, "deletion of an ended session's cookie")
	})
}

func TestNoCacheKeepsAnAnswerThatSetsTheCookieAnew(t *testing.T) {
	eachDue(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Mux.HandleFunc("/varies", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Vary", "Accept-Encoding")
		})
		copied := b.WithCookie(s)
		setsCookie(t, b.Get("/", site.Click...).Header, "a page")
		got := copied.Get("/varies")
		setsCookie(t, got.Header, "a page that varies")
		assert.Contains(t, got.Header["Vary"], "Accept-Encoding")
	})
}

func TestASubresourceSetsNoCookie(t *testing.T) {
	dests := []string{
		"audio", "audioworklet", "embed", "fencedframe", "font", "image", "json", "manifest", "object", "paintworklet",
		"report", "script", "serviceworker", "sharedworker", "speculationrules", "style", "track", "video", "webidentity", "worker", "xslt",
		"something-new",
	}
	assertNone := func(t *testing.T, b *site.Browser, want string) {
		t.Helper()
		for _, dest := range dests {
			got := b.Get("/", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", dest)
			assert.Equal(t, want, got.Text, "the session is there all the same")
			assert.Empty(t, got.Header["Set-Cookie"], dest)
			assert.Empty(t, got.Header["Cache-Control"], dest)
		}
	}
	t.Run("due to be set anew", func(t *testing.T) {
		eachDue(t, func(t *testing.T, s *site.Site, b *site.Browser) {
			assertNone(t, b, "user demo")
			// And a document does.
			setsCookie(t, b.Get("/", site.Click...).Header, "document")
		})
	})
	t.Run("ended", func(t *testing.T) {
		site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
			copied := b.WithCookie(s)
			b.Post("/logout", nil)
			assertNone(t, copied, "anonymous")
		})
	})
	t.Run("unreadable", func(t *testing.T) {
		s := site.New(t)
		for _, dest := range dests {
			got := s.Browser().Get("/", "Sec-Fetch-Dest", dest, "Cookie", "__Host-ecgrid=garbage")
			assert.Empty(t, got.Header["Set-Cookie"], dest)
		}
	})
}

func TestAScriptsAnswerDeletesNoCookie(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		copied := b.WithCookie(s)
		b.Post("/logout", nil)
		for _, path := range []string{"/", "/private", "/session"} {
			assert.Empty(t, copied.Get(path, site.FetchCall...).Header["Set-Cookie"], path)
		}
	})
}

func TestBackShowsNoPrivatePageAfterTheSignOut(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for _, header := range [][]string{site.Click, site.FetchCall, nil} {
			for _, path := range []string{"/private", "/inbox", "/session", "/login", "/logout"} {
				got := b.Get(path, append([]string{"Sec-Purpose", "prefetch"}, header...)...)
				assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"], path)
			}
		}
		b.Post("/logout", nil)
		for _, header := range [][]string{site.Click, site.FetchCall, nil} {
			got := b.Get("/private", header...)
			assert.NotEqual(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
		}
	})
}

// The middleware claims no more than it must: an app's public pages stay as
// cacheable as they are.
func TestAnAnswerWithoutTheCookieIsTheAppsOwnToCache(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for _, who := range []*site.Browser{b, s.Browser()} {
			got := who.Get("/")
			assert.Empty(t, got.Header["Set-Cookie"])
			assert.Empty(t, got.Header["Cache-Control"])
			assert.Empty(t, got.Header["Vary"])
		}
	})
}

func TestSignInSetsItsHeadersOnAnAppsOwnAnswer(t *testing.T) {
	s := site.New(t)
	for name, c := range map[string]ecgridsession.Credential{"bearer": s.Grid.Issue(site.Demo.ID), "API key": {APIKey: site.Demo.APIKey}} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set("Vary", "Accept-Language")
			w.Header().Set("Cache-Control", "public, max-age=3600")
			w.Header().Set("Set-Cookie", "app=1")
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			_, err := s.Middleware.Start(w, r, c)
			require.NoError(t, err)
			setsCookie(t, w.Header(), "Start")
			assert.Contains(t, w.Header()["Vary"], "Accept-Language")
			assert.Contains(t, w.Header()["Set-Cookie"], "app=1")
			_, err = s.Middleware.Logout(w, r)
			require.NoError(t, err)
			setsCookie(t, w.Header(), "Logout")
			assert.Contains(t, w.Header()["Set-Cookie"], site.Deletion)
			assert.Contains(t, w.Header()["Set-Cookie"], "app=1")
		})
	}
}
