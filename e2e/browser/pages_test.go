//go:build linux

package browser_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// shown is a page in one of its states, and the way there.
type shown struct {
	name string
	goTo func(*tab)
}

// The example as README's first command starts it, with the fake inside.
var demoPages = []shown{
	{"landing", func(b *tab) { b.open(b.s.url); b.sees(landing); b.opensStream() }},
	{"sign-in", func(b *tab) { b.open(b.s.url + "/login"); b.sees(form) }},
	{"not-found", func(b *tab) { b.open(b.s.url + "/nowhere"); b.sees("main h1") }},
	{"inbox", func(b *tab) { b.signIn(demo); b.until(`document.querySelectorAll("#calls li").length === 2`) }},
	{"sign-in-while-signed-in", func(b *tab) { b.open(b.s.url + "/login"); b.sees(".way-out a") }},
	{"not-found-signed-in", func(b *tab) { b.open(b.s.url + "/nowhere"); b.sees("main h1") }},
	{"sign-out", func(b *tab) { b.open(b.s.url + "/logout"); b.sees("form button") }},
	{"landing-after-sign-out", func(b *tab) { b.click("form button"); b.sees(landing); b.sees("#token[data-state=revoked]") }},
	{"sign-out-without-a-session", func(b *tab) { b.open(b.s.url + "/logout"); b.sees("form button") }},
	{"sign-in-after-the-idle-limit", func(b *tab) { b.open(b.s.url + "/login?over=idle"); b.sees(".notice") }},
}

// The example within two minutes of the idle limit.
var warningPages = []shown{
	{"still-there", func(b *tab) { b.signIn(demo); b.sees(warning) }},
	{"still-there-failed", func(b *tab) {
		eval[bool](b, `(window.fetch = () => Promise.reject(new TypeError("offline"))) !== null`)
		b.click("#stay")
		b.sees("#stay-failed")
	}},
}

// The example with an ECGrid that fails.
var failingPages = []shown{
	{"sign-in-refused", func(b *tab) {
		b.open(b.s.url + "/login")
		b.fill("#login", alice.Login)
		b.fill("#password", "wrong")
		b.click("form:has(#password) button")
		b.sees("#problem")
	}},
	{"sign-in-key-refused", func(b *tab) {
		b.click("summary")
		b.fill("#api_key", "wrong")
		b.click("form:has(#api_key) button")
		b.sees("details[open] #api_key[aria-invalid]")
	}},
	{"sign-in-unavailable", func(b *tab) {
		b.s.grid.Inject(ecgridtest.Fault{Path: loginPath, Times: 1, Status: http.StatusServiceUnavailable})
		b.open(b.s.url + "/login")
		b.fill("#login", alice.Login)
		b.fill("#password", alice.Password)
		b.click("form:has(#password) button")
		b.sees("#problem")
	}},
	{"inbox-unavailable", func(b *tab) {
		b.signIn(alice)
		b.s.grid.Inject(ecgridtest.Fault{Path: inboxPath, Times: 1, Status: http.StatusBadGateway, Body: "<h1>Bad gateway</h1>"})
		b.open(b.s.url)
		b.sees("main .notice[role=alert]")
	}},
	{"inbox-empty", func(b *tab) {
		b.s.grid.Inject(ecgridtest.Fault{Path: inboxPath, Times: 1, Body: `{"success":true,"data":[],"errorCode":"","message":""}`})
		b.open(b.s.url)
		b.sees("main .notice .empty")
	}},
	{"request-refused", func(b *tab) {
		page := b.s.publish(b.s.evil(), "/", html(`<form method="post" action="`+b.s.url+`/logout"><button id="go">Win</button></form>`))
		b.open(page)
		b.click("#go")
		b.sees(".way-out a")
	}},
	{"session-ended", func(b *tab) {
		b.s.grid.Inject(ecgridtest.Fault{Path: inboxPath, Times: 1, Status: http.StatusUnauthorized})
		b.s.grid.Inject(ecgridtest.Fault{Path: refreshPath, Times: 1, Status: http.StatusUnauthorized})
		b.open(b.s.url)
		b.sees("main .welcome[role=alert]")
	}},
}

// demo is the user whom the example's own fake knows.
var demo = ecgridtest.User{Login: "demo", Password: "demo"}

// onEachPage visits every page in every state.
func onEachPage(t *testing.T, look func(t *testing.T, b *tab, name string)) {
	t.Helper()
	launched(t)
	for name, group := range map[string]func(*testing.T) (*site, []shown){
		"the example as it starts":          func(t *testing.T) (*site, []shown) { return withFakeInside(t), demoPages },
		"the example before its idle limit": func(t *testing.T) (*site, []shown) { return withFakeInside(t, "-idle-timeout", "1m50s"), warningPages },
		"an ECGrid that fails":              func(t *testing.T) (*site, []shown) { return onLocalhost(t), failingPages },
		"a ledger that fails":               libraryAlone,
	} {
		t.Run(name, func(t *testing.T) {
			s, pages := group(t)
			b := s.newProfile()
			for _, page := range pages {
				page.goTo(b)
				look(t, b, page.name)
			}
		})
	}
}

// withFakeInside is the example as README's first command starts it: without a
// log for the test to look at, and with a panel that shows it.
func withFakeInside(t *testing.T, flags ...string) *site {
	t.Helper()
	f := newFront(t, "localhost", startExample(t, flags...), false)
	return &site{t: t, url: "http://" + f.appHost, cookie: "ecgrid-dev", front: f}
}

// libraryAlone serves the library's own pages that the example does not get to.
func libraryAlone(t *testing.T) (*site, []shown) {
	t.Helper()
	grid := newGrid(t)
	ledger := &brittleLedger{MemoryLedger: ecgridsession.NewMemoryLedger()}
	m, err := ecgridsession.New(ecgridsession.Config{
		Upstream: grid.URL, Keys: [][]byte{sessionKey}, InsecureCookie: true, Ledger: ledger,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/login", m.LoginHandler())
	mux.Handle("/logout", m.LogoutHandler())
	mux.Handle("/logout-everywhere", m.LogoutEverywhereHandler())
	mux.HandleFunc("/form", html(`<form method="post" action="/"><button>Save</button></form>`))
	mux.HandleFunc("/framed", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>An app with a frame</title><main><h1>An app with a frame</h1>
			<iframe title="Inbox" src="/" style="width:100%;height:20rem;border:1px solid gray"></iframe></main>`)
	})
	mux.Handle("/", m.Require(html("<main><table><tr><td>Private</table></main>")))
	app := httptest.NewServer(m.Wrap(mux))
	t.Cleanup(func() {
		app.Close()
		ledger.down.Store(false) // what is left to be told to it
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, m.Close(ctx))
	})
	where, err := url.Parse(app.URL)
	require.NoError(t, err)
	f := newFront(t, "localhost", where, false)
	return &site{t: t, url: "http://" + f.appHost, cookie: "ecgrid-dev", grid: grid, front: f}, []shown{
		{"sign-out-everywhere-without-a-session", func(b *tab) { b.open(b.s.url + "/logout-everywhere"); b.sees("form button") }},
		{"frame", func(b *tab) {
			b.open(b.s.url + "/framed")
			b.until(`document.querySelector("iframe").contentDocument?.querySelector("a[href]")?.checkVisibility() === true`)
		}},
		{"form-too-late", func(b *tab) {
			b.open(b.s.url + "/form")
			b.click("form button")
			b.sees(".way-out a")
		}},
		{"sign-out-everywhere", func(b *tab) {
			b.open(b.s.url + "/login")
			b.fill("#login", alice.Login)
			b.fill("#password", alice.Password)
			b.click("form:has(#password) button")
			b.sees(inbox)
			b.open(b.s.url + "/logout-everywhere")
			b.sees("form button")
		}},
		{"signed-out-here", func(b *tab) {
			b.s.grid.Inject(ecgridtest.Fault{Path: "/v2/users/reset/7", Times: 1, Status: http.StatusForbidden})
			b.click("form button")
			b.until(`!document.querySelector("form")`)
			b.sees(".way-out a")
		}},
		{"just-a-moment", func(b *tab) {
			b.open(b.s.url + "/login")
			b.click("summary")
			b.fill("#api_key", alice.APIKey)
			b.click("form:has(#api_key) button")
			b.sees(inbox)
			ledger.down.Store(true)
			b.open(b.s.url)
			b.sees(".way-out a")
		}},
		{"sign-out-not-confirmed", func(b *tab) {
			b.open(b.s.url + "/logout")
			b.click("form button")
			b.until(`!document.querySelector("form")`) // both pages have a way out
			b.sees(".way-out a")
		}},
	}
}

// brittleLedger is a ledger that can be down.
type brittleLedger struct {
	*ecgridsession.MemoryLedger
	down atomic.Bool
}

var errDown = errors.New("down")

func (l *brittleLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if l.down.Load() {
		return nil, errDown
	}
	return l.MemoryLedger.Load(ctx, keys...)
}

func (l *brittleLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	if l.down.Load() {
		return false, errDown
	}
	return l.MemoryLedger.CompareAndSwap(ctx, key, old, next, ttl)
}
