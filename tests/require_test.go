package tests

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
)

func TestRequireLetsASignedInUserThroughAndKeepsThePageOutOfCaches(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		for _, header := range [][]string{click, fetchCall, nil} {
			got := b.get("/private", header...)
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, "private", got.body)
			assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"], "Back shows nothing after sign-out")
		}
	})
}

func TestRequireSendsANavigationToSignInAndBack(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site, b *browser) {
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
				"a click":                      click,
				"a link on another site":       crossSite,
				"a browser without metadata":   {"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
				"a frame":                      {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
				"a link, Accept saying little": {"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "*/*"},
			} {
				got := b.get(path, header...)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode, name)
				assert.Equal(t, []string{location}, got.Header["Location"], name)
				requireNoCookie(t, got)
			}
			head := b.do(http.MethodHead, path, nil, click...)
			assert.Equal(t, http.StatusSeeOther, head.StatusCode)
		}

		got := b.get("/private?page=2", click...)
		in := b.post(got.Header.Get("Location"), forms["password"])
		assert.Equal(t, "/private?page=2", in.Header.Get("Location"))
		assert.Equal(t, "private", b.get(in.Header.Get("Location")).body)
	})
}

func long(text string, n int) string { return strings.Repeat(text, n) }

func TestRequireAnswersEverythingElseWith401InJSON(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site, b *browser) {
		for name, header := range map[string][]string{
			"fetch()":                        fetchCall,
			"a script that wants JSON":       {"Accept", "application/json"},
			"curl":                           {"Accept", "*/*"},
			"no word at all":                 nil,
			"htmx":                           append([]string{"HX-Request", "true"}, fetchCall...),
			"htmx in an old browser":         {"HX-Request", "true", "Accept", "text/html"},
			"an image":                       {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Accept", "image/*"},
			"fetch() that wants HTML":        {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"},
			"a stream of server-sent events": {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/event-stream"},
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
				got := b.do(method, "/private", nil, header...)
				assert.Equal(t, http.StatusUnauthorized, got.StatusCode, name)
				assert.NotContains(t, got.Header, "Location")
				requireNoCookie(t, got)
				assert.Equal(t, "application/json", got.Header.Get("Content-Type"), name)
				assert.JSONEq(t, `{"error":"not signed in"}`, got.body)
			}
		}
	})
}

func TestAFormThatIsPostedTooLateTellsThePersonToSignIn(t *testing.T) {
	s := newSite(t)
	got := s.browser().post("/private", url.Values{"a": {"b"}}, click...)
	assert.Equal(t, http.StatusUnauthorized, got.StatusCode, "no redirect: what was posted would be lost without a word")
	assert.Contains(t, got.body, "Please sign in")
	assert.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
	requireNoCookie(t, got)
}

func TestRequireOfAnEndedSessionDeletesTheCookieOnTheWayToSignIn(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		stale := b.withCookie(s)
		b.post("/logout", nil)
		got := stale.get("/private", click...)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/login?return_to=%2Fprivate", got.Header.Get("Location"))
		requireDeletion(t, got)
	})
}

func TestRequireWorksOutsideOfWrapAndOnceInsideOfIt(t *testing.T) {
	s := newSite(t)
	bare := s.m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, ok := s.m.Session(r.Context())
		assert.True(t, ok)
		io.WriteString(w, session.Login)
	}))
	b := s.browser().signIn()
	s.clockOf().advance(5 * time.Minute)
	for name, h := range map[string]http.Handler{
		"outside": bare, "inside": s.m.Wrap(bare), "twice": s.m.Require(bare), "inside twice": s.m.Wrap(s.m.Wrap(bare)),
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(b.cookie())
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			assert.Equal(t, demo.Login, w.Body.String())
			assert.Len(t, w.Header()["Set-Cookie"], 1, "set anew, and once")
		})
	}
}

func TestARequestAsksTheLedgerOnceHoweverOftenItIsWrapped(t *testing.T) {
	s, ledger := withLedger(t)
	b := s.browser().signIn()
	before := ledger.calls
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(b.cookie())
	w := httptest.NewRecorder()
	s.m.Wrap(s.m.Wrap(s.m.Require(s.m.SessionHandler()))).ServeHTTP(w, r)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, before+1, ledger.calls)
}

func TestRequireKeepsWhatStripPrefixTookOff(t *testing.T) {
	s := newSite(t)
	s.mux.Handle("/app/", http.StripPrefix("/app", s.m.Require(http.NotFoundHandler())))
	got := s.browser().get("/app/inbox?page=2", click...)
	assert.Equal(t, "/login?return_to=%2Fapp%2Finbox%3Fpage%3D2", got.Header.Get("Location"))
}

func TestRequireFollowsTheAppsOwnLoginURL(t *testing.T) {
	for loginURL, location := range map[string]string{
		"/auth/in":     "/auth/in?return_to=%2Fprivate",
		"/auth/in?x=1": "/auth/in?return_to=%2Fprivate&x=1",
	} {
		s := newSite(t, func(cfg *ecgridsession.Config) { cfg.LoginURL = loginURL })
		assert.Equal(t, location, s.browser().get("/private", click...).Header.Get("Location"))
	}
}

func TestRequireLeavesOutAReturnThatSaysNothingOrLeadsInACircle(t *testing.T) {
	s := newSite(t, func(cfg *ecgridsession.Config) { cfg.AfterLogin = "/private" })
	assert.Equal(t, "/login", s.browser().get("/private", click...).Header.Get("Location"))
	for _, path := range []string{"/logout", "//evil.example/"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		s.m.Require(http.NotFoundHandler()).ServeHTTP(w, r)
		assert.Equal(t, http.StatusSeeOther, w.Code)
		assert.Equal(t, "/login", w.Header().Get("Location"), path)
	}
}

func TestTheHostOfARequestIsNoPartOfWhereRequireSendsIt(t *testing.T) {
	s := newSite(t)
	got := s.raw(t, "GET https://evil.example/private HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nAccept: text/html\r\n\r\n")
	assert.Equal(t, http.StatusSeeOther, got.StatusCode)
	assert.Equal(t, "/login", got.Header.Get("Location"))
}

func TestRequireHandsItsRefusalsToTheErrorHandler(t *testing.T) {
	var status int
	var seen error
	s := newSite(t, func(cfg *ecgridsession.Config) {
		cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, code int, err error) {
			status, seen = code, err
			w.WriteHeader(http.StatusTeapot)
		}
	})
	got := s.browser().get("/private", fetchCall...)
	assert.Equal(t, http.StatusTeapot, got.StatusCode)
	requireNoCookie(t, got)
	assert.Equal(t, http.StatusUnauthorized, status)
	require.ErrorIs(t, seen, ecgridsession.ErrNoSession)
}
