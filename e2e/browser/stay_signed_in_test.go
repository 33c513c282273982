//go:build linux

package browser_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
)

// warning is the dialog that asks whether the user is still there.
const warning = "dialog[open]"

// soonIdle is the example with so short an idle limit that its warning, which
// comes two minutes before the end, comes within seconds.
func soonIdle(t *testing.T) *site { return overTLS(t, "-idle-timeout", "2m4s") }

func TestThePageWarnsBeforeTheIdleEndAndTheUserStays(t *testing.T) {
	for name, stay := range map[string]func(*tab){
		"by the button": func(b *tab) { b.click("#stay") },
		"by Enter":      func(b *tab) { b.press(kb.Enter) },
		"by Escape":     func(b *tab) { b.press(kb.Escape) },
	} {
		t.Run(name, func(t *testing.T) {
			s := soonIdle(t)
			b := s.newProfile().signIn(alice)
			assert.False(t, eval[bool](b, `document.querySelector("dialog").open`), "not yet")
			b.sees(warning)
			b.until(`document.activeElement.id === "stay"`)
			assert.Regexp(t, `^[12]:\d\d$`, eval[string](b, `document.querySelector("dialog time").textContent`))
			assert.Contains(t, eval[string](b, `document.title`), "Signing out soon")

			before := s.to("/session")
			old := b.sessionCookie()
			stay(b)
			b.until(`!document.querySelector("dialog").open`)
			b.until(`!document.title.includes("Signing out soon")`)
			asked := s.next("/session", before)
			assert.Equal(t, http.MethodPost, asked.method)
			assert.NotEqual(t, old, b.sessionCookie(), "the cookie carries the new limit")
			b.sees(warning) // and the next limit is warned of as well
		})
	}
}

func TestStayingInOneTabAnswersForAll(t *testing.T) {
	s := soonIdle(t)
	first := s.newProfile().signIn(alice)
	second := first.another()
	second.open(s.url)
	second.sees(warning)
	first.click("#stay")
	second.until(`!document.querySelector("dialog").open`)
}

func TestTheWarningOffersTheWayOut(t *testing.T) {
	s := soonIdle(t)
	b := s.newProfile().signIn(alice)
	b.click(warning + " form button")
	b.sees(landing)
	b.isSignedOut()
}

func TestWithoutAnAnswerOfTheServerTheWarningSaysSo(t *testing.T) {
	s := soonIdle(t)
	b := s.newProfile().signIn(alice)
	b.sees(warning)
	eval[bool](b, `(window.fetch = () => Promise.reject(new TypeError("offline"))) !== null`)
	b.click("#stay")
	b.sees("#stay-failed")
	b.sees(warning)
}

// The stream of events brings the news of a sign-out as well. Here it does not.
func TestOtherTabsLearnOfASignOutFromTheTabItself(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		first := s.newProfile().signIn(alice)
		second := first.another()
		second.open(s.url)
		second.sees(inbox)
		second.opensStream()
		eval[bool](second, `source.close() === undefined`)
		first.click(signOutButton)
		first.sees(landing)
		second.sees(landing)
		second.showsNothingPrivate()
	})
}

func TestATabDoesNotGoOnShowingTheUserBefore(t *testing.T) {
	s := overTLS(t)
	first := s.newProfile().signIn(alice)
	first.opensStream()
	eval[bool](first, `source.close() === undefined`)
	first.another().signIn(mallory)
	first.until(`document.querySelector("#account")?.textContent.includes("` + mallory.Login + `")`)
	assert.NotContains(t, eval[string](first, `document.documentElement.outerHTML`), alice.Login)
}
