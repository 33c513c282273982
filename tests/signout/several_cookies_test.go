package signout

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// A browser that sends two of our cookies is anonymous, because nothing says
// which is the user's. Its sign-out must not leave either session open.
func TestASignOutWithSeveralGoodCookiesEndsAllOfTheirSessions(t *testing.T) {
	for _, path := range []string{"/logout", "/everywhere"} {
		for name, join := range map[string]func(values ...string) []string{
			"one line": func(values ...string) []string { return []string{"Cookie", strings.Join(values, "; ")} },
			"many lines": func(values ...string) []string {
				return []string{"Cookie", values[0], "Cookie", strings.Join(values[1:], "; ")}
			},
		} {
			t.Run(path+", "+name, func(t *testing.T) {
				site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
					first, second := site.Sent(cookie), site.Sent(s.CookieOf("bearer"))
					bare := s.Browser().Bare()
					header := join(first, site.Sent("garbage"), second)
					assert.Equal(t, "anonymous", bare.Get("/", header...).Text)

					got := bare.Post(path, nil, header...)
					assert.Equal(t, http.StatusSeeOther, got.StatusCode)
					assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
					assert.False(t, s.Knows(first))
					assert.False(t, s.Knows(second))
					assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
					assert.Len(t, s.Events.Of(ecgridsession.LoggedOut), 2)
				})
			})
		}
	}
}

func TestASignOutWithTwoCookiesOfOneSessionEndsItOnce(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignIn(site.Demo)
		older := v.Copy()
		s.AheadBy(site.UntilDue)
		v.Post(s, "/token")
		newer := v.Copy()
		assert.NotEqual(t, older.Cookie, newer.Cookie)
		both := &site.Visitor{Cookie: older.Cookie + "; " + site.Sent(newer.Cookie)}
		both.Post(s, "/logout")
		assert.Len(t, s.Events.Of(ecgridsession.LoggedOut), 1)
		assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	})
}

// The ledger would know the newest credential. While it is down, the newer cookie
// does.
func TestOfTwoCookiesOfOneSessionTheNewerIsSignedOutWhileTheLedgerIsDown(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignIn(site.Demo)
		older := v.Copy()
		time.Sleep(site.UntilDue)
		v.Post(s, "/token")
		assert.Equal(t, 1, s.Grid.LiveTokens(site.Demo.ID))
		s.Ledger.RefuseAll()
		both := &site.Visitor{Cookie: older.Cookie + "; " + site.Sent(v.Cookie)}
		both.Post(s, "/logout")
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	})
}
