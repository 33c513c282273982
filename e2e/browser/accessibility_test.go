//go:build linux

package browser_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// look is how a page is looked at.
type look struct {
	name          string
	scheme        string // of colours
	width, height int64
	scale         float64
	mobile        bool
}

var looks = []look{
	{"light", "light", 1280, 800, 1, false},
	{"dark", "dark", 1280, 800, 1, false},
	{"phone", "light", 375, 812, 2, true},
}

func (b *tab) looksAs(l look) {
	b.t.Helper()
	tell(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: l.width, Height: l.height, DeviceScaleFactor: l.scale, Mobile: l.mobile,
	})
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: l.scheme},
		{Name: "prefers-reduced-motion", Value: "reduce"}, // a colour on its way is none to judge
	}})
}

func TestNoPageHasAnAccessibilityError(t *testing.T) {
	axe := npmScript(t, "axe-core/axe.min.js")
	onEachPage(t, func(t *testing.T, b *tab, name string) {
		for _, l := range looks {
			b.looksAs(l)
			b.pictured(name + "-" + l.name)
			problems := eval[[]string](b, axe+`;
				axe.run().then(result => [...result.violations, ...result.incomplete.filter(i => i.impact === "critical" && i.id !== "frame-tested")].flatMap(
					v => v.nodes.map(n => v.id + ": " + n.html + " " + n.failureSummary)))`)
			assert.Empty(t, problems, "%s, %s", name, l.name)
			// WCAG 2.2, 1.4.10: nothing has to be scrolled for sideways.
			assert.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth - innerWidth`), 0, "%s, %s", name, l.name)
		}
	})
}

// pictured writes a picture of all of the page, for people to look at, where
// -screenshots asks for it.
func (b *tab) pictured(name string) {
	b.t.Helper()
	if *screenshots == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(*screenshots, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o644))
}

// axe would find nothing in a page that it does not understand, either.
func TestAxeFindsWhatIsWrong(t *testing.T) {
	axe := npmScript(t, "axe-core/axe.min.js")
	s := onLocalhost(t)
	b := s.newProfile()
	b.open(s.publish(s.evil(), "/", html(`<img src="x"><input><p style="color:#ccc;background:#fff">Pale</p>`)))
	found := eval[[]string](b, axe+`; axe.run().then(result => result.violations.map(v => v.id))`)
	for _, rule := range []string{"image-alt", "label", "color-contrast", "html-has-lang"} {
		assert.Contains(t, found, rule, fmt.Sprint(found))
	}
}
