//go:build unix

package nginx_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// By default nginx takes the header of an app's answer into a buffer of one page
// of memory, 4 KiB, as a whole: status line, cookie and all. A longer one is a
// 502 to the browser.

// headers puts a page at path that has that many bytes of headers of its own,
// such as a Content-Security-Policy.
func (s *site) headers(path string, bytes int) {
	const name = "Content-Security-Policy"
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(name, strings.Repeat("x", bytes-len(name+": \r\n")))
		_, err := s.m.Credential(r.Context()) // sees to a token that is due
		io.WriteString(w, map[bool]string{true: "signed in", false: "anonymous"}[err == nil])
	})
}

// refreshes gets path until the answer is one on which the token was refreshed,
// or one of nginx's own.
func (b *browser) refreshes(path string) (got answer) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		got = b.get(path)
		return len(got.Header["Set-Cookie"]) > 0 || got.StatusCode != http.StatusOK
	}, patience, 50*time.Millisecond, "the token is not refreshed")
	return got
}

func TestATokenOf3KBWorksBehindNginxsDefaults(t *testing.T) {
	t.Parallel() // it waits for a token to come due
	for _, http2 := range []bool{false, true} {
		s := newSite(t, bare)
		s.headers("/page", 600)
		s.grid.SetTokenSize(3 << 10)
		s.grid.SetTokenTTL(6 * time.Second)
		b := s.browser(http2).signIn(byPassword)
		signedInWith := b.sessionCookie()
		assert.Greater(t, len(signedInWith), 3<<10, "the token is in the cookie")
		assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)

		got := b.refreshes("/page")
		assert.Equal(t, "signed in", got.body)
		assert.NotEqual(t, signedInWith, b.sessionCookie())
		assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)

		thief := s.thief(b)
		assert.Equal(t, http.StatusSeeOther, b.post("/logout", nil).StatusCode)
		assert.False(t, thief.signedIn())
		assert.Empty(t, s.proxy.errors(t))
	}
}

// A token that just fits the cookie is too long for nginx's default, and either
// of two words mends it.
func TestALongerTokenNeedsALargerBufferOrTheLedger(t *testing.T) {
	const fitsTheCookieButNotTheBuffer = 3900
	inLedger := func(cfg *ecgridsession.Config) { cfg.CredentialInLedger = true }
	for name, c := range map[string]struct {
		locations string
		change    func(*ecgridsession.Config)
		status    int
	}{
		"nginx's default":      {bare, func(*ecgridsession.Config) {}, http.StatusBadGateway},
		"proxy_buffering off":  {with("proxy_buffering off;"), func(*ecgridsession.Config) {}, http.StatusBadGateway},
		"proxy_buffer_size 8k": {with("proxy_buffer_size 8k;"), func(*ecgridsession.Config) {}, http.StatusSeeOther},
		"CredentialInLedger":   {bare, inLedger, http.StatusSeeOther},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.locations, c.change)
			s.grid.SetTokenSize(fitsTheCookieButNotTheBuffer)
			b := s.browser(true)
			assert.Equal(t, c.status, b.post("/login", byPassword).StatusCode)
			if c.status == http.StatusBadGateway {
				assert.Contains(t, s.proxy.errors(t), "upstream sent too big header")
				return
			}
			assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)
			assert.Equal(t, http.StatusSeeOther, b.post("/logout", nil).StatusCode)
			assert.Empty(t, s.proxy.errors(t))
		})
	}
}

// A page's own headers count, too: the cookie that fitted at sign-in does not fit
// on a page when it is due anew, and is due again on every page after. Pages with
// fewer headers hand it over.
func TestACookieIsDueUntilAPageHasRoomForIt(t *testing.T) {
	t.Parallel() // it waits for a token to come due
	s := newSite(t, bare)
	s.headers("/full", 1200)
	s.grid.SetTokenSize(3 << 10)
	b := s.browser(true).signIn(byPassword)
	assert.Equal(t, http.StatusOK, b.get("/full").StatusCode, "no cookie is due")

	s.grid.SetTokenTTL(6 * time.Second)
	b.signIn(byPassword)
	s.grid.SetTokenTTL(time.Hour)
	assert.Equal(t, http.StatusBadGateway, b.refreshes("/full").StatusCode)
	assert.Equal(t, http.StatusBadGateway, b.get("/full").StatusCode, "again")
	assert.Contains(t, s.proxy.errors(t), "upstream sent too big header")
	assert.Equal(t, `user "demo"`, b.refreshes("/").body)
	assert.Equal(t, http.StatusOK, b.get("/full").StatusCode)
}

// nginx takes 8 KiB in a line, which is more than an app's cookies should be.
func TestCookiesOf7KBReachTheApp(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		s := newSite(t, with("proxy_buffer_size 8k;"))
		s.grid.SetTokenSize(3900)
		b := s.browser(http2).signIn(byPassword)
		others := make([]*http.Cookie, 6)
		for i := range others {
			others[i] = &http.Cookie{Name: "other" + string(rune('a'+i)), Value: strings.Repeat("v", 500), Path: "/", Secure: true}
		}
		b.http.Jar.SetCookies(mustURL(t, b.at), others)
		assert.Equal(t, `user "demo"`, b.get("/").body)
		assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)
		assert.Equal(t, http.StatusSeeOther, b.post("/logout", nil).StatusCode)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	}
}
