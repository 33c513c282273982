//go:build linux

package browser_test

import (
	"net/http"
	"net/url"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// Where a tab can be.
const (
	inbox   = "main table"
	landing = "main .welcome a[href='/login']"
	form    = "form #password"

	signOutButton = "form[action='/logout'] button"
)

// signIn goes to the sign-in page and types what the user has.
func (b *tab) signIn(u ecgridtest.User) *tab {
	b.t.Helper()
	b.open(b.s.url + "/login")
	b.fill("#login", u.Login)
	b.fill("#password", u.Password)
	b.click("form:has(#password) button")
	b.sees(inbox)
	require.NotEmpty(b.t, b.sessionCookie())
	return b
}

// hasCookieOfItsOwn looks at the session cookie as the browser keeps it.
func (b *tab) hasCookieOfItsOwn() {
	b.t.Helper()
	assert.Empty(b.t, eval[string](b, `document.cookie`))
	overTLS := b.s.cookie == "__Host-ecgrid"
	for _, c := range b.cookies() {
		assert.Equal(b.t, b.s.cookie, c.Name)
		assert.True(b.t, c.HTTPOnly)
		assert.Equal(b.t, overTLS, c.Secure)
		assert.Equal(b.t, network.CookieSameSiteLax, c.SameSite)
		assert.True(b.t, c.Session, "it ends with the browser")
		assert.Equal(b.t, "/", c.Path)
	}
}

// isSignedIn asks the browser, ECGrid and the app. It leaves the tab at the
// inbox.
func (b *tab) isSignedIn(u ecgridtest.User) {
	b.t.Helper()
	assert.NotEmpty(b.t, b.sessionCookie(), "the browser has no cookie")
	assert.Equal(b.t, 1, b.s.grid.LiveTokens(u.ID))
	b.open(b.s.url)
	b.sees(inbox)
	assert.Contains(b.t, eval[string](b, `document.querySelector("#account").textContent`), u.Login)
}

// isSignedOut asks the browser, the app and ECGrid.
func (b *tab) isSignedOut() {
	b.t.Helper()
	assert.Empty(b.t, b.sessionCookie(), "the browser still has the cookie")
	assert.Zero(b.t, b.s.grid.LiveTokens(alice.ID))
	assert.Equal(b.t, http.StatusUnauthorized, eval[int](b, `fetch("/session").then(r => r.status)`))
}

// opensStream waits until the page listens to the end of its session.
func (b *tab) opensStream() {
	b.t.Helper()
	b.until(`source.readyState === EventSource.OPEN`)
}

// cookies are those in the browser's own store, of every site, HttpOnly or not.
func (b *tab) cookies() []*network.Cookie {
	b.t.Helper()
	profile := chromedp.FromContext(b.ctx).BrowserContextID
	got, err := chromedp.CallBrowser(b.ctx, storage.GetCookies, storage.GetCookiesParams{BrowserContextID: profile})
	require.NoError(b.t, err)
	return got.Cookies
}

// sessionCookie is the value of the app's session cookie in the browser's own
// store, or "".
func (b *tab) sessionCookie() string {
	b.t.Helper()
	app, err := url.Parse(b.s.url)
	require.NoError(b.t, err)
	for _, c := range b.cookies() {
		if c.Name == b.s.cookie && c.Domain == app.Hostname() {
			return c.Value
		}
	}
	return ""
}
