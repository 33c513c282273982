//go:build linux

package browser_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// servedWith is an app on the library whose pages load one script. A page under
// /private is behind Require. A person at any of them sees a page, or is taken to
// one, whatever the script makes of their clicks.
func servedWith(t *testing.T, script string) *site {
	t.Helper()
	grid := newGrid(t)
	m, err := ecgridsession.New(ecgridsession.Config{
		Upstream: grid.URL, Keys: [][]byte{sessionKey}, InsecureCookie: true, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	page := func(title, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			// As strict as the example's. The sign-in page brings its own.
			w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
				"frame-src 'self'; worker-src 'self'; form-action 'self'")
			fmt.Fprintf(w, `<!doctype html><html lang="en"><head><title>%s</title><script src="/script.js"></script></head><body><h1>%[1]s</h1>%s</body></html>`,
				title, body)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/login", m.LoginHandler())
	mux.Handle("/logout", m.LogoutHandler())
	mux.HandleFunc("/{$}", page("Home", `<a id="in" href="/private">Private</a>`))
	mux.HandleFunc("/framed", page("Framed", `<iframe src="/private"></iframe>`))
	mux.Handle("/private", m.Require(page("Private", `
		<a id="two" href="/private/two">Two</a>
		<a id="out" href="/logout">Sign out</a>
		<form method="post" action="/logout"><button>Sign out</button></form>
		<form method="post" action="/private/save"><button id="save">Save</button></form>
		<a id="boosted" hx-boost="true" href="/private/two">Two, boosted</a>
		<button id="part" hx-get="/private/part" hx-target="#here">Part</button><p id="here"></p>
		<turbo-frame id="corner"><a id="inner" href="/private/two">Two, in a corner</a></turbo-frame>`)))
	mux.Handle("/private/two", m.Require(page("Two", `<a id="one" href="/private">One</a><turbo-frame id="corner">In the corner</turbo-frame>`)))
	mux.Handle("/private/part", m.Require(html("A part")))
	mux.Handle("/private/save", m.Require(http.RedirectHandler("/private/two", http.StatusSeeOther)))
	mux.HandleFunc("/script.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, script)
	})
	mux.HandleFunc("/worker.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `
			addEventListener("install", () => skipWaiting());
			addEventListener("activate", event => event.waitUntil(clients.claim()));
			addEventListener("fetch", event => event.respondWith(fetch(event.request)));`)
	})
	app := httptest.NewServer(m.Wrap(mux))
	t.Cleanup(func() {
		app.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, m.Close(ctx))
	})
	where, err := url.Parse(app.URL)
	require.NoError(t, err)
	f := newFront(t, "localhost", where, false)
	return &site{t: t, url: "http://" + f.appHost, cookie: "ecgrid-dev", grid: grid, front: f}
}

// isAt waits for a page of the app by its heading.
func (b *tab) isAt(heading string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.querySelector("h1")?.textContent === %q`, heading))
	assert.Equal(b.t, "text/html", eval[string](b, `document.contentType`))
}

// isAtSignIn waits for the sign-in page, in its own style and not as a part of
// another page.
func (b *tab) isAtSignIn() {
	b.t.Helper()
	b.sees(form)
	b.until(`location.pathname === "/login" && document.readyState === "complete"`)
	assert.Equal(b.t, 1, eval[int](b, `document.querySelectorAll("h1").length`))
	assert.NotEqual(b.t, "none", eval[string](b, `getComputedStyle(document.querySelector("main")).maxWidth`), "the page has its style")
}

// entersPassword fills in the form that is there.
func (b *tab) entersPassword(password string) {
	b.t.Helper()
	b.sees(form)
	if eval[string](b, `document.querySelector("#login").value`) == "" {
		b.fill("#login", alice.Login)
	}
	b.fill("#password", password)
	b.click("form:has(#password) button")
}

// isSignedOutElsewhere ends the session and leaves the browser its cookie.
func (b *tab) isSignedOutElsewhere() {
	b.t.Helper()
	out, err := http.NewRequest(http.MethodPost, b.s.url+"/logout", strings.NewReader(""))
	require.NoError(b.t, err)
	out.URL.Host = "127.0.0.1:" + b.s.port
	out.Host = b.s.appHost
	out.Header.Set("Cookie", b.s.cookie+"="+b.sessionCookie())
	got, err := http.DefaultTransport.RoundTrip(out)
	require.NoError(b.t, err)
	got.Body.Close()
	require.Equal(b.t, http.StatusSeeOther, got.StatusCode)
}

func TestBehindAServiceWorkerAPersonSeesPages(t *testing.T) {
	s := servedWith(t, "")
	b := s.newProfile()
	b.open(s.url)
	eval[bool](b, `navigator.serviceWorker.register("/worker.js").then(() => navigator.serviceWorker.ready).then(() => true)`)
	b.until(`navigator.serviceWorker.controller !== null`)

	b.click("#in")
	b.isAtSignIn()
	before := s.to("/login")
	b.entersPassword("wrong")
	b.sees("#problem")
	asked := s.next("/login", before)
	assert.Equal(t, "navigate", asked.header.Get("Sec-Fetch-Mode"))
	assert.Equal(t, "empty", asked.header.Get("Sec-Fetch-Dest"), "the service worker has passed it on")
	b.entersPassword(alice.Password)
	b.isAt("Private")

	b.click("#save")
	b.isAt("Two")
	b.click("#one")
	b.isAt("Private")
	b.isSignedOutElsewhere()
	b.click("#two")
	b.isAtSignIn()
	b.entersPassword(alice.Password)
	b.isAt("Two")

	b.click("#one")
	b.isAt("Private")
	b.click("form[action='/logout'] button")
	b.isAt("Home")
	assert.Empty(t, b.sessionCookie())

	// What proves a click does not get through, so there is a button.
	b.click("#in")
	b.entersPassword(alice.Password)
	b.isAt("Private")
	b.click("#out")
	b.isAt("Sign out")
	b.click("form button")
	b.isAt("Home")
	assert.Empty(t, b.sessionCookie())
	assert.Zero(t, s.grid.LiveTokens(alice.ID))
}

func TestWithTurboAPersonSeesPages(t *testing.T) {
	s := servedWith(t, npmScript(t, "@hotwired/turbo/dist/turbo.es2017-umd.js"))
	b := s.newProfile()
	b.open(s.url)
	b.until(`typeof Turbo === "object"`)
	before := s.to("/private")
	b.click("#in")
	b.isAtSignIn()
	assert.Equal(t, "empty", s.next("/private", before).header.Get("Sec-Fetch-Dest"), "Turbo has asked for it")
	b.entersPassword("wrong")
	b.sees("#problem")
	b.entersPassword(alice.Password)
	b.isAt("Private")
	b.click("#save")
	b.isAt("Two")
	b.click("#one")
	b.isAt("Private")

	for name, click := range map[string]string{"a link": "#two", "a form": "#save", "a link in a Turbo frame": "#inner"} {
		t.Run("after the end, "+name, func(t *testing.T) {
			b := b.in(t)
			b.open(s.url + "/private")
			b.until(`typeof Turbo === "object"`)
			b.isSignedOutElsewhere()
			b.click(click)
			if click == "#save" {
				// What was to be saved is not asked for by GET after the sign-in.
				b.sees(".way-out a")
				b.open(s.url + "/private")
			}
			b.isAtSignIn()
			b.entersPassword(alice.Password)
			b.until(`document.querySelector("h1")?.textContent !== "Sign in"`)
			assert.NotEmpty(t, b.sessionCookie())
		})
	}

	b.open(s.url + "/private")
	b.until(`typeof Turbo === "object"`)
	b.click("form[action='/logout'] button")
	b.isAt("Home")
	assert.Empty(t, b.sessionCookie())
	assert.Zero(t, s.grid.LiveTokens(alice.ID))
}

func TestHtmxTakesAPersonToSignInAndBack(t *testing.T) {
	for version, script := range map[string]string{"htmx 4": "htmx.org/dist/htmx.js", "htmx 2": "htmx2/dist/htmx.js"} {
		t.Run(version, func(t *testing.T) {
			// Back asks the server.
			s := servedWith(t, npmScript(t, script)+`; htmx.config.historyCacheSize = 0; htmx.config.refreshOnHistoryMiss = true`)
			b := s.newProfile()
			private := func(t *testing.T) *tab {
				b := b.in(t)
				b.open(s.url + "/private")
				if b.comesToSignIn() {
					b.entersPassword(alice.Password)
				}
				b.isAt("Private")
				b.until(`typeof htmx === "object"`)
				return b
			}
			t.Run("a part of a page", func(t *testing.T) {
				b := private(t)
				b.isSignedOutElsewhere()
				before := s.to("/private/part")
				b.click("#part")
				b.isAtSignIn()
				assert.Equal(t, "true", s.next("/private/part", before).header.Get("HX-Request"))
				b.entersPassword(alice.Password)
				b.isAt("Private")
			})
			t.Run("a boosted link", func(t *testing.T) {
				b := private(t)
				b.isSignedOutElsewhere()
				before := s.to("/private/two")
				b.click("#boosted")
				b.isAtSignIn()
				assert.Equal(t, "true", s.next("/private/two", before).header.Get("HX-Boosted"))
				b.entersPassword(alice.Password)
				b.until(`location.pathname.startsWith("/private")`)
			})
			t.Run("a page of the history", func(t *testing.T) {
				b := private(t)
				b.click("#boosted")
				b.isAt("Two")
				b.isSignedOutElsewhere()
				before := s.to("/private")
				eval[bool](b, `history.back() === undefined`)
				restore := "true"
				if version == "htmx 2" {
					restore = "" // it heeds HX-Redirect on all requests but this one, so it is told to load the page
				}
				assert.Equal(t, restore, s.next("/private", before).header.Get("HX-History-Restore-Request"))
				b.isAtSignIn()
				b.entersPassword(alice.Password)
				b.until(`location.pathname.startsWith("/private")`)
			})
		})
	}
}

// comesToSignIn reports whether a page has sent its visitor to sign in.
func (b *tab) comesToSignIn() bool { return eval[bool](b, `location.pathname === "/login"`) }

func TestAFrameWhoseSessionIsOverShowsAPageWithAWayOut(t *testing.T) {
	s := servedWith(t, "")
	b := s.newProfile()
	b.open(s.url + "/login")
	b.entersPassword(alice.Password)
	b.isAt("Home")
	b.open(s.url + "/framed")
	b.until(`document.querySelector("iframe").contentDocument?.querySelector("h1")?.textContent === "Private"`)
	b.isSignedOutElsewhere()
	b.open(s.url + "/framed")
	b.until(`document.querySelector("iframe").contentDocument?.querySelector("a[href]")?.checkVisibility() === true`)
	assert.Zero(t, eval[int](b, `document.querySelector("iframe").contentDocument.forms.length`), "nothing to be tricked into")
	eval[bool](b, `document.querySelector("iframe").contentDocument.querySelector("a[href^='/login']").click() === undefined`)
	b.isAtSignIn()
	b.entersPassword(alice.Password)
	b.until(`document.querySelector("h1")?.textContent !== "Sign in"`)
	assert.NotEmpty(t, b.sessionCookie())
}
