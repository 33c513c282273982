//go:build unix

package nginx_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// What a browser says of a form's POST.
var (
	fromHere = []string{"Origin", appURL, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	fromAway = []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	// Browsers from before Fetch Metadata.
	fromHereOld = []string{"Origin", appURL}
	fromAwayOld = []string{"Origin", "https://evil.example"}
)

const hostKept = "proxy_set_header Host $host;"

func TestTheButtonSignsOutBehindNginx(t *testing.T) {
	for name, c := range map[string]struct {
		locations string
		header    []string
	}{
		"a browser":                           {bare, fromHere},
		"a browser, the host kept":            {with(hostKept), fromHere},
		"an older browser, the host kept":     {with(hostKept), fromHereOld},
		"no browser":                          {bare, nil},
		"an older browser, HTTP/1.1 upstream": {with(hostKept + "proxy_http_version 1.1;"), fromHereOld},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, c.locations, func(t *testing.T, s *site, b *browser) {
				out := b.post("/logout", nil, c.header...)
				assert.Equal(t, http.StatusSeeOther, out.StatusCode, out.body)
				assert.True(t, out.deletes(), out.Header["Set-Cookie"])
				assert.False(t, b.signedIn())
				assert.Zero(t, s.grid.LiveTokens(demo.ID))
			})
		})
	}
}

func TestAnotherSitesPageSignsNobodyOutBehindNginx(t *testing.T) {
	for name, c := range map[string]struct {
		locations string
		header    []string
	}{
		"a browser":                       {bare, fromAway},
		"a browser, the host kept":        {with(hostKept), fromAway},
		"an older browser":                {bare, fromAwayOld},
		"an older browser, the host kept": {with(hostKept), fromAwayOld},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, c.locations, func(t *testing.T, s *site, b *browser) {
				out := b.post("/logout", nil, c.header...)
				assert.Equal(t, http.StatusForbidden, out.StatusCode)
				assert.Empty(t, out.Header["Set-Cookie"])
				assert.True(t, b.signedIn())
				assert.Empty(t, s.grid.Calls(logoutPath))
			})
		})
	}
}

// nginx names the app's own address to it unless it is told otherwise. A browser
// that sends no Fetch Metadata, but an Origin, then seems to come from another
// site.
func TestAnOlderBrowserNeedsTheHostKeptOrItsOriginTrusted(t *testing.T) {
	trusting := func(cfg *ecgridsession.Config) { cfg.TrustedOrigins = []string{appURL} }
	for name, c := range map[string]struct {
		locations string
		change    func(*ecgridsession.Config)
		status    int
	}{
		"nginx's default":         {bare, func(*ecgridsession.Config) {}, http.StatusForbidden},
		"the host kept":           {with(hostKept), func(*ecgridsession.Config) {}, http.StatusSeeOther},
		"its origin is trusted":   {bare, trusting, http.StatusSeeOther},
		"X-Forwarded-Host is set": {with("proxy_set_header X-Forwarded-Host $host;"), func(*ecgridsession.Config) {}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.locations, c.change)
			b := s.browser(true)
			assert.Equal(t, c.status, b.post("/login", byPassword, fromHereOld...).StatusCode)
			b.signIn(byPassword)
			assert.Equal(t, c.status, b.post("/logout", nil, fromHereOld...).StatusCode)
			assert.Equal(t, c.status == http.StatusForbidden, b.signedIn())
		})
	}
}

// $host has no port, and an Origin has one wherever it is not 443.
func TestOnAnotherPortTheHostIsKeptWithIt(t *testing.T) {
	for host, status := range map[string]int{
		"$http_host":        http.StatusSeeOther,
		"$host:$proxy_port": http.StatusForbidden,
		"$host":             http.StatusForbidden,
	} {
		for _, http2 := range []bool{false, true} {
			s := newSite(t, with("proxy_set_header Host "+host+";"))
			b := s.browser(http2)
			b.at = appURL + ":8443"
			b.signIn(byPassword)
			assert.Equal(t, status, b.post("/logout", nil, "Origin", b.at).StatusCode, host)
			assert.Equal(t, http.StatusSeeOther, b.post("/logout", nil, fromHere...).StatusCode, "%s, Fetch Metadata", host)
		}
	}
}

func TestOnlyAProvenClickSignsOutByLinkBehindNginx(t *testing.T) {
	click := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1"}
	eachWay(t, bare, func(t *testing.T, s *site, b *browser) {
		for name, header := range map[string][]string{
			"a link on another site": append([]string{"Sec-Fetch-Site", "cross-site"}, click[2:]...),
			"a prefetch":             append([]string{"Sec-Purpose", "prefetch"}, click...),
			"nothing said":           nil,
		} {
			got := b.get("/logout", header...)
			assert.Equal(t, http.StatusOK, got.StatusCode, name)
			assert.Contains(t, got.body, "<button", name)
			assert.True(t, b.signedIn(), name)
		}
		assert.Equal(t, http.StatusSeeOther, b.get("/logout", click...).StatusCode)
		assert.False(t, b.signedIn())
	})
}

// nginx hangs up on the app when the browser does.
func TestASignOutReachesECGridThoughTheBrowserHangsUp(t *testing.T) {
	eachWay(t, bare, func(t *testing.T, s *site, b *browser) {
		thief := s.thief(b)
		s.grid.Inject(ecgridtest.Fault{Path: logoutPath, Times: 1, Delay: 500 * time.Millisecond})
		ctx, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			resp, err := b.try(ctx, http.MethodPost, "/logout", strings.NewReader(""))
			if err == nil {
				resp.Body.Close()
			}
			assert.ErrorIs(t, err, context.Canceled)
		}()
		require.Eventually(t, func() bool { return len(s.grid.Calls(logoutPath)) == 1 }, patience, time.Millisecond)
		hangUp()
		<-gone
		assert.False(t, thief.signedIn(), "before ECGrid has answered")
		require.Eventually(t, func() bool { return s.grid.Calls(logoutPath)[0].Status == http.StatusOK }, patience, time.Millisecond)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
		assert.Len(t, s.grid.Calls(logoutPath), 1)
	})
}

func TestAHundredSignOutsAtOnceMakeOneCallBehindNginx(t *testing.T) {
	eachWay(t, bare, func(t *testing.T, s *site, b *browser) {
		copies := make([]*browser, 10)
		for i := range copies {
			copies[i] = s.thief(b)
		}
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				resp, err := copies[i%len(copies)].try(t.Context(), http.MethodPost, "/logout", nil)
				if assert.NoError(t, err) {
					assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
					resp.Body.Close()
				}
			})
		}
		all.Wait()
		assert.Len(t, s.grid.Calls(logoutPath), 1)
		assert.False(t, s.thief(b).signedIn())
	})
}
