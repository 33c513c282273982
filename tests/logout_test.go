package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

const (
	loginCall   = "/v2/auth/login"
	logoutCall  = "/v2/auth/logout"
	sessionCall = "/v2/auth/session"
)

// requireDeletion wants an answer that deletes the session cookie and sets no
// other, and that no cache keeps.
func requireDeletion(t *testing.T, got answer) {
	t.Helper()
	require.Equal(t, []string{deletion}, got.Header["Set-Cookie"])
	require.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
}

// requireNoCookie wants an answer that leaves the browser's cookies alone, and
// that no cache keeps.
func requireNoCookie(t *testing.T, got answer) {
	t.Helper()
	require.NotContains(t, got.Header, "Set-Cookie")
	require.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
}

// advancingClock is the time of day with what a test has added to it.
type advancingClock struct{ ahead atomic.Int64 }

func (c *advancingClock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *advancingClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// clockOf gives the site a clock that can be advanced. The fake ECGrid keeps
// the time of day.
func (s *site) clockOf() *advancingClock {
	clock := &advancingClock{}
	setNow(s.m, clock.now)
	return clock
}

func TestSignOutEndsTheSessionHereInTheBrowserAndAtECGrid(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		copied := b.withCookie(s)
		got := b.post("/logout", nil)

		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/", got.Header.Get("Location"), "relative: the host of the request is anybody's word")
		requireDeletion(t, got)
		assert.Empty(t, got.body)
		assert.Nil(t, b.cookie())
		assert.False(t, copied.signedIn(), "the ledger has ended it")

		calls := s.grid.Calls(logoutCall)
		require.Len(t, calls, 1)
		assert.Equal(t, http.StatusOK, calls[0].Status)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))

		out := s.events.of(ecgridsession.LoggedOut)
		require.Len(t, out, 1)
		assert.Equal(t, ecgridsession.LogoutConfirmed, out[0].Outcome)
		assert.Equal(t, demo.Login, out[0].Session.Login)
		assert.Positive(t, out[0].Duration)
		assert.NoError(t, out[0].Err)
	})
}

func TestSignOutWorksOutsideOfWrap(t *testing.T) {
	s := newSite(t)
	bare := serve(t, s.m.LogoutHandler())
	b := s.browser().signIn()
	req, err := http.NewRequest(http.MethodPost, bare.URL, nil)
	require.NoError(t, err)
	req.AddCookie(b.cookie())
	resp, err := bare.Client().Transport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())

	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	requireDeletion(t, answer{Response: resp})
	assert.Zero(t, s.grid.LiveTokens(demo.ID))
	assert.False(t, b.signedIn())
}

func TestTheRestOfARequestThatSignedOutIsAnonymous(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		s.mux.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
			outcome, err := s.m.Logout(w, r)
			_, open := s.m.Session(r.Context())
			_, credentialErr := s.m.Credential(r.Context())
			again, againErr := s.m.Logout(w, r)
			fmt.Fprint(w, outcome, err, open, errors.Is(credentialErr, ecgridsession.ErrSessionEnded), again, againErr)
		})
		got := b.post("/out", nil)
		assert.Equal(t, "confirmed <nil> false true none <nil>", got.body)
		requireDeletion(t, got)
		assert.Len(t, s.grid.Calls(logoutCall), 1)
	})
}

func TestSignOutWithoutASessionDeletesTheCookieAllTheSame(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site, b *browser) {
		for name, header := range map[string][]string{
			"no cookie":         nil,
			"unreadable cookie": {"Cookie", "__Host-ecgrid=canary-not-ours"},
			"empty cookie":      {"Cookie", "__Host-ecgrid="},
		} {
			got := b.bare().post("/logout", nil, header...)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode, name)
			requireDeletion(t, got)
		}
		assert.Empty(t, s.grid.Calls(""))
		assert.Empty(t, s.events.of(ecgridsession.LoggedOut))
	})
}

func TestSignOutOfAnIdleSessionRevokesTheTokenThatCanStillBeRead(t *testing.T) {
	for kind, signIn := range signInKinds {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, func(cfg *ecgridsession.Config) { cfg.IdleTimeout = 10 * time.Minute })
			clock := s.clockOf()
			b := signIn(s.browser())
			clock.advance(11 * time.Minute)
			require.Equal(t, http.StatusUnauthorized, b.get("/session", fetchCall...).StatusCode)
			require.Empty(t, s.grid.Calls(logoutCall), "idleness alone revokes nothing")

			got := b.post("/logout", nil)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			requireDeletion(t, got)
			assert.Zero(t, s.grid.LiveTokens(demo.ID))
			// The key is in the ledger, which an idle session has not been
			// asked for: signing out reads it there.
			assert.Len(t, s.grid.Calls(logoutCall), 1)
		})
	}
}

func TestSignOutPastTheAbsoluteEndRevokesOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		s.clockOf().advance(11 * time.Minute)
		got := b.post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		requireDeletion(t, got)
		require.NoError(t, s.m.Close(t.Context()))
		assert.Len(t, s.grid.Calls(logoutCall), 1)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
		assert.Empty(t, s.events.of(ecgridsession.LoggedOut), "the limit ended it, not the user")
	}, func(cfg *ecgridsession.Config) { cfg.Lifetime = 10 * time.Minute })
}

func TestAHundredSignOutsAtOnceMakeOneCall(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		const many = 100
		// Slow enough that all of them are under way.
		s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Delay: 50 * time.Millisecond})
		cookie := b.cookie()
		plain := s.browserOver(b.http.Transport)
		answers := make([]answer, many)
		errs := make([]error, many)
		var all sync.WaitGroup
		for i := range many {
			all.Go(func() {
				answers[i], errs[i] = plain.try(t.Context(), http.MethodPost, "/logout", nil, "Cookie", cookie.Name+"="+cookie.Value)
			})
		}
		all.Wait()
		for i := range many {
			require.NoError(t, errs[i])
			require.Equal(t, http.StatusSeeOther, answers[i].StatusCode)
			requireDeletion(t, answers[i])
		}
		assert.Len(t, s.grid.Calls(logoutCall), 1)
		assert.Len(t, s.events.of(ecgridsession.LoggedOut), 1)

		later := plain.post("/logout", nil, "Cookie", cookie.Name+"="+cookie.Value)
		assert.Equal(t, http.StatusSeeOther, later.StatusCode)
		requireDeletion(t, later)
		assert.Len(t, s.grid.Calls(logoutCall), 1)
		assert.Len(t, s.events.of(ecgridsession.LoggedOut), 1)
	})
}

func TestABrowserThatHangsUpIsSignedOutAllTheSame(t *testing.T) {
	for _, when := range []string{"before the handler runs", "amid the call"} {
		t.Run(when, func(t *testing.T) {
			eachWay(t, func(t *testing.T, s *site, b *browser) {
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				gone := make(chan struct{})
				s.mux.HandleFunc("/gone", func(w http.ResponseWriter, r *http.Request) {
					if when == "before the handler runs" {
						hangUp()
						<-r.Context().Done()
					}
					s.m.LogoutHandler().ServeHTTP(w, r)
					close(gone)
				})
				if when == "amid the call" {
					s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Delay: 200 * time.Millisecond})
					go func() {
						assert.Eventually(t, func() bool { return len(s.grid.Calls(logoutCall)) > 0 }, waitABit, time.Millisecond)
						hangUp()
					}()
				}
				// The answer may come through between the client's goodbye and
				// its hanging up.
				if _, err := b.try(ctx, http.MethodPost, "/gone", nil); err != nil {
					require.ErrorIs(t, err, context.Canceled)
				}
				<-gone
				require.Error(t, ctx.Err(), "the browser hung up")

				calls := s.grid.Calls(logoutCall)
				require.Len(t, calls, 1)
				assert.Equal(t, http.StatusOK, calls[0].Status)
				assert.Zero(t, s.grid.LiveTokens(demo.ID))
				assert.False(t, b.signedIn())
				require.Len(t, s.events.of(ecgridsession.LoggedOut), 1)
				assert.Equal(t, ecgridsession.LogoutConfirmed, s.events.of(ecgridsession.LoggedOut)[0].Outcome)
			})
		})
	}
}

func TestTenMegabytesOfQueryAreOfNoInterest(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		// In process: no server with its default limits lets such a line in.
		r := httptest.NewRequest(http.MethodPost, "/logout?return_to=/evil&a="+strings.Repeat("%zz", 10<<20/3), nil)
		r.Header.Set("Cookie", sent(cookie))
		w := httptest.NewRecorder()
		s.m.Wrap(s.m.LogoutHandler()).ServeHTTP(w, r)
		assert.Equal(t, http.StatusSeeOther, w.Code)
		assert.Equal(t, "/", w.Header().Get("Location"))
		assert.False(t, s.known(sent(cookie)))
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
}

func TestEachClientIsAnsweredInTheWayThatItUnderstands(t *testing.T) {
	for name, c := range map[string]struct {
		header   []string
		status   int
		location string
		htmx     string
	}{
		"a browser":                {append([]string{}, click...), http.StatusSeeOther, "/bye", ""},
		"a client without a word":  {nil, http.StatusSeeOther, "/bye", ""},
		"a script that wants JSON": {[]string{"Accept", "application/json"}, http.StatusNoContent, "", ""},
		"fetch()":                  {fetchCall, http.StatusNoContent, "", ""},
		"htmx":                     {append([]string{"HX-Request", "true"}, fetchCall...), http.StatusNoContent, "", "/bye"},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, s *site, b *browser) {
				got := b.post("/logout", nil, c.header...)
				assert.Equal(t, c.status, got.StatusCode)
				assert.Equal(t, c.location, got.Header.Get("Location"))
				assert.Equal(t, c.htmx, got.Header.Get("HX-Redirect"))
				assert.Empty(t, got.body)
				requireDeletion(t, got)
				assert.Zero(t, s.grid.LiveTokens(demo.ID))
			}, func(cfg *ecgridsession.Config) { cfg.AfterLogout = "/bye" })
		})
	}
}

func TestAnEventHookThatPanicsKeepsNobodySignedIn(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		copied := b.withCookie(s)
		got := b.post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		requireDeletion(t, got)
		assert.False(t, copied.signedIn())
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
		assert.Contains(t, s.logs.String(), "OnEvent panicked")
		assert.NotContains(t, s.logs.String(), "canary-panic")
	}, func(cfg *ecgridsession.Config) {
		cfg.OnEvent = func(context.Context, ecgridsession.Event) { panic("canary-panic") }
	})
}

func TestTheSessionHasEndedByTheTimeTheEventHookRuns(t *testing.T) {
	var s *site
	var open atomic.Bool
	open.Store(true)
	s = newSite(t, func(cfg *ecgridsession.Config) {
		cfg.OnEvent = func(ctx context.Context, e ecgridsession.Event) {
			if e.Kind == ecgridsession.LoggedOut {
				_, still := s.m.Session(ctx)
				open.Store(still)
			}
		}
	})
	b := s.browser().signIn()
	b.post("/logout", nil)
	assert.False(t, open.Load())
}

func TestAClientOfHTTP10WithoutHostCanSignOut(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		got := s.raw(t, "POST /logout HTTP/1.0\r\nCookie: "+sent(cookie)+"\r\n\r\n")
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/", got.Header.Get("Location"))
		requireDeletion(t, got)
		assert.Len(t, s.grid.Calls(logoutCall), 1)
		assert.False(t, s.known(sent(cookie)))
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
}

func TestWhatAProxyOrAnAttackerSaysOfTheHostChangesNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		req, err := http.NewRequest(http.MethodPost, s.app.URL+"/logout", strings.NewReader(url.Values{"return_to": {"/evil"}}.Encode()))
		require.NoError(t, err)
		req.Host = "evil.example"
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host", "Forwarded"} {
			req.Header.Set(name, "evil.example")
		}
		for _, name := range []string{"X-Forwarded-Uri", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Prefix", "Referer"} {
			req.Header.Set(name, "https://evil.example/")
		}
		req.Header.Set("X-Forwarded-Proto", "http")
		req.Header.Set("X-Http-Method-Override", "GET")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.AddCookie(b.cookie())
		resp, err := b.http.Transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
		assert.Equal(t, "/", resp.Header.Get("Location"))
		requireDeletion(t, answer{Response: resp})
		for name, values := range resp.Header {
			assert.NotContains(t, strings.Join(values, " "), "evil", name)
		}
	})
}
