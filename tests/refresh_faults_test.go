package tests

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
)

func TestAnAnswerThatNeverArrivedSignsNobodyOut(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		stale := v.copy()
		time.Sleep(untilDue)
		v.copy().get(r, "/private") // the answer with the new cookie is lost
		require.Equal(t, 1, c.refreshes())

		got := stale.get(r, "/call")
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Len(t, got.sessionCookies(), 1, "it is issued once more")
		assert.Equal(t, 1, c.refreshes())
	})
}

func TestAnOlderCookieAfterANewerOneIsServed(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		cookies := []*visitor{v.copy()}
		for range 4 {
			time.Sleep(untilDue)
			require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
			cookies = append(cookies, v.copy())
		}
		// Those of the last half hour, the idle limit, in any order.
		for _, i := range []int{4, 2, 3, 4, 3, 2} {
			older := cookies[i].copy()
			got := older.get(r, "/call")
			assert.Equal(t, http.StatusOK, got.StatusCode, "cookie %d", i)
			assert.Equal(t, v.token(r), older.token(r))
			assert.Len(t, got.sessionCookies(), min(4-i, 1), "issued anew where it is of an older generation")
		}
		assert.Equal(t, 4, c.refreshes())
	})
}

func TestARefusedRefreshEndsTheSessionOnce(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Status: http.StatusUnauthorized, Delay: time.Second})
		atOnce(100, func(int) {
			got := v.copy().get(r, "/private", click...)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			assert.Equal(t, []string{deletion}, got.sessionCookies())
		})
		assert.Equal(t, 1, c.refreshes())
		ended := r.events.of(ecgridsession.SessionEnded)
		require.Len(t, ended, 1)
		var upstream *ecgridsession.UpstreamError
		require.ErrorAs(t, ended[0].Err, &upstream)
		assert.Equal(t, http.StatusUnauthorized, upstream.StatusCode)
		assert.Empty(t, r.events.of(ecgridsession.SessionRefreshed))

		c.api.ClearFaults()
		assert.Equal(t, "user demo", r.signIn(demo).get(r, "/").body, "the user can sign in again at once")
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
				bothPlaces(t, func(t *testing.T, c *cluster) {
					var rs []*replica
					for i := range replicas {
						rs = append(rs, c.replica().aheadBy(time.Duration(i)*5*time.Minute))
					}
					v := rs[0].signIn(demo)
					time.Sleep(13*time.Minute + time.Second)
					fault.Path = refreshCall
					c.api.Inject(fault)
					// Five requests a second to each replica, until the token expires.
					for began := time.Now(); time.Since(began) < 112*time.Second; {
						for _, r := range rs {
							require.Equal(t, http.StatusOK, v.copy().post(r, "/call").StatusCode)
						}
						time.Sleep(200 * time.Millisecond)
					}
					// 1, 2, 4, 8, 16, 30, 30 and 30 seconds apart, seen by each
					// replica on its own clock.
					assert.LessOrEqual(t, c.refreshes(), 10)
					assert.GreaterOrEqual(t, c.refreshes(), 5)
					failed := 0
					for _, r := range rs {
						failed += len(r.events.of(ecgridsession.RefreshFailed))
						assert.Empty(t, r.events.of(ecgridsession.SessionEnded))
					}
					assert.Equal(t, c.refreshes(), failed)
				})
			})
		}
	}
}

func TestARefreshSucceedsOnceECGridIsBack(t *testing.T) {
	for name, fault := range withoutVerdict {
		t.Run(name, func(t *testing.T) {
			signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
				time.Sleep(13*time.Minute + time.Second)
				fault.Path, fault.Times = refreshCall, 3
				c.api.Inject(fault)
				for range 60 {
					require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
					time.Sleep(time.Second)
				}
				assert.Equal(t, 4, c.refreshes())
				assert.Len(t, r.events.of(ecgridsession.SessionRefreshed), 1)
				time.Sleep(5 * time.Minute)
				assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
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
			bothPlaces(t, func(t *testing.T, c *cluster) {
				c.api.SetRefreshTokens(true)
				r := c.replica()
				v := r.signIn(demo)
				time.Sleep(20 * time.Minute)
				c.api.Inject(ecgridtest.Fault{Path: refreshCall, Status: http.StatusServiceUnavailable, Times: 2})
				for range 2 {
					got := v.send(r, method, "/call")
					assert.Equal(t, http.StatusUnauthorized, got.StatusCode, "ECGrid's own answer")
				}
				require.Equal(t, "user demo", v.post(r, "/").body, "the outage proves nothing")
				require.Eventually(t, func() bool {
					time.Sleep(time.Second)
					return v.send(r, method, "/call").StatusCode == http.StatusOK
				}, time.Minute, time.Second)
				assert.LessOrEqual(t, c.refreshes(), 3)
				assert.Empty(t, r.events.of(ecgridsession.SessionEnded))
			})
		})
	}
}

func TestATokenThatExpiredInSleepIsGivenOneRefresh(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(20 * time.Minute)
		assert.Equal(t, http.StatusUnauthorized, v.get(r, "/private").StatusCode, "ECGrid refreshes no expired token")
		assert.Equal(t, 1, c.refreshes())
		assert.Len(t, r.events.of(ecgridsession.SessionEnded), 1)
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
			signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
				before := v.token(r)
				time.Sleep(untilDue)
				c.api.Inject(ecgridtest.Fault{Path: refreshCall, Times: 1, Body: body})
				v.get(r, "/private")
				require.Equal(t, 1, c.refreshes())
				assert.True(t, before == v.token(r), "the token so far goes on")
				assert.Len(t, r.events.of(ecgridsession.RefreshFailed), 1)
				assert.Empty(t, r.events.of(ecgridsession.SessionEnded))
			})
		})
	}
}

func TestAnAnswerThatRepeatsTheTokenIsRefused(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		before := v.token(r)
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Times: 1, Body: fmt.Sprintf(
			`{"success":true,"data":{"token":%q,"expiresAt":%q,"userId":4711},"errorCode":null,"message":null}`,
			before, time.Now().Add(time.Hour).Format(time.RFC3339))})
		v.get(r, "/private")
		assert.Len(t, r.events.of(ecgridsession.RefreshFailed), 1)
		time.Sleep(2 * time.Second) // past the backoff
		assert.False(t, before == v.token(r))
		assert.Equal(t, 2, c.refreshes())
	})
}

// A token that has expired as it arrives, by our clock, is used all the same:
// ECGrid's word counts. It must not be refreshed in a loop.
func TestATokenThatSeemsExpiredAtOnceIsNotRefreshedInALoop(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		r := c.replica().aheadBy(9 * time.Minute)
		c.api.SetTokenTTL(5 * time.Minute)
		v := r.signIn(demo)
		for range 600 {
			time.Sleep(time.Second)
			require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		}
		assert.LessOrEqual(t, c.refreshes(), 600/30)
		assert.GreaterOrEqual(t, c.refreshes(), 2)
	})
}

func TestAnotherUsersTokenEndsTheSessionAndIsRevoked(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		other := ecgridtest.User{ID: 4712, Login: "other", Password: "pw"}
		c.api.AddUser(other)
		theirs := c.api.Issue(other.ID)
		r := c.replica()
		v := r.signIn(demo)
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Body: fmt.Sprintf(
			`{"success":true,"data":{"token":%q,"expiresAt":%q,"userId":4712},"errorCode":null,"message":null}`,
			theirs.Token, time.Now().Add(time.Hour).Format(time.RFC3339))})
		assert.Equal(t, http.StatusUnauthorized, v.get(r, "/private").StatusCode)
		synctest.Wait()
		ended := r.events.of(ecgridsession.SessionEnded)
		require.Len(t, ended, 1)
		assert.ErrorContains(t, ended[0].Err, "another user")
		assert.Zero(t, c.api.LiveTokens(other.ID), "nobody is to hold it")
	})
}
