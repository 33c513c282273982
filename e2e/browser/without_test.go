//go:build linux

package browser_test

import (
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEverythingWorksWithoutJavaScript(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		b := s.newProfile()
		b.withoutScripts()
		b.open(s.url)
		b.click("main a[href='/login']")
		b.sees(form)
		b.fill("#login", alice.Login)
		b.fill("#password", "wrong")
		b.click("form:has(#password) button")
		b.sees("#problem")
		assert.Equal(t, alice.Login, eval[string](b, `document.querySelector("#login").value`))
		b.fill("#password", alice.Password)
		b.click("form:has(#password) button")
		b.sees(inbox)
		b.click(signOutButton)
		b.sees(landing)
		assert.Empty(t, b.sessionCookie())
		assert.Zero(t, s.grid.LiveTokens(alice.ID))
		assert.Empty(t, s.to("/session"), "a script has run")

		// With the key, which a summary hides.
		b.click("main a[href='/login']")
		b.click("summary")
		b.fill("#api_key", alice.APIKey)
		b.click("form:has(#api_key) button")
		b.sees(inbox)
	})
}

func TestEverythingCanBeReachedByTheKeyboardAlone(t *testing.T) {
	s := overTLS(t)
	b := s.newProfile()
	b.open(s.url)
	b.sees(landing)
	b.tabsTo(landing)
	b.press(kb.Enter)

	// The form has the focus already.
	b.until(`document.activeElement.id === "login"`)
	b.press(alice.Login + kb.Tab)
	b.hasVisibleFocus("#password")
	b.press("wrong" + kb.Enter)
	b.sees("#problem")
	b.until(`document.activeElement.id === "password"`) // the login is filled in
	b.press(alice.Password)
	b.tabsTo("form:has(#password) button")
	b.press(kb.Enter)
	b.sees(inbox)

	b.tabsTo(".skip")
	b.press(kb.Enter)
	b.until(`document.activeElement.id === "content"`)
	b.open(s.url)
	b.sees(inbox)
	b.tabsTo(signOutButton)
	b.press(kb.Enter)
	b.sees(landing)
	b.isSignedOut()

	b.open(s.url + "/login")
	b.tabsTo("summary")
	b.press(kb.Enter)
	b.tabsTo("#api_key")
	b.press(alice.APIKey + kb.Enter)
	b.sees(inbox)

	// The page of whoever opens /logout itself.
	b.open(s.url + "/logout")
	b.tabsTo(".way-out a")
	b.do("press Shift and Tab", chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
	b.hasVisibleFocus("form button")
	b.press(" ")
	b.sees(landing)
	b.isSignedOut()
}

// tabsTo presses Tab until an element has the focus, and sees on the way that it
// is never lost from sight.
func (b *tab) tabsTo(selector string) {
	b.t.Helper()
	for range 20 {
		b.press(kb.Tab)
		b.hasVisibleFocus(":focus")
		if eval[bool](b, `document.activeElement.matches(`+strconv.Quote(selector)+`)`) {
			return
		}
	}
	require.FailNow(b.t, "no way by Tab", "%s; the tab shows %s", selector, b.shows())
}

// hasVisibleFocus tells whether an element has the focus, shows it by an outline
// of two pixels or more, and is itself in sight.
func (b *tab) hasVisibleFocus(selector string) {
	b.t.Helper()
	b.until(`(() => {
		const e = document.activeElement;
		if (!e || e === document.body || !e.matches(` + strconv.Quote(selector) + `) || !e.matches(":focus-visible")) return false;
		const style = getComputedStyle(e), box = e.getBoundingClientRect();
		return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 &&
			box.width > 0 && box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
	})()`)
}
