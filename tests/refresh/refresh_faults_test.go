package refresh

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestAnAnswerThatNeverArrivedSignsNobodyOut(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		stale := v.Copy()
		time.Sleep(site.UntilDue)
		v.Copy().Get(r, "/private") // the answer with the new cookie is lost
		require.Equal(t, 1, r.Refreshes())

		got := stale.Get(r, "/inbox")
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Len(t, got.SessionCookies(), 1, "it is issued once more")
		assert.Equal(t, 1, r.Refreshes())
	})
}

func TestAnOlderCookieAfterANewerOneIsServed(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		cookies := []*site.Visitor{v.Copy()}
		for range 4 {
			time.Sleep(site.UntilDue)
			require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
			cookies = append(cookies, v.Copy())
		}
		// Those of the last half hour, the idle limit, in any order.
		for _, i := range []int{4, 2, 3, 4, 3, 2} {
			older := cookies[i].Copy()
			got := older.Get(r, "/inbox")
			assert.Equal(t, http.StatusOK, got.StatusCode, "cookie %d", i)
			assert.Equal(t, v.Token(r), older.Token(r))
			assert.Len(t, got.SessionCookies(), min(4-i, 1), "issued anew where it is of an older generation")
		}
		assert.Equal(t, 4, r.Refreshes())
	})
}

func TestARefusedRefreshEndsTheSessionOnce(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Status: http.StatusUnauthorized, Delay: time.Second / 2})
		site.AtOnce(100, func(int) {
			got := v.Copy().Get(r, "/private", site.Click...)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
		})
		assert.Equal(t, 1, r.Refreshes())
		ended := r.Events.Of(ecgridsession.SessionEnded)
		require.Len(t, ended, 1)
		var upstream *ecgridsession.UpstreamError
		require.ErrorAs(t, ended[0].Err, &upstream)
		assert.Equal(t, http.StatusUnauthorized, upstream.StatusCode)
		assert.Empty(t, r.Events.Of(ecgridsession.SessionRefreshed))

		r.Grid.ClearFaults()
		assert.Equal(t, "user demo", r.SignIn(site.Demo).Get(r, "/").Text, "the user can sign in again at once")
	})
}

// withoutVerdict are answers to a refresh that say nothing about the token.
var withoutVerdict = map[string]ecgridtest.Fault{
	"500":                     {Status: http.StatusInternalServerError},
	"503":                     {Status: http.StatusServiceUnavailable},
	"429":                     {Status: http.StatusTooManyRequests},
	"404":                     {Status: http.StatusNotFound},
	"no answer":               {Hang: true},
	"a cut connection":        {Reset: true},
	"a gateway's 401":         {Status: http.StatusUnauthorized, Body: "<h1>401</h1>"},
	"a redirect":              {Status: http.StatusFound, Header: http.Header{"Location": {"https://evil.example/"}}},
	"no success":              {Body: `{"success":false,"data":null,"errorCode":"InternalError","message":""}`},
	"success without a token": {Body: `{"success":true,"data":null,"errorCode":null,"message":null}`},
}

// The token goes on until its expiry, and ECGrid is asked at a bounded rate
// however many requests there are, on however many replicas.
func TestARefreshWithoutAVerdictNeitherSignsOutNorStorms(t *testing.T) {
	for name, fault := range withoutVerdict {
		for _, replicas := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d replicas", name, replicas), func(t *testing.T) {
				site.BothPlaces(t, func(t *testing.T, c *site.Site) {
					var rs []*site.Site
					for i := range replicas {
						rs = append(rs, c.Replica().AheadBy(time.Duration(i)*5*time.Minute))
					}
					v := rs[0].SignInEarlier(site.Demo)
					time.Sleep(13*time.Minute + time.Second)
					fault.Path = site.RefreshCall
					c.Grid.Inject(fault)
					// Five requests a second to each replica, until the token expires.
					for began := time.Now(); time.Since(began) < 112*time.Second; {
						for _, r := range rs {
							require.Equal(t, http.StatusOK, v.Copy().Post(r, "/inbox").StatusCode)
						}
						time.Sleep(200 * time.Millisecond)
					}
					// 1, 2, 4, 8, 16, 30, 30 and 30 seconds apart, seen by each
					// replica on its own clock.
					assert.LessOrEqual(t, c.Refreshes(), 10)
					assert.GreaterOrEqual(t, c.Refreshes(), 5)
					failed := 0
					for _, r := range rs {
						failed += len(r.Events.Of(ecgridsession.RefreshFailed))
						assert.Empty(t, r.Events.Of(ecgridsession.SessionEnded))
					}
					assert.InDelta(t, c.Refreshes(), failed, 1, "one may be under way")
				})
			})
		}
	}
}

func TestARefreshSucceedsOnceECGridIsBack(t *testing.T) {
	for name, fault := range withoutVerdict {
		t.Run(name, func(t *testing.T) {
			site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
				time.Sleep(13*time.Minute + time.Second)
				fault.Path, fault.Times = site.RefreshCall, 3
				r.Grid.Inject(fault)
				for range 60 {
					require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
					time.Sleep(time.Second)
				}
				assert.Equal(t, 4, r.Refreshes())
				assert.Len(t, r.Events.Of(ecgridsession.SessionRefreshed), 1)
				time.Sleep(5 * time.Minute)
				assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
			})
		})
	}
}

// A token that has expired while the browser slept is given one refresh before
// the session ends. An outage at that moment is no verdict: with a refresh
// token the session can still go on.
func TestAnOutageWhileTheTokenExpiresSignsNobodyOut(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			site.BothPlaces(t, func(t *testing.T, c *site.Site) {
				c.Grid.SetRefreshTokens(true)
				r := c.Replica()
				v := r.SignIn(site.Demo)
				time.Sleep(20 * time.Minute)
				c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Status: http.StatusServiceUnavailable, Times: 2})
				for range 2 {
					got := v.Send(r, method, "/inbox")
					assert.Equal(t, http.StatusUnauthorized, got.StatusCode, "ECGrid's own answer")
				}
				require.Equal(t, "user demo", v.Post(r, "/").Text, "the outage proves nothing")
				require.Eventually(t, func() bool {
					time.Sleep(time.Second)
					return v.Send(r, method, "/inbox").StatusCode == http.StatusOK
				}, time.Minute, time.Second)
				assert.LessOrEqual(t, c.Refreshes(), 3)
				assert.Empty(t, r.Events.Of(ecgridsession.SessionEnded))
			})
		})
	}
}

func TestATokenThatExpiredInSleepIsGivenOneRefresh(t *testing.T) {
	site.SignedInEarlier(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(20 * time.Minute)
		assert.Equal(t, http.StatusUnauthorized, v.Get(r, "/private").StatusCode, "ECGrid refreshes no expired token")
		assert.Equal(t, 1, r.Refreshes())
		assert.Len(t, r.Events.Of(ecgridsession.SessionEnded), 1)
	})
}

func TestAnAbsurdAnswerToARefreshIsRefused(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 14, 0, 0, time.UTC) // of the bubble, when the token is due
	grant := func(token, expires, user string) string {
		return fmt.Sprintf(`{"success":true,"data":{"token":%q,"expiresAt":%q,"userId":%s},"errorCode":null,"message":null}`, token, expires, user)
	}
	soon := now.Add(15 * time.Minute).Format(time.RFC3339)
	for name, body := range map[string]string{
		"empty token":               grant("", soon, "4711"),
		"token of 16 KiB and a bit": grant(strings.Repeat("t", 16<<10+1), soon, "4711"),
		"token with a line break":   grant("a\r\nb", soon, "4711"),
		"expired an hour ago":       grant("t", now.Add(-time.Hour).Format(time.RFC3339), "4711"),
		"expires in year 9999":      grant("t", "9999-12-31T23:59:59Z", "4711"),
		"expires at no time":        grant("t", "soon", "4711"),
		"user 0":                    grant("t", soon, "0"),
		"user as a fraction":        grant("t", soon, "4711.0"),
	} {
		t.Run(name, func(t *testing.T) {
			site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
				before := v.Token(r)
				time.Sleep(site.UntilDue)
				r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Times: 1, Body: body})
				v.Get(r, "/private")
				require.Equal(t, 1, r.Refreshes())
				assert.True(t, before == v.Token(r), "the token so far goes on")
				assert.Len(t, r.Events.Of(ecgridsession.RefreshFailed), 1)
				assert.Empty(t, r.Events.Of(ecgridsession.SessionEnded))
			})
		})
	}
}

func TestAnAnswerThatRepeatsTheTokenIsRefused(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		before := v.Token(r)
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Times: 1, Body: fmt.Sprintf(
			`{"success":true,"data":{"token":%q,"expiresAt":%q,"userId":4711},"errorCode":null,"message":null}`,
			before, time.Now().Add(time.Hour).Format(time.RFC3339))})
		v.Get(r, "/private")
		assert.Len(t, r.Events.Of(ecgridsession.RefreshFailed), 1)
		time.Sleep(2 * time.Second) // past the backoff
		assert.False(t, before == v.Token(r))
		assert.Equal(t, 2, r.Refreshes())
	})
}

// A token that has expired as it arrives, by our clock, is used all the same:
// ECGrid's word counts. It must not be refreshed in a loop.
func TestATokenThatSeemsExpiredAtOnceIsNotRefreshedInALoop(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		r := c.Replica().AheadBy(9 * time.Minute)
		c.Grid.SetTokenTTL(5 * time.Minute)
		v := r.SignIn(site.Demo)
		for range 600 {
			time.Sleep(time.Second)
			require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		}
		assert.LessOrEqual(t, c.Refreshes(), 600/30)
		assert.GreaterOrEqual(t, c.Refreshes(), 2)
	})
}

func TestAnotherUsersTokenEndsTheSessionAndIsRevoked(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		other := ecgridtest.User{ID: 4712, Login: "other", Password: "pw"}
		c.Grid.AddUser(other)
		theirs := c.Grid.Issue(other.ID)
		r := c.Replica()
		v := r.SignIn(site.Demo)
		time.Sleep(site.UntilDue)
		c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Body: fmt.Sprintf(
			`{"success":true,"data":{"token":%q,"expiresAt":%q,"userId":4712},"errorCode":null,"message":null}`,
			theirs.Token, time.Now().Add(time.Hour).Format(time.RFC3339))})
		assert.Equal(t, http.StatusUnauthorized, v.Get(r, "/private").StatusCode)
		synctest.Wait()
		ended := r.Events.Of(ecgridsession.SessionEnded)
		require.Len(t, ended, 1)
		assert.ErrorContains(t, ended[0].Err, "another user")
		assert.Zero(t, c.Grid.LiveTokens(other.ID), "nobody is to hold it")
	})
}
