package tests

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
func dueSite(t *testing.T, open func(*site) *browser, signIn func(*browser) *browser) (*site, *browser) {
	t.Helper()
	ledger := ecgridsession.NewMemoryLedger()
	before := newSite(t, func(cfg *ecgridsession.Config) { cfg.Ledger = ledger })
	b := signIn(open(before))
	s := newSite(t, func(cfg *ecgridsession.Config) {
		cfg.Upstream, cfg.Ledger = before.grid.URL, ledger
		cfg.Keys = [][]byte{randomKey(t), before.key}
	})
	s.grid = before.grid
	return s, b.withCookie(s)
}

// eachDue runs a property with a browser whose cookie is due, for both kinds of
// credential over both versions of HTTP.
func eachDue(t *testing.T, property func(t *testing.T, s *site, b *browser)) {
	t.Helper()
	for protocol, open := range protocols {
		for kind, signIn := range signInKinds {
			t.Run(kind+" over "+protocol, func(t *testing.T) {
				s, b := dueSite(t, open, signIn)
				property(t, s, b)
			})
		}
	}
}

func TestNoCacheKeepsAnAnswerThatSetsTheCookie(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		fresh := s.browser()
		setsCookie(t, fresh.post("/login", url.Values{"login": {demo.Login}, "password": {demo.Password}}).Header, "sign-in")
		setsCookie(t, fresh.post("/login", url.Values{"api_key": {demo.APIKey}}).Header, "sign-in over a session")
		setsCookie(t, fresh.post("/logout", nil).Header, "sign-out")
		setsCookie(t, s.browser().get("/private", append(click[:len(click):len(click)], "Cookie", "__Host-ecgrid=garbage")...).Header, "deletion of an unreadable cookie")

		copied := b.withCookie(s)
		b.post("/logout", nil)
		setsCookie(t, copied.get("/private", click...).Header, "deletion of an ended session's cookie")
	})
}

func TestNoCacheKeepsAnAnswerThatSetsTheCookieAnew(t *testing.T) {
	eachDue(t, func(t *testing.T, s *site, b *browser) {
		s.mux.HandleFunc("/varies", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Vary", "Accept-Encoding")
		})
		copied := b.withCookie(s)
		setsCookie(t, b.get("/", click...).Header, "a page")
		got := copied.get("/varies")
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
	assertNone := func(t *testing.T, b *browser, want string) {
		t.Helper()
		for _, dest := range dests {
			got := b.get("/", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", dest)
			assert.Equal(t, want, got.body, "the session is there all the same")
			assert.Empty(t, got.Header["Set-Cookie"], dest)
			assert.Empty(t, got.Header["Cache-Control"], dest)
		}
	}
	t.Run("due to be set anew", func(t *testing.T) {
		eachDue(t, func(t *testing.T, s *site, b *browser) {
			assertNone(t, b, "user demo")
			// And a document does.
			setsCookie(t, b.get("/", click...).Header, "document")
		})
	})
	t.Run("ended", func(t *testing.T) {
		eachWay(t, func(t *testing.T, s *site, b *browser) {
			copied := b.withCookie(s)
			b.post("/logout", nil)
			assertNone(t, copied, "anonymous")
		})
	})
	t.Run("unreadable", func(t *testing.T) {
		s := newSite(t)
		for _, dest := range dests {
			got := s.browser().get("/", "Sec-Fetch-Dest", dest, "Cookie", "__Host-ecgrid=garbage")
			assert.Empty(t, got.Header["Set-Cookie"], dest)
		}
	})
}

func TestAScriptsAnswerDeletesNoCookie(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		copied := b.withCookie(s)
		b.post("/logout", nil)
		for _, path := range []string{"/", "/private", "/session"} {
			assert.Empty(t, copied.get(path, fetchCall...).Header["Set-Cookie"], path)
		}
	})
}

func TestBackShowsNoPrivatePageAfterTheSignOut(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		for _, header := range [][]string{click, fetchCall, nil} {
			for _, path := range []string{"/private", "/inbox", "/session", "/login", "/logout"} {
				got := b.get(path, append([]string{"Sec-Purpose", "prefetch"}, header...)...)
				assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"], path)
			}
		}
		b.post("/logout", nil)
		for _, header := range [][]string{click, fetchCall, nil} {
			got := b.get("/private", header...)
			assert.NotEqual(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
		}
	})
}

// The middleware claims no more than it must: an app's public pages stay as
// cacheable as they are.
func TestAnAnswerWithoutTheCookieIsTheAppsOwnToCache(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		for _, who := range []*browser{b, s.browser()} {
			got := who.get("/")
			assert.Empty(t, got.Header["Set-Cookie"])
			assert.Empty(t, got.Header["Cache-Control"])
			assert.Empty(t, got.Header["Vary"])
		}
	})
}

func TestSignInSetsItsHeadersOnAnAppsOwnAnswer(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]ecgridsession.Credential{"bearer": s.grid.Issue(demo.ID), "API key": {APIKey: demo.APIKey}} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set("Vary", "Accept-Language")
			w.Header().Set("Cache-Control", "public, max-age=3600")
			w.Header().Set("Set-Cookie", "app=1")
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			_, err := s.m.Start(w, r, c)
			require.NoError(t, err)
			setsCookie(t, w.Header(), "Start")
			assert.Contains(t, w.Header()["Vary"], "Accept-Language")
			assert.Contains(t, w.Header()["Set-Cookie"], "app=1")
			_, err = s.m.Logout(w, r)
			require.NoError(t, err)
			setsCookie(t, w.Header(), "Logout")
			assert.Contains(t, w.Header()["Set-Cookie"], deletion)
			assert.Contains(t, w.Header()["Set-Cookie"], "app=1")
		})
	}
}
