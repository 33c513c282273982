package requests

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestRequireLetsASignedInUserThroughAndKeepsThePageOutOfCaches(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for _, header := range [][]string{site.Click, site.FetchCall, nil} {
			got := b.Get("/private", header...)
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, "private", got.Text)
			assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"], "Back shows nothing after sign-out")
		}
	})
}

func TestRequireSendsANavigationToSignInAndBack(t *testing.T) {
	site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for path, location := range map[string]string{
			"/private":                      "/login?return_to=%2Fprivate",
			"/private?page=2&q=a%20b":       "/login?return_to=%2Fprivate%3Fpage%3D2%26q%3Da%2520b",
			"/private?next=//evil.example":  "/login?return_to=%2Fprivate%3Fnext%3D%2F%2Fevil.example",
			"/private?x=%0d%0aX-Evil:%201":  "/login?return_to=%2Fprivate%3Fx%3D%250d%250aX-Evil%3A%25201",
			"/private?x=<script>":           "/login",
			"/private?" + long("a", 4<<10):  "/login",
			"/private?return_to=%2Fprivate": "/login?return_to=%2Fprivate%3Freturn_to%3D%252Fprivate",
		} {
			for name, header := range map[string][]string{
				"a click":                      site.Click,
				"a link on another site":       site.CrossSite,
				"a browser without metadata":   {"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
				"a frame":                      {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
				"a service worker":             {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "empty", "Accept", "*/*"},
				"Turbo":                        {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html, application/xhtml+xml"},
				"a link, Accept saying little": {"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "*/*"},
			} {
				got := b.Get(path, header...)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode, name)
				assert.Equal(t, []string{location}, got.Header["Location"], name)
				site.RequireNoCookie(t, got)
			}
			head := b.Do(http.MethodHead, path, nil, site.Click...)
			assert.Equal(t, http.StatusSeeOther, head.StatusCode)
		}

		got := b.Get("/private?page=2", site.Click...)
		in := b.Post(got.Header.Get("Location"), site.Forms["password"])
		assert.Equal(t, "/private?page=2", in.Header.Get("Location"))
		assert.Equal(t, "private", b.Get(in.Header.Get("Location")).Text)
	})
}

func long(text string, n int) string { return strings.Repeat(text, n) }

func TestRequireAnswersEverythingElseWith401InJSON(t *testing.T) {
	site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for name, header := range map[string][]string{
			"fetch()":                        site.FetchCall,
			"a script that wants JSON":       {"Accept", "application/json"},
			"curl":                           {"Accept", "*/*"},
			"no word at all":                 nil,
			"htmx":                           append([]string{"HX-Request", "true"}, site.FetchCall...),
			"htmx in an old browser":         {"HX-Request", "true", "Accept", "text/html"},
			"an image":                       {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Accept", "image/*"},
			"a stream of server-sent events": {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/event-stream"},
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
				got := b.Do(method, "/private", nil, header...)
				assert.Equal(t, http.StatusUnauthorized, got.StatusCode, name)
				assert.NotContains(t, got.Header, "Location")
				site.RequireNoCookie(t, got)
				assert.Equal(t, "application/json", got.Header.Get("Content-Type"), name)
				assert.JSONEq(t, `{"error":"not signed in"}`, got.Text)
			}
		}
	})
}

func TestRequireLeadsHTMXToSignInAndBackToItsPage(t *testing.T) {
	site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		htmx := append([]string{"HX-Request", "true"}, site.FetchCall...)
		back := s.App.URL + "/orders?page=2"
		for name, c := range map[string]struct {
			header []string
			want   string
		}{
			"a swap":                     {append([]string{"HX-Current-URL", back}, htmx...), "/login?return_to=%2Forders%3Fpage%3D2"},
			"a boosted link":             {append([]string{"HX-Current-URL", back, "HX-Boosted", "true"}, htmx...), "/login?return_to=%2Forders%3Fpage%3D2"},
			"a restored history":         {append([]string{"HX-Current-URL", back, "HX-History-Restore-Request", "true"}, htmx...), "/login?return_to=%2Forders%3Fpage%3D2"},
			"htmx 4 restores a history":  {append([]string{"HX-History-Restore-Request", "true"}, site.FetchCall...), "/login?return_to=%2Fprivate"},
			"without Fetch Metadata":     {[]string{"HX-Request", "true", "HX-Current-URL", back}, "/login?return_to=%2Forders%3Fpage%3D2"},
			"a page of another site":     {[]string{"HX-Request", "true", "HX-Current-URL", "https://evil.example/orders"}, "/login"},
			"a page of a sibling":        {[]string{"HX-Request", "true", "HX-Current-URL", back, "Sec-Fetch-Site", "same-site"}, "/login"},
			"a page that is not told":    {htmx, "/login"},
			"the sign-in page":           {append([]string{"HX-Current-URL", s.App.URL + "/login"}, htmx...), "/login"},
			"a page that cannot be read": {append([]string{"HX-Current-URL", "://"}, htmx...), "/login"},
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				got := b.Do(method, "/private", nil, c.header...)
				assert.Equal(t, http.StatusUnauthorized, got.StatusCode, name)
				assert.Equal(t, c.want, got.Header.Get("HX-Redirect"), name)
				assert.NotContains(t, got.Header, "Location")
			}
		}
	})
}

func TestAFormThatIsPostedTooLateTellsThePersonToSignIn(t *testing.T) {
	s := site.New(t)
	got := s.Browser().Post("/private", url.Values{"a": {"b"}}, site.Click...)
	assert.Equal(t, http.StatusUnauthorized, got.StatusCode, "no redirect: what was posted would be lost without a word")
	assert.Contains(t, got.Text, "Please sign in")
	assert.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
	site.RequireNoCookie(t, got)
}

func TestRequireOfAnEndedSessionDeletesTheCookieOnTheWayToSignIn(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		stale := b.WithCookie(s)
		b.Post("/logout", nil)
		got := stale.Get("/private", site.Click...)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/login?return_to=%2Fprivate", got.Header.Get("Location"))
		site.RequireDeletion(t, got)
	})
}

func TestRequireWorksOutsideOfWrapAndOnceInsideOfIt(t *testing.T) {
	s := site.New(t)
	bare := s.Middleware.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, ok := s.Middleware.Session(r.Context())
		assert.True(t, ok)
		io.WriteString(w, session.Login)
	}))
	b := s.Browser().SignIn()
	b.Age(5 * time.Minute)
	for name, h := range map[string]http.Handler{
		"outside": bare, "inside": s.Middleware.Wrap(bare), "twice": s.Middleware.Require(bare), "inside twice": s.Middleware.Wrap(s.Middleware.Wrap(bare)),
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(b.Cookie())
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			assert.Equal(t, site.Demo.Login, w.Body.String())
			assert.Len(t, w.Header()["Set-Cookie"], 1, "set anew, and once")
		})
	}
}

func TestARequestAsksTheLedgerOnceHoweverOftenItIsWrapped(t *testing.T) {
	s, ledger := site.WithLedger(t)
	b := s.Browser().SignIn()
	before := ledger.Calls
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(b.Cookie())
	w := httptest.NewRecorder()
	s.Middleware.Wrap(s.Middleware.Wrap(s.Middleware.Require(s.Middleware.SessionHandler()))).ServeHTTP(w, r)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, before+1, ledger.Calls)
}

func TestRequireKeepsWhatStripPrefixTookOff(t *testing.T) {
	s := site.New(t)
	s.Mux.Handle("/app/", http.StripPrefix("/app", s.Middleware.Require(http.NotFoundHandler())))
	got := s.Browser().Get("/app/inbox?page=2", site.Click...)
	assert.Equal(t, "/login?return_to=%2Fapp%2Finbox%3Fpage%3D2", got.Header.Get("Location"))
}

func TestRequireFollowsTheAppsOwnLoginURL(t *testing.T) {
	for loginURL, location := range map[string]string{
		"/auth/in":     "/auth/in?return_to=%2Fprivate",
		"/auth/in?x=1": "/auth/in?return_to=%2Fprivate&x=1",
	} {
		s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.LoginURL = loginURL }))
		assert.Equal(t, location, s.Browser().Get("/private", site.Click...).Header.Get("Location"))
	}
}

func TestRequireLeavesOutAReturnThatSaysNothingOrLeadsInACircle(t *testing.T) {
	s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.AfterLogin = "/private" }))
	assert.Equal(t, "/login", s.Browser().Get("/private", site.Click...).Header.Get("Location"))
	for _, path := range []string{"/logout", "//evil.example/"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		s.Middleware.Require(http.NotFoundHandler()).ServeHTTP(w, r)
		assert.Equal(t, http.StatusSeeOther, w.Code)
		assert.Equal(t, "/login", w.Header().Get("Location"), path)
	}
}

func TestTheHostOfARequestIsNoPartOfWhereRequireSendsIt(t *testing.T) {
	s := site.New(t)
	got := s.Raw(t, "GET https://evil.example/private HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nAccept: text/html\r\n\r\n")
	assert.Equal(t, http.StatusSeeOther, got.StatusCode)
	assert.Equal(t, "/login", got.Header.Get("Location"))
}

func TestRequireHandsItsRefusalsToTheErrorHandler(t *testing.T) {
	var status int
	var seen error
	s := site.New(t, site.With(func(cfg *ecgridsession.Config) {
		cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, code int, err error) {
			status, seen = code, err
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	got := s.Browser().Get("/private", site.FetchCall...)
	assert.Equal(t, http.StatusTeapot, got.StatusCode)
	site.RequireNoCookie(t, got)
	assert.Equal(t, http.StatusUnauthorized, status)
	require.ErrorIs(t, seen, ecgridsession.ErrNoSession)
}
