package tests

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
)

// untilDue takes a session of the fake's default, a token of 15 minutes, to
// where that is to be refreshed and still works.
const untilDue = 14 * time.Minute

// inLedger keeps bearer tokens in the ledger.
func inLedger(cfg *ecgridsession.Config) { cfg.CredentialInLedger = true }

// bothPlaces runs a property with the token in the cookie and in the ledger, in
// a bubble each.
func bothPlaces(t *testing.T, property func(t *testing.T, c *cluster)) {
	t.Helper()
	for name, change := range map[string]func(*ecgridsession.Config){
		"token in the cookie": nil,
		"token in the ledger": inLedger,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				c.change = change
				property(t, c)
			})
		})
	}
}

// signedInBothPlaces is bothPlaces with a replica and a visitor who has just
// signed in there with a password.
func signedInBothPlaces(t *testing.T, property func(t *testing.T, c *cluster, r *replica, v *visitor)) {
	t.Helper()
	bothPlaces(t, func(t *testing.T, c *cluster) {
		r := c.replica()
		property(t, c, r, r.signIn(demo))
	})
}

func TestADueTokenIsRefreshedBeforeAPageIsServed(t *testing.T) {
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "PROPFIND",
	} {
		t.Run(method, func(t *testing.T) {
			signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
				before := v.token(r)
				time.Sleep(untilDue)

				got := v.send(r, method, "/private")
				require.Equal(t, 1, c.refreshes())
				assert.Len(t, got.sessionCookies(), 1, "the browser gets the new generation at once")
				after := v.token(r)
				assert.NotEqual(t, before, after)
				assert.Equal(t, 1, c.refreshes())
				assert.Equal(t, 1, c.api.LiveTokens(demo.ID))
				refreshed := r.events.of(ecgridsession.SessionRefreshed)
				require.Len(t, refreshed, 1)
				assert.Equal(t, time.Now().Add(15*time.Minute).UTC(), refreshed[0].Session.TokenExpiresAt)
			})
		})
	}
}

func TestATokenThatIsNotDueIsLeftAlone(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		for range 12 {
			time.Sleep(time.Minute)
			assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		}
		assert.Zero(t, c.refreshes())
	})
}

func TestWrapAloneRefreshesNothing(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "PROPFIND"} {
		t.Run(method, func(t *testing.T) {
			signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
				time.Sleep(untilDue)

				v.send(r, method, "/")
				assert.Zero(t, c.refreshes(), "nobody asked for the token")
				assert.Equal(t, http.StatusOK, v.send(r, method, "/call").StatusCode)
				assert.Equal(t, 1, c.refreshes())
				assert.Equal(t, http.StatusOK, v.send(r, method, "/token").StatusCode)
				assert.Equal(t, 1, c.refreshes(), "the ledger and the cookie know the new token")
			})
		})
	}
}

func TestALongRequestOutlivesItsToken(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		outbound := &http.Client{Transport: r.m.Transport(handlerTransport{c.api})}
		r.mux.HandleFunc("/long", func(w http.ResponseWriter, req *http.Request) {
			for range 100 {
				call, err := http.NewRequestWithContext(req.Context(), http.MethodPost, upstream+inboxCall, strings.NewReader("{}"))
				require.NoError(t, err)
				resp, err := outbound.Do(call)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, http.StatusOK, resp.StatusCode)
				time.Sleep(time.Minute)
			}
		})
		v.get(r, "/long")
		assert.InDelta(t, 100/13, c.refreshes(), 2)
		assert.Equal(t, 1, c.api.LiveTokens(demo.ID))
	})
}

func TestSigningOutNeverWaitsForARefresh(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Hang: true})

		began := time.Now()
		got := v.post(r, "/logout")
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Zero(t, time.Since(began))
		assert.Zero(t, c.refreshes())
		assert.Zero(t, c.api.LiveTokens(demo.ID))
	})
}

func TestAHundredRequestsAtExpiryMakeOneRefreshCall(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
				time.Sleep(untilDue)
				c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: time.Second})

				tokens := make([]string, 100)
				atOnce(len(tokens), func(i int) {
					got := v.copy().send(r, method, "/token")
					assert.Equal(t, http.StatusOK, got.StatusCode, got.body)
					tokens[i] = got.body
				})
				assert.Equal(t, 1, c.refreshes())
				require.NotEmpty(t, tokens[0])
				for _, token := range tokens {
					assert.Equal(t, tokens[0], token)
				}
				assert.Equal(t, 1, c.api.LiveTokens(demo.ID))
				assert.Equal(t, http.StatusOK, v.post(r, "/call").StatusCode, "and it is the living one")
			})
		})
	}
}

func TestTenThousandWaitersCostOneCallAndNoBusyPolling(t *testing.T) {
	for name, elsewhere := range map[string]bool{"the holder is here": false, "the holder is another replica": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const waiters = 10_000
				c := newCluster(t)
				r := c.replica()
				v := r.signIn(demo)
				time.Sleep(untilDue)
				c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: 4 * time.Second})
				var holder sync.WaitGroup
				if elsewhere {
					other := c.replica()
					holder.Go(func() { v.copy().post(other, "/token") })
					synctest.Wait()
				}
				before := c.ledger.loads.Load()
				atOnce(waiters, func(int) {
					assert.Equal(t, http.StatusOK, v.copy().post(r, "/token").StatusCode)
				})
				holder.Wait()
				assert.Equal(t, 1, c.refreshes())
				// Each request looks once, as any does. On top of that one of them
				// polls for four seconds: 20 ms growing to 200.
				extra := c.ledger.loads.Load() - before - waiters
				assert.LessOrEqual(t, extra, int64(30))
			})
		})
	}
}

func TestAnAPIKeyIsNeverRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		r := c.replica()
		v := r.signInByKey(demo)
		for range 7 * 60 / 20 {
			time.Sleep(20 * time.Minute)
			require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		}
		assert.Zero(t, c.refreshes())
	})
}

func TestNothingIsRefreshedPastTheAbsoluteEnd(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		r := c.replica(func(cfg *ecgridsession.Config) { cfg.Lifetime = untilDue })
		v := r.signIn(demo)
		r.mux.HandleFunc("/long", func(_ http.ResponseWriter, req *http.Request) {
			time.Sleep(untilDue)
			_, err := r.m.Credential(req.Context())
			assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded)
		})
		v.copy().post(r, "/long")
		assert.Equal(t, "anonymous", v.get(r, "/").body)
		assert.Zero(t, c.refreshes())
	})
}

func TestRefreshesOfTwoUsersNeverMeet(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		r := c.replica()
		const users = 50
		visitors := make([]*visitor, users)
		for i := range visitors {
			user := ecgridtest.User{ID: int64(i + 1), Login: string(rune('a'+i%26)) + string(rune('a'+i/26)), Password: "pw"}
			c.api.AddUser(user)
			visitors[i] = r.signIn(user)
		}
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: time.Second})
		var mu sync.Mutex
		owners := make(map[string]int)
		atOnce(4*users, func(i int) {
			got := visitors[i%users].copy().post(r, "/token")
			assert.Equal(t, http.StatusOK, got.StatusCode)
			mu.Lock()
			defer mu.Unlock()
			if owner, known := owners[got.body]; known {
				assert.Equal(t, owner, i%users, "one token, two users")
			}
			owners[got.body] = i % users
		})
		assert.Len(t, owners, users)
		assert.Equal(t, users, c.refreshes())
	})
}

func TestRefreshesOfSessionsOfOneUserNeverMeet(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		r := c.replica()
		r.mux.HandleFunc("/credential", func(w http.ResponseWriter, req *http.Request) {
			credential, err := r.m.Credential(req.Context())
			assert.NoError(t, err)
			io.WriteString(w, credential.Token+credential.APIKey)
		})
		const tokens = 3 // and a session with an API key, which has nothing to refresh
		visitors := []*visitor{r.signIn(demo), r.signIn(demo), r.signIn(demo), r.signInByKey(demo)}
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: time.Second})
		got := make([]string, 10*len(visitors))
		atOnce(len(got), func(i int) {
			got[i] = visitors[i%len(visitors)].copy().post(r, "/credential").body
		})
		different := make(map[string]bool)
		for i, credential := range got {
			assert.True(t, credential == got[i%len(visitors)], "request %d got another session's", i)
			different[credential] = true
		}
		assert.Len(t, different, len(visitors))
		assert.True(t, different[demo.APIKey])
		assert.Equal(t, tokens, c.refreshes())
		assert.Equal(t, tokens, c.api.LiveTokens(demo.ID))
	})
}

func TestARefreshTokenIsUsedAndItsSuccessorKept(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		c.api.SetRefreshTokens(true)
		r := c.replica()
		v := r.signIn(demo)
		for range 5 {
			// Longer than the token lives, so that only a refresh token helps.
			time.Sleep(16 * time.Minute)
			require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		}
		assert.Equal(t, 5, c.refreshes())
	})
}

func TestATokenThatOutgrowsTheCookieMovesToTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		r := c.replica()
		v := r.signIn(demo)
		first := v.copy()
		time.Sleep(untilDue)
		c.api.SetTokenSize(8000)

		got := v.get(r, "/call")
		require.Equal(t, http.StatusOK, got.StatusCode)
		require.Len(t, got.sessionCookies(), 1)
		assert.Less(t, len(v.cookie), 300, "the cookie holds no token any more")
		assert.Equal(t, 8000, len(v.token(r)))

		// The ledger keeps it for as long as the session lasts, not the token.
		time.Sleep(untilDue)
		assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		assert.Equal(t, http.StatusOK, first.get(r, "/call").StatusCode, "an older cookie finds it there too")
		assert.Equal(t, 2, c.refreshes())
		v.post(r, "/logout")
		assert.Equal(t, "anonymous", first.get(r, "/").body)
		assert.Zero(t, c.api.LiveTokens(demo.ID))
	})
}

// net/http sends a request once more by itself when a connection that it had
// used before is cut, unless the request may not be repeated. A refresh that
// took effect twice would cost the user the session.
func TestARefreshIsNotRepeatedOverACutConnection(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			api := ecgridtest.NewAPI()
			api.AddUser(demo)
			server := httptest.NewUnstartedServer(api)
			server.EnableHTTP2 = http2
			server.StartTLS()
			t.Cleanup(server.Close)
			s := newSite(t, func(cfg *ecgridsession.Config) {
				cfg.Upstream = server.URL
				cfg.BaseTransport = server.Client().Transport
			})
			clock := s.clockOf()
			b := s.browser().signIn() // the connection has been used from here on
			api.Inject(ecgridtest.Fault{Path: refreshCall, Reset: true})
			clock.advance(untilDue)
			b.get("/private")
			require.Len(t, s.events.of(ecgridsession.RefreshFailed), 1)
			assert.Len(t, api.Calls(refreshCall), 1)
		})
	}
}

func TestACallerWithoutPatienceGetsItsOwnErrorAlone(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		before := v.token(r)
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: 3 * time.Second})

		var hasty sync.WaitGroup
		hasty.Go(func() { // it comes first, so the refresh is its own
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			v.copy().sendUntil(ctx, r, http.MethodGet, "/private")
			assert.Equal(t, time.Second, time.Since(began), "it is let go when it wants")
		})
		time.Sleep(500 * time.Millisecond)
		patient := v.copy().post(r, "/token")
		hasty.Wait()
		assert.Equal(t, http.StatusOK, patient.StatusCode)
		assert.NotEqual(t, before, patient.body, "the refresh went on for those who wait")
		assert.Equal(t, 1, c.refreshes())
	})
}

func TestARefreshThatNobodyWaitsForAnyMoreIsKept(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: 3 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		v.copy().sendUntil(ctx, r, http.MethodGet, "/private")
		time.Sleep(3 * time.Second)

		assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		assert.Equal(t, 1, c.refreshes())
		assert.Equal(t, 1, c.api.LiveTokens(demo.ID))
	})
}
