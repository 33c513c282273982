package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const inboxPath = "/v2/parcels/inbox-list"

func TestTheGatewayPutsTheCredentialOnAndTakesOurCookieOff(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		b.addCookie("theme", "dark")
		b.addCookie("lang", "en")
		got := b.do(http.MethodPost, inboxPath, "{}")
		require.Equal(t, http.StatusOK, got.StatusCode, got.body)
		assert.Contains(t, got.body, "parcelId")
		assert.Contains(t, got.Header["Cache-Control"], "no-store")

		require.Len(t, s.passedOn(), 1)
		cookies := strings.Split(strings.Join(s.passedOn()[0]["Cookie"], "; "), "; ")
		assert.ElementsMatch(t, []string{"theme=dark", "lang=en"}, cookies)
	})
}

// A browser may have some of its own, say from a staging site's basic
// authentication, and another page's script may try them.
func TestWhatTheBrowserSendsInTheCredentialsPlaceIsReplaced(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		tricks := [][]string{
			{"Authorization", "Basic b3RoZXI6cGFzc3dvcmQ="},
			{"Authorization", "Bearer another"},
			{"X-API-Key", "another"},
			{"Authorization", "Bearer another", "X-API-Key", "another"},
		}
		if b.get("/session").ProtoMajor == 1 {
			// By RFC 9110, 7.6.1, a proxy takes off what Connection names.
			tricks = append(tricks, []string{"Connection", "Authorization, X-API-Key"},
				[]string{"Connection", "close, authorization, x-api-key", "Authorization", "Bearer another"})
		}
		want := b.do(http.MethodPost, inboxPath, "{}")
		for _, header := range tricks {
			got := b.do(http.MethodPost, inboxPath, "{}", header...)
			assert.Equal(t, http.StatusOK, got.StatusCode, header)
			assert.Equal(t, want.body, got.body, header)
		}
		sent := s.passedOn()
		require.Len(t, sent, 1+len(tricks))
		for _, passed := range sent {
			assert.Equal(t, credentialsOf(sent[0]), credentialsOf(passed))
		}
	})
}

func TestNothingOfAnAnonymousRequestReachesECGrid(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		s := newSite(t)
		ended := s.browser(http2).signIn(byPassword)
		copied := ended.cookie().Value
		ended.signOut()
		before := len(s.grid.Calls(""))
		for name, header := range map[string][]string{
			"no cookie":          nil,
			"a navigation":       {"Accept", "text/html", "Sec-Fetch-Mode", "navigate"},
			"garbage":            {"Cookie", cookieName + "=garbage"},
			"an ended session":   {"Cookie", cookieName + "=" + copied},
			"a token of its own": {"Authorization", "Bearer " + s.grid.Issue(demo.ID).Token},
			"a key of its own":   {"X-API-Key", demo.APIKey},
			"from this site":     {"Cookie", cookieName + "=" + copied, "Sec-Fetch-Site", "same-origin"},
			"a claim":            {"X-Forwarded-User", "root", "X-Http-Method-Override", "GET"},
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
				for _, path := range []string{inboxPath, "/live" + inboxPath, "/v2/", "/v2/auth/login"} {
					got := s.browser(http2).do(method, path, "{}", header...)
					want := http.StatusUnauthorized
					if name == "a navigation" && (method == http.MethodGet || method == http.MethodHead) {
						want = http.StatusSeeOther
					}
					assert.Equal(t, want, got.StatusCode, "%s %s, %s", method, path, name)
				}
			}
		}
		assert.Empty(t, s.passedOn())
		assert.Len(t, s.grid.Calls(""), before)
	}
}

// The session is the browser's, not the page's: SameSite keeps other sites off,
// and CrossOriginProtection those that count as the same site.
func TestNothingThatAnotherSitesPagePostsReachesECGrid(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
			{"Sec-Fetch-Site", "same-site", "Origin", "https://sibling.example"},
			{"Origin", "https://evil.example"},
		} {
			assert.Equal(t, http.StatusForbidden, b.do(http.MethodPost, inboxPath, "{}", header...).StatusCode)
		}
		assert.Empty(t, s.passedOn())
	})
}

func TestAnAnswerOfTheUpstreamAddsToTheAppsHeaders(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		s.route("/v2/file", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=3600")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		got := b.get("/v2/file")
		assert.Equal(t, http.StatusTooManyRequests, got.StatusCode)
		assert.Equal(t, "7", got.Header.Get("Retry-After"))
		// no-store wins over any other directive (RFC 9111, 5.2.2.5).
		assert.Contains(t, got.Header["Cache-Control"], "no-store")
	})
}
