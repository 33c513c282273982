package refresh

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestARefreshThatHangsCostsAPageASecondAtMostWhileTheTokenIsGood(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		r.Mux.Handle("/ten-calls", r.Middleware.Require(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			for range 10 {
				_, err := r.Middleware.Credential(req.Context())
				assert.NoError(t, err)
			}
		})))
		time.Sleep(13*time.Minute + time.Second)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Hang: true})
		began := time.Now()
		assert.Equal(t, http.StatusOK, v.Get(r, "/ten-calls").StatusCode)
		assert.LessOrEqual(t, time.Since(began), time.Second)
		began = time.Now()
		assert.Equal(t, http.StatusOK, v.Get(r, "/ten-calls").StatusCode)
		assert.Zero(t, time.Since(began), "the next page does not wait for the same refresh")
		for _, path := range []string{"/session", "/login", "/"} {
			v.Get(r, path)
		}
		assert.Zero(t, time.Since(began))
	})
}

func TestASlowAnswerToARefreshIsNotLost(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		before := v.Token(r)
		time.Sleep(13*time.Minute + time.Second)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 14 * time.Second, Times: 1})
		assert.Equal(t, before, v.Token(r), "the token is good")
		time.Sleep(14 * time.Second)
		assert.NotEqual(t, before, v.Token(r))
		assert.Equal(t, 1, r.Refreshes())
		assert.Equal(t, 1, r.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestWithAnExpiredTokenARequestWaitsForAuthTimeoutAndNoLonger(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		r.Grid.SetRefreshTokens(true) // only so is nothing refreshed in the background
		v := r.SignIn(site.Demo)
		time.Sleep(20 * time.Minute)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 4 * time.Second, Times: 1})
		began := time.Now()
		assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		assert.Equal(t, 4*time.Second, time.Since(began))

		time.Sleep(20 * time.Minute)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Hang: true})
		began = time.Now()
		v.Get(r, "/private")
		assert.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestARefreshRefusedForGoodEndsTheSessionOnceItsTokenIsRefusedInCalls(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			site.BothPlaces(t, func(t *testing.T, r *site.Site) {
				v := r.SignIn(site.Demo)
				r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Status: status})
				for range 14 {
					time.Sleep(time.Minute)
					require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode, "the token keeps its life")
				}
				time.Sleep(time.Minute)
				assert.Equal(t, http.StatusUnauthorized, v.Get(r, "/inbox").StatusCode)
				assert.Equal(t, "anonymous", v.Get(r, "/").Text)
				assert.Len(t, r.Events.Of(ecgridsession.SessionEnded), 1)
			})
		})
	}
}

func TestAGatewaysRefusalOfARefreshEndsNoSession(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, r *site.Site) {
		v := r.SignIn(site.Demo)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Status: http.StatusForbidden, Body: "<h1>403</h1>"})
		for range 17 {
			time.Sleep(time.Minute)
			v.Get(r, "/inbox")
		}
		assert.Equal(t, "user demo", v.Get(r, "/").Text)
	})
}

func TestRetryAfterOfARefusedRefreshIsKeptByEveryReplica(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			site.BothPlaces(t, func(t *testing.T, c *site.Site) {
				c.Grid.SetTokenTTL(20 * time.Minute)
				early := func(cfg *ecgridsession.Config) { cfg.RefreshBefore = 10 * time.Minute }
				rs := []*site.Site{c.Replica(early), c.Replica(early).AheadBy(3 * time.Minute)}
				v := rs[0].SignIn(site.Demo)
				time.Sleep(10*time.Minute + time.Second)
				c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Status: status, Header: http.Header{"Retry-After": {"240"}}})
				for range 3*60 + 50 {
					for _, r := range rs {
						require.Equal(t, http.StatusOK, v.Copy().Post(r, "/inbox").StatusCode)
					}
					time.Sleep(time.Second)
				}
				assert.Equal(t, 1, c.Refreshes())
				c.Grid.ClearFaults()
				for range 12 {
					require.Equal(t, http.StatusOK, v.Copy().Post(rs[0], "/inbox").StatusCode)
					time.Sleep(time.Second)
				}
				assert.Equal(t, 2, c.Refreshes())
			})
		})
	}
}

// dated is an ECGrid whose clock is apart from ours, and which says so.
type dated struct {
	apart time.Duration
	next  http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (d dated) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	var envelope map[string]any
	if json.NewDecoder(resp.Body).Decode(&envelope) == nil {
		if data, ok := envelope["data"].(map[string]any); ok {
			if at, err := time.Parse(time.RFC3339, asText(data["expiresAt"])); err == nil {
				data["expiresAt"] = at.Add(d.apart).Format(time.RFC3339Nano)
			}
		}
	}
	body, err := json.Marshal(envelope)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Set("Date", time.Now().Add(d.apart).UTC().Format(http.TimeFormat))
	return resp, err
}

func asText(v any) string {
	s, _ := v.(string)
	return s
}

func TestAUserInConstantUseStaysSignedInWhateverECGridsClockSays(t *testing.T) {
	for _, apart := range []time.Duration{3 * time.Minute, time.Hour, 24 * time.Hour, -3 * time.Minute, -time.Hour, -24 * time.Hour} {
		t.Run(apart.String(), func(t *testing.T) {
			site.BothPlaces(t, func(t *testing.T, c *site.Site) {
				r := c.Replica(func(cfg *ecgridsession.Config) {
					cfg.BaseTransport = dated{apart, site.HandlerTransport{Handler: c.Grid}}
				})
				v := r.SignIn(site.Demo)
				for range 60 {
					time.Sleep(time.Minute)
					require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
				}
				assert.Equal(t, 4, c.Refreshes(), "as with clocks that agree")
			})
		})
	}
}
