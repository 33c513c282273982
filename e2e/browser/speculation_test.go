//go:build linux

package browser_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/stretchr/testify/assert"
)

// Pages may say which addresses the browser should fetch in advance, and browsers
// do so of themselves. Chromium does it with cookies for pages of the app's own
// site, sibling domains among them, and does not say that they asked: it sends
// Sec-Fetch-Site: none. For other sites it does not do it where there are cookies.
func TestASignOutThatIsFetchedInAdvanceIsNone(t *testing.T) {
	s := overTLS(t)
	b := s.newProfile()
	tell(b, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}) // of the app's page, which allows no such rules
	b.signIn(alice)
	pages := map[string]string{
		"by the app's own page":    s.url + "/nowhere",
		"by a page of a sibling's": s.publish(s.origin("sibling.example.test"), "/", html("Welcome")),
	}
	for _, action := range []string{"prefetch", "prerender"} {
		for name, from := range pages {
			t.Run(action+" "+name, func(t *testing.T) {
				b := b.in(t)
				before := s.to("/logout")
				b.open(from)
				rules := fmt.Sprintf(`{%q: [{"urls": [%q], "eagerness": "immediate"}]}`, action, s.url+"/logout")
				eval[any](b, fmt.Sprintf(`{
					const rules = document.createElement("script");
					rules.type = "speculationrules";
					rules.textContent = %q;
					document.head.append(rules);
				}`, rules))
				got := s.next("/logout", before)
				assert.Contains(t, got.header.Get("Sec-Purpose"), "prefetch")
				assert.NotEmpty(t, got.header.Get("Cookie"), "without cookies there is nothing to it")
				assert.Equal(t, http.StatusOK, got.status)
				assert.Empty(t, got.setCookie)
				assert.Empty(t, s.grid.Calls(logoutPath))
				b.isSignedIn(alice)
			})
		}
	}
}
