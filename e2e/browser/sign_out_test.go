//go:build linux

package browser_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/internal/required"
)

// waysOut are the ways in which a page of the app signs its user out. Each leads
// from the inbox to the landing page.
var waysOut = map[string]func(*tab){
	"by the button": func(b *tab) { b.click(signOutButton) },
	"by a link": func(b *tab) {
		eval[any](b, `document.querySelector("h1").innerHTML = '<a id="link" href="/logout">Sign out</a>', null`)
		b.click("#link")
	},
	"by the address and the page there": func(b *tab) {
		b.open(b.s.url + "/logout")
		require.Equal(b.t, 1, b.s.grid.LiveTokens(alice.ID), "an address alone signs nobody out")
		b.click("form button")
	},
	"by fetch": func(b *tab) {
		b.opensStream()
		eval[any](b, `source.close()`) // what the page itself does then is another test
		assert.Equal(b.t, http.StatusNoContent, eval[int](b, `fetch("/logout", {method: "POST"}).then(r => r.status)`))
		b.open(b.s.url)
	},
	"by htmx": func(b *tab) {
		b.open(b.s.url + "/nowhere") // so that what leads to the landing page is htmx
		b.opensStream()
		eval[any](b, `source.close()`)
		eval[any](b, npmScript(b.t, "htmx.org/dist/htmx.min.js")+`;
			document.querySelector("h1").innerHTML = '<button id="htmx" hx-post="/logout">Sign out</button>';
			htmx.process(document.body), null`)
		before := b.s.to("/logout")
		b.click("#htmx")
		b.sees(landing)
		r := b.s.next("/logout", before)
		assert.Equal(b.t, "true", r.header.Get("HX-Request"))
		assert.Equal(b.t, http.StatusNoContent, r.status)
	},
}

func TestEachWayOutEndsTheSessionInTheBrowserAndAtECGrid(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		b := s.newProfile().signIn(alice)
		for name, signOut := range waysOut {
			t.Run(name, func(t *testing.T) {
				b := b.in(t)
				b.hasCookieOfItsOwn()
				before := len(s.grid.Calls(logoutPath))
				signOut(b)
				b.sees(landing)
				b.isSignedOut()
				calls := s.grid.Calls(logoutPath)[before:]
				require.Len(t, calls, 1)
				assert.Equal(t, http.StatusOK, calls[0].Status)
				assert.Equal(t, "bearer", calls[0].Kind)
				// And in again at once.
				b.signIn(alice)
			})
		}
	})
}

func TestAPageThatSignsOutByFetchIsLeftAtOnce(t *testing.T) {
	s := overTLS(t)
	b := s.newProfile().signIn(alice)
	b.opensStream()
	eval[any](b, `void fetch("/logout", {method: "POST"})`)
	b.sees(landing)
	b.isSignedOut()
}

// The stream tells of the end before ECGrid has answered. A page that reloaded
// itself then would cut off the answer to its own form.
func TestThePageThatSignsOutWaitsForItsOwnAnswer(t *testing.T) {
	s := overTLS(t)
	s.grid.Inject(ecgridtest.Fault{Path: logoutPath, Delay: 500 * time.Millisecond})
	b := s.newProfile().signIn(alice)
	b.open(s.url + "/nowhere")
	b.opensStream()
	b.click(signOutButton)
	b.sees(landing)
	assert.Equal(t, "/", eval[string](b, `location.pathname`))
	b.isSignedOut()
}

func TestAnAPIKeyIsSignedOutAndLivesOn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		b := s.newProfile()
		b.open(s.url + "/login")
		b.click("summary")
		b.fill("#api_key", alice.APIKey)
		b.click("form:has(#api_key) button")
		b.sees(inbox)
		b.hasCookieOfItsOwn()
		b.click(signOutButton)
		b.sees(landing)
		b.isSignedOut()
		assert.Len(t, s.grid.Calls(logoutPath), 1)
		assert.Equal(t, "apikey", s.grid.Calls(logoutPath)[0].Kind)
	})
}

func TestATokenOf3KBSignsInAndOut(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.grid.SetTokenSize(3 << 10)
		b := s.newProfile().signIn(alice)
		b.hasCookieOfItsOwn()
		assert.Greater(t, len(b.sessionCookie()), 2<<10, "a token of this size is to be in the cookie")
		b.open(s.url)
		b.sees(inbox)
		b.click(signOutButton)
		b.sees(landing)
		b.isSignedOut()
		b.signIn(alice)
	})
}

// npmScript is a file of a package that .ci/run installs.
func npmScript(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("node_modules", name))
	if err != nil {
		required.Lacking(t, "chromium", "there is no "+name+" (npm ci --prefix e2e/browser): "+err.Error())
	}
	return string(content)
}
