package routers_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestSignInLeadsBackToThePageThatWasAskedFor(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser()
		refused := b.do(http.MethodGet, "/inbox?page=2", click, nil)
		require.Equal(t, http.StatusSeeOther, refused.StatusCode)
		require.Equal(t, "/login?return_to=%2Finbox%3Fpage%3D2", refused.Header.Get("Location"))

		in := b.post(refused.Header.Get("Location"), password)
		assert.Equal(t, http.StatusSeeOther, in.StatusCode)
		assert.Equal(t, "/inbox?page=2", in.Header.Get("Location"))
		assert.Regexp(t, `^__Host-ecgrid=[\w-]+; Path=/; HttpOnly; Secure; SameSite=Lax$`, in.Header.Get("Set-Cookie"))
		assert.Contains(t, b.get("/inbox?page=2").body, "850_PO_")
	})
}

func TestAPageForAnybodyKnowsWhoIsSignedIn(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser()
		assert.Equal(t, "Hello stranger", b.get("/").body)
		assert.Equal(t, "Hello demo", b.signIn().get("/").body)
	})
}

func TestTheCallToECGridCarriesTheUsersToken(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		got := s.browser().signIn().get("/inbox")
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
		calls := s.grid.Calls(inboxPath)
		require.Len(t, calls, 1)
		assert.Equal(t, "bearer", calls[0].Kind)
		assert.Equal(t, http.StatusOK, calls[0].Status)
	})
}

func TestADeniedRequestNeverReachesItsHandler(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		ended := s.browser().signIn()
		thief := ended.thief()
		require.Equal(t, http.StatusSeeOther, ended.post("/logout", nil).StatusCode)
		for who, b := range map[string]*browser{"a stranger": s.browser(), "a copy of an ended session": thief} {
			for method, path := range map[string]string{http.MethodGet: "/inbox", http.MethodPost: "/my/sign-out"} {
				got := b.do(method, path, fetchCall, nil)
				assert.Equal(t, http.StatusUnauthorized, got.StatusCode, who)
				assert.JSONEq(t, `{"error":"not signed in"}`, got.body, "and nothing after it")
			}
			page := b.do(http.MethodGet, "/events", click, nil)
			assert.Equal(t, http.StatusSeeOther, page.StatusCode, who)
		}
		assert.Zero(t, s.private.Load(), "handlers that ran behind the deny")
		assert.Empty(t, s.grid.Calls(inboxPath))
	})
}

func TestSignOutEndsEveryCopyOfTheCookieAndTheToken(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser().signIn()
		thief := b.thief()
		require.Equal(t, "Hello demo", thief.get("/").body)
		require.Equal(t, 1, s.grid.LiveTokens(demo.ID))

		out := b.post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, out.StatusCode)
		assert.Equal(t, "/", out.Header.Get("Location"))
		assert.Empty(t, b.cookies())
		assert.Equal(t, "Hello stranger", thief.get("/").body)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
}

func TestEveryMethodReachesTheHandlersOfTheLibrary(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser().signIn()
		for path, title := range map[string]string{"/login": "<title>Sign in</title>", "/logout": "<title>Sign out</title>"} {
			assert.True(t, strings.Contains(b.do(http.MethodGet, path, click, nil).body, title), path)
			assert.Equal(t, http.StatusOK, b.do(http.MethodHead, path, click, nil).StatusCode)
			got := b.do(http.MethodDelete, path, fetchCall, nil)
			assert.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
			assert.Equal(t, []string{"GET, HEAD, POST"}, got.Header["Allow"], "by the library, not by the router")
		}
		assert.Equal(t, "Hello demo", b.get("/").body, "still signed in")
	})
}

func TestAnotherSiteCannotSignTheUserOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser().signIn()
		header := click.Clone()
		header.Set("Sec-Fetch-Site", "cross-site")
		got := b.do(http.MethodPost, "/logout", header, nil)
		assert.Equal(t, http.StatusForbidden, got.StatusCode)
		assert.NotContains(t, got.Header, "Set-Cookie")
		assert.Equal(t, "Hello demo", b.get("/").body)
	})
}

func TestAStreamArrivesAtOnceAndEndsWithItsSession(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser().signIn()
		got := b.open(http.MethodGet, "/events", fetchCall, nil)
		defer got.Body.Close()
		assert.Equal(t, "text/event-stream", got.Header.Get("Content-Type"))
		events := bufio.NewReader(got.Body)
		first, err := events.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "event: hello\n", first, "while the handler goes on")

		require.Equal(t, http.StatusSeeOther, b.post("/logout", nil).StatusCode)
		rest, err := io.ReadAll(events)
		require.NoError(t, err)
		assert.Equal(t, "\nevent: session-ended\n\n", string(rest))
	})
}

func TestAStreamEndsWithItsReader(t *testing.T) {
	onEachOfNetHTTP(t, func(t *testing.T, s *site) {
		b := s.browser().signIn()
		got := b.open(http.MethodGet, "/events", fetchCall, nil)
		require.EqualValues(t, 1, s.streams.Load())
		got.Body.Close()
		require.Eventually(t, func() bool { return s.streams.Load() == 0 }, 20*time.Second, time.Millisecond)
		assert.Equal(t, "Hello demo", b.get("/").body)
	})
}

func TestTheAppsOwnHandlersSignInAndOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser()
		wrong := b.post("/my/sign-in", map[string][]string{"login": {demo.Login}, "password": {"wrong"}})
		assert.Equal(t, http.StatusUnauthorized, wrong.StatusCode)
		assert.Empty(t, b.cookies())

		in := b.post("/my/sign-in", password)
		assert.Equal(t, "Hello demo", in.body, "signed in for the rest of the request")
		assert.Equal(t, "Hello demo", b.get("/").body)

		out := b.post("/my/sign-out", nil)
		assert.Equal(t, "Hello stranger", out.body, "signed out for the rest of the request")
		assert.Empty(t, b.cookies())
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
}

func TestACookieThatWrapSetsAnewReachesTheBrowser(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser()
		older := s.sessionsWith(s.olderKey)
		ecgridtest.SignIn(t, older, b.http, s.url, ecgridsession.Credential{Token: s.grid.Issue(demo.ID).Token})
		before := b.cookies()
		require.Equal(t, "Hello demo", b.get("/").body)
		assert.Len(t, b.cookies(), 1)
		assert.NotEqual(t, before, b.cookies(), "sealed by the newer key")
	})
}

func TestACookieThatIsDueReachesTheBrowserAndNoSharedCacheWhateverTheHandlerSets(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser()
		older := s.sessionsWith(s.olderKey)
		ecgridtest.SignIn(t, older, b.http, s.url, ecgridsession.Credential{Token: s.grid.Issue(demo.ID).Token})
		before := b.cookies()
		got := b.get("/?cached")
		require.Equal(t, http.StatusOK, got.StatusCode)
		assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
		assert.Equal(t, []string{"no-store"}, got.Header["Cdn-Cache-Control"])
		set := got.Header["Set-Cookie"]
		require.Len(t, set, 2)
		assert.ElementsMatch(t, []bool{true, false}, []bool{set[0] == "theme=dark", set[1] == "theme=dark"})
		for _, c := range before {
			assert.NotContains(t, b.cookies(), c, "sealed by the newer key")
		}
		assert.Equal(t, "Hello demo", b.get("/").body)
	})
}
