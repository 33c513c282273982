//go:build linux

package browser_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// tab is a tab of the browser. Tabs of one profile share their cookies.
type tab struct {
	t   *testing.T
	s   *site
	ctx context.Context
}

// newProfile opens a tab of a new profile: somebody else's browser.
func (s *site) newProfile() *tab {
	s.t.Helper()
	return openTab(s, launched(s.t), chromedp.WithNewBrowserContext())
}

// in is the same tab for a subtest.
func (b *tab) in(t *testing.T) *tab { return &tab{t: t, s: b.s, ctx: b.ctx} }

// another opens one more tab of the same profile.
func (b *tab) another() *tab {
	b.t.Helper()
	return openTab(b.s, b.ctx)
}

func openTab(s *site, parent context.Context, options ...chromedp.ContextOption) *tab {
	s.t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	s.t.Cleanup(cancel)
	require.NoError(s.t, chromedp.Do(ctx))
	b := &tab{t: s.t, s: s, ctx: ctx}
	// Tests at the same time do not take the focus from each other.
	tell(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	return b
}

// do takes steps that are bound to come to an end.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		require.NoError(b.t, err, "%s; the tab shows %s", what, b.shows())
	}
}

// shows is where the tab is, for messages.
func (b *tab) shows() string {
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// open goes where the address bar was told to.
func (b *tab) open(url string) {
	b.t.Helper()
	b.do("open "+url, chromedp.Navigate(url))
}

// settle brings the tab to the front and waits until its page is all there and on
// the screen: before that Chromium drops what mouse and keys do. It does not
// tell of the paint every time, so that is not waited for without end.
func (b *tab) settle() {
	b.t.Helper()
	tell(b, page.BringToFront, cdp.Empty{})
	b.until(`document.readyState === "complete"`)
	b.comesTo(`performance.getEntriesByName("first-contentful-paint").length > 0`, 3*time.Second)
}

// click moves the mouse there and clicks. It finds its way by itself: chromedp's
// click is lost where a page has just made way for another.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.settle()
	b.sees(selector)
	at := eval[[]float64](b, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.scrollIntoView({block: "nearest"});
		const box = e.getBoundingClientRect();
		return [box.x + box.width / 2, box.y + box.height / 2];
	})()`, selector))
	b.do("click "+selector, chromedp.MouseClickXY(at[0], at[1]))
}

// sees waits until there is something to see.
func (b *tab) sees(selector string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.querySelector(%q)?.checkVisibility() === true`, selector))
}

// fill clicks into a field and puts in a text, as a password manager does.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.click(selector)
	tell(b, input.InsertText, input.InsertTextParams{Text: text})
}

// press types keys to whatever has the focus.
func (b *tab) press(keys string) {
	b.t.Helper()
	b.settle()
	b.do("press a key", chromedp.KeyEvent(keys))
}

// until waits for a condition in the page, over as many pages as it takes.
func (b *tab) until(condition string) {
	b.t.Helper()
	if met, err := b.comesTo(condition, patience); !met {
		require.FailNow(b.t, "it does not come to it", "%s (%v); the tab shows %s", condition, err, b.shows())
	}
}

// comesTo tells whether a condition is met in the page in time.
func (b *tab) comesTo(condition string, within time.Duration) (met bool, err error) {
	for deadline := time.Now().Add(within); !met && time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(b.ctx, within)
		// An error is that of a page on its way out.
		met, err = chromedp.Run(ctx, chromedp.Evaluate[bool](condition))
		cancel()
		if !met {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return met, err
}

// eval runs a script in the page, as the console of the developer's tools does,
// and waits for what it promises.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, script)
	return v
}

// tell gives the browser a command of its protocol.
func tell[P, R any](b *tab, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, cmd, params)
	require.NoError(b.t, err, cmd.Method)
	return r
}
