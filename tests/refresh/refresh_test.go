package refresh

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestADueTokenIsRefreshedBeforeAPageIsServed(t *testing.T) {
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "PROPFIND",
	} {
		t.Run(method, func(t *testing.T) {
			site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
				before := v.Token(r)
				time.Sleep(site.UntilDue)

				got := v.Send(r, method, "/private")
				require.Equal(t, 1, r.Refreshes())
				assert.Len(t, got.SessionCookies(), 1, "the browser gets the new generation at once")
				after := v.Token(r)
				assert.NotEqual(t, before, after)
				assert.Equal(t, 1, r.Refreshes())
				assert.Equal(t, 1, r.Grid.LiveTokens(site.Demo.ID))
				refreshed := r.Events.Of(ecgridsession.SessionRefreshed)
				require.Len(t, refreshed, 1)
				assert.Equal(t, time.Now().Add(15*time.Minute).UTC(), refreshed[0].Session.TokenExpiresAt)
			})
		})
	}
}

func TestATokenThatIsNotDueIsLeftAlone(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		for range 12 {
			time.Sleep(time.Minute)
			assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		}
		assert.Zero(t, r.Refreshes())
	})
}

func TestWrapAloneRefreshesNothing(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "PROPFIND"} {
		t.Run(method, func(t *testing.T) {
			site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
				time.Sleep(site.UntilDue)

				v.Send(r, method, "/")
				assert.Zero(t, r.Refreshes(), "nobody asked for the token")
				assert.Equal(t, http.StatusOK, v.Send(r, method, "/inbox").StatusCode)
				assert.Equal(t, 1, r.Refreshes())
				assert.Equal(t, http.StatusOK, v.Send(r, method, "/token").StatusCode)
				assert.Equal(t, 1, r.Refreshes(), "the ledger and the cookie know the new token")
			})
		})
	}
}

func TestALongRequestOutlivesItsToken(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		outbound := &http.Client{Transport: r.Middleware.Transport(site.HandlerTransport{Handler: r.Grid})}
		r.Mux.HandleFunc("/long", func(w http.ResponseWriter, req *http.Request) {
			for range 100 {
				call, err := http.NewRequestWithContext(req.Context(), http.MethodPost, site.Upstream+site.InboxCall, strings.NewReader("{}"))
				require.NoError(t, err)
				resp, err := outbound.Do(call)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, http.StatusOK, resp.StatusCode)
				time.Sleep(time.Minute)
			}
		})
		v.Get(r, "/long")
		assert.InDelta(t, 100/13, r.Refreshes(), 2)
		assert.Equal(t, 1, r.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestSigningOutNeverWaitsForARefresh(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Hang: true})

		began := time.Now()
		got := v.Post(r, "/logout")
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Zero(t, time.Since(began))
		assert.Zero(t, r.Refreshes())
		assert.Zero(t, r.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestAHundredRequestsAtExpiryMakeOneRefreshCall(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
				time.Sleep(site.UntilDue)
				r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: time.Second / 2})

				tokens := make([]string, 100)
				site.AtOnce(len(tokens), func(i int) {
					got := v.Copy().Send(r, method, "/token")
					assert.Equal(t, http.StatusOK, got.StatusCode, got.Text)
					tokens[i] = got.Text
				})
				assert.Equal(t, 1, r.Refreshes())
				require.NotEmpty(t, tokens[0])
				for _, token := range tokens {
					assert.Equal(t, tokens[0], token)
				}
				assert.Equal(t, 1, r.Grid.LiveTokens(site.Demo.ID))
				assert.Equal(t, http.StatusOK, v.Post(r, "/inbox").StatusCode, "and it is the living one")
			})
		})
	}
}

func TestTenThousandWaitersCostOneCallAndNoBusyPolling(t *testing.T) {
	for name, elsewhere := range map[string]bool{"the holder is here": false, "the holder is another replica": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const waiters = 10_000
				c := site.New(t, site.InProcess())
				r := c.Replica()
				v := r.SignIn(site.Demo)
				time.Sleep(site.UntilDue)
				c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 600 * time.Millisecond})
				var holder sync.WaitGroup
				if elsewhere {
					other := c.Replica()
					holder.Go(func() { v.Copy().Post(other, "/token") })
					synctest.Wait()
				}
				before := c.Ledger.Loads.Load()
				site.AtOnce(waiters, func(int) {
					assert.Equal(t, http.StatusOK, v.Copy().Post(r, "/token").StatusCode)
				})
				holder.Wait()
				assert.Equal(t, 1, c.Refreshes())
				// Each request looks once, as any does. On top of that one of them
				// polls for a second: 20 ms growing to 200.
				extra := c.Ledger.Loads.Load() - before - waiters
				assert.LessOrEqual(t, extra, int64(30))
			})
		})
	}
}

func TestAnAPIKeyIsNeverRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := site.New(t, site.InProcess())
		r := c.Replica()
		v := r.SignInByKey(site.Demo)
		for range 7 * 60 / 20 {
			time.Sleep(20 * time.Minute)
			require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		}
		assert.Zero(t, c.Refreshes())
	})
}

func TestNothingIsRefreshedPastTheAbsoluteEnd(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		r := c.Replica(func(cfg *ecgridsession.Config) { cfg.Lifetime = site.UntilDue })
		v := r.SignIn(site.Demo)
		r.Mux.HandleFunc("/long", func(_ http.ResponseWriter, req *http.Request) {
			time.Sleep(site.UntilDue)
			_, err := r.Middleware.Credential(req.Context())
			assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded)
		})
		v.Copy().Post(r, "/long")
		assert.Equal(t, "anonymous", v.Get(r, "/").Text)
		assert.Zero(t, c.Refreshes())
	})
}

func TestRefreshesOfTwoUsersNeverMeet(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		r := c.Replica()
		const users = 50
		visitors := make([]*site.Visitor, users)
		for i := range visitors {
			user := ecgridtest.User{ID: int64(i + 1), Login: string(rune('a'+i%26)) + string(rune('a'+i/26)), Password: "pw"}
			c.Grid.AddUser(user)
			visitors[i] = r.SignIn(user)
		}
		time.Sleep(site.UntilDue)
		c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: time.Second / 2})
		var mu sync.Mutex
		owners := make(map[string]int)
		site.AtOnce(4*users, func(i int) {
			got := visitors[i%users].Copy().Post(r, "/token")
			assert.Equal(t, http.StatusOK, got.StatusCode)
			mu.Lock()
			defer mu.Unlock()
			if owner, known := owners[got.Text]; known {
				assert.Equal(t, owner, i%users, "one token, two users")
			}
			owners[got.Text] = i % users
		})
		assert.Len(t, owners, users)
		assert.Equal(t, users, c.Refreshes())
	})
}

func TestRefreshesOfSessionsOfOneUserNeverMeet(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		r := c.Replica()
		r.Mux.HandleFunc("/credential", func(w http.ResponseWriter, req *http.Request) {
			credential, err := r.Middleware.Credential(req.Context())
			assert.NoError(t, err)
			io.WriteString(w, credential.Token+credential.APIKey)
		})
		const tokens = 3 // and a session with an API key, which has nothing to refresh
		visitors := []*site.Visitor{r.SignIn(site.Demo), r.SignIn(site.Demo), r.SignIn(site.Demo), r.SignInByKey(site.Demo)}
		time.Sleep(site.UntilDue)
		c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: time.Second / 2})
		got := make([]string, 10*len(visitors))
		site.AtOnce(len(got), func(i int) {
			got[i] = visitors[i%len(visitors)].Copy().Post(r, "/credential").Text
		})
		different := make(map[string]bool)
		for i, credential := range got {
			assert.True(t, credential == got[i%len(visitors)], "request %d got another session's", i)
			different[credential] = true
		}
		assert.Len(t, different, len(visitors))
		assert.True(t, different[site.Demo.APIKey])
		assert.Equal(t, tokens, c.Refreshes())
		assert.Equal(t, tokens, c.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestARefreshTokenIsUsedAndItsSuccessorKept(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		c.Grid.SetRefreshTokens(true)
		r := c.Replica()
		v := r.SignIn(site.Demo)
		for range 5 {
			// Longer than the token lives, so that only a refresh token helps.
			time.Sleep(16 * time.Minute)
			require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		}
		assert.Equal(t, 5, c.Refreshes())
	})
}

func TestATokenThatOutgrowsTheCookieMovesToTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := site.New(t, site.InProcess())
		r := c.Replica()
		v := r.SignIn(site.Demo)
		first := v.Copy()
		time.Sleep(site.UntilDue)
		c.Grid.SetTokenSize(8000)

		got := v.Get(r, "/inbox")
		require.Equal(t, http.StatusOK, got.StatusCode)
		require.Len(t, got.SessionCookies(), 1)
		assert.Less(t, len(v.Cookie), 300, "the cookie holds no token any more")
		assert.Equal(t, 8000, len(v.Token(r)))

		// The ledger keeps it for as long as the session lasts, not the token.
		time.Sleep(site.UntilDue)
		assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		assert.Equal(t, http.StatusOK, first.Get(r, "/inbox").StatusCode, "an older cookie finds it there too")
		assert.Equal(t, 2, c.Refreshes())
		v.Post(r, "/logout")
		assert.Equal(t, "anonymous", first.Get(r, "/").Text)
		assert.Zero(t, c.Grid.LiveTokens(site.Demo.ID))
	})
}

// net/http sends a request once more by itself when a connection that it had
// used before is cut, unless the request may not be repeated. A refresh that
// took effect twice would cost the user the session.
func TestARefreshIsNotRepeatedOverACutConnection(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			api := ecgridtest.NewAPI()
			api.AddUser(site.Demo)
			server := httptest.NewUnstartedServer(api)
			server.EnableHTTP2 = http2
			server.StartTLS()
			t.Cleanup(server.Close)
			s := site.New(t, site.With(func(cfg *ecgridsession.Config) {
				cfg.Upstream = server.URL
				cfg.BaseTransport = server.Client().Transport
			}))
			b := s.Browser().SignIn() // the connection has been used from here on
			api.Inject(ecgridtest.Fault{Path: site.RefreshCall, Reset: true})
			b.Age(site.UntilDue)
			b.Get("/private")
			require.Len(t, s.Events.Of(ecgridsession.RefreshFailed), 1)
			assert.Len(t, api.Calls(site.RefreshCall), 1)
		})
	}
}

func TestACallerWithoutPatienceGetsItsOwnErrorAlone(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		before := v.Token(r)
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 900 * time.Millisecond})

		var hasty sync.WaitGroup
		hasty.Go(func() { // it comes first, so the refresh is its own
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			v.Copy().SendUntil(ctx, r, http.MethodGet, "/private")
			assert.Equal(t, 200*time.Millisecond, time.Since(began), "it is let go when it wants")
		})
		time.Sleep(100 * time.Millisecond)
		patient := v.Copy().Post(r, "/token")
		hasty.Wait()
		assert.Equal(t, http.StatusOK, patient.StatusCode)
		assert.NotEqual(t, before, patient.Text, "the refresh went on for those who wait")
		assert.Equal(t, 1, r.Refreshes())
	})
}

func TestARefreshThatNobodyWaitsForAnyMoreIsKept(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 3 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		v.Copy().SendUntil(ctx, r, http.MethodGet, "/private")
		time.Sleep(3 * time.Second)

		assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		assert.Equal(t, 1, r.Refreshes())
		assert.Equal(t, 1, r.Grid.LiveTokens(site.Demo.ID))
	})
}
