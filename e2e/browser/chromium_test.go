//go:build linux

package browser_test

import (
	"context"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/required"
)

// chromium is the one browser of all tests. Each of them has a profile of its
// own in it.
var chromium = sync.OnceValues(func() (context.Context, error) {
	allocator, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath("chromium"),
		chromedp.Headless,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.NoSandbox, // which root, as whom CI runs, cannot have
		chromedp.DisableGPU,
		// It looks up nothing outside of this machine.
		chromedp.Flag("host-resolver-rules", "MAP * 127.0.0.1"),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-features", "Translate,HttpsUpgrades"),
		chromedp.Flag("password-store", "basic"),
		// The certificate of these tests counts as good, and no other.
		chromedp.Flag("ignore-certificate-errors-spki-list", identity().fingerprint),
		// A tab that is not looked at is to get its news as soon.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.WindowSize(1280, 900),
	)
	browser, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(browser); err != nil {
		cancel()
		return nil, err
	}
	atTheEnd(func() error {
		defer cancel()
		return chromedp.Cancel(browser)
	})
	return browser, nil
})

// launched returns the browser, or ends the test.
func launched(t *testing.T) context.Context {
	t.Helper()
	required.Program(t, "chromium", "chromium", "chromium")
	browser, err := chromium()
	require.NoError(t, err, "chromium does not start")
	return browser
}
