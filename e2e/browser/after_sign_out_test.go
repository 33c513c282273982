//go:build linux

package browser_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBackShowsNothingPrivateAfterSignOut(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		b := s.newProfile().signIn(alice)
		b.open(s.url + "/nowhere")
		b.sees(signOutButton)
		b.click(signOutButton)
		b.sees(landing)

		b.back()
		b.sees("main a[href='/']") // the page without a name on it
		b.showsNothingPrivate()
		b.back()
		b.sees(landing)
		b.showsNothingPrivate()
		b.back()
		b.sees(form)
		b.showsNothingPrivate()
		b.signIn(alice)
	})
}

// Chromium keeps pages for Back as they are, those that are no-store too, unless
// a script of theirs has asked for something. It drops them when a cookie that is
// HttpOnly changes.
func TestAPageKeptWholeForBackIsDroppedAtSignOut(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		b := s.newProfile().signIn(alice)
		b.withoutScripts()
		b.open(s.url)
		b.open(s.url + "/login")
		require.Equal(t, page.NavigationTypeBackForwardCacheRestore, b.back(), "the inbox was not kept whole")
		b.sees(inbox)

		b.open(s.url + "/login")
		other := b.another()
		other.open(s.url)
		other.click(signOutButton)
		other.sees(landing)
		assert.Equal(t, page.NavigationTypeNavigation, b.back())
		b.sees(landing)
		b.showsNothingPrivate()
	})
}

// Other browsers may be less careful than Chromium with what they keep.
func TestAPrivatePageThatComesBackWholeReloadsItself(t *testing.T) {
	s := overTLS(t)
	b := s.newProfile().signIn(alice)
	b.opensStream()
	before := s.to("/")
	eval[bool](b, `dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))`)
	s.next("/", before)
}

func TestASecondTabIsSignedOutWithTheFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		first := s.newProfile().signIn(alice)
		second := first.another()
		second.open(s.url)
		second.sees(inbox)
		second.opensStream()
		third := first.another()
		third.open(s.url + "/nowhere")
		third.sees(signOutButton)
		third.opensStream()
		streams := s.to("/events")
		require.NotEmpty(t, streams)

		first.click(signOutButton)
		first.sees(landing)
		// Nobody touches the others.
		second.sees(landing)
		second.showsNothingPrivate()
		third.until(`document.querySelector("h1") && !document.querySelector("#account")`)
		third.showsNothingPrivate()
		for _, stream := range streams {
			select {
			case <-stream.done:
			case <-time.After(patience):
				require.FailNow(t, "a stream goes on")
			}
		}
		assert.Len(t, s.to("/events"), len(streams), "nobody listens any more")
		second.isSignedOut()
		second.signIn(alice)
	})
}

// showsNothingPrivate looks at all of the page, not only at what is visible.
func (b *tab) showsNothingPrivate() {
	b.t.Helper()
	html := eval[string](b, `document.documentElement.outerHTML`)
	for _, private := range []string{alice.Login, "850_PO_", "Signed in"} {
		assert.NotContains(b.t, html, private)
	}
}

// back goes one page back and tells how the browser did it.
func (b *tab) back() page.NavigationType {
	b.t.Helper()
	history := tell(b, page.GetNavigationHistory, cdp.Empty{})
	require.Positive(b.t, history.CurrentIndex)
	entry := history.Entries[history.CurrentIndex-1]
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	event, err := chromedp.Run(ctx, chromedp.WaitEvent(page.FrameNavigated,
		func(e page.EventFrameNavigated) bool { return e.Frame.ParentID == "" },
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: entry.ID})
			return err
		})))
	require.NoError(b.t, err, "back to %s; the tab shows %s", entry.URL, b.shows())
	return event.Type
}

// withoutScripts turns JavaScript off in the pages of the tab.
func (b *tab) withoutScripts() {
	b.t.Helper()
	tell(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}
