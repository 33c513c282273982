package signout

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
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestSignOutEndsTheSessionHereInTheBrowserAndAtECGrid(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		copied := b.WithCookie(s)
		got := b.Post("/logout", nil)

		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/", got.Header.Get("Location"), "relative: the host of the request is anybody's word")
		site.RequireDeletion(t, got)
		assert.Empty(t, got.Text)
		assert.Nil(t, b.Cookie())
		assert.False(t, copied.SignedIn(), "the ledger has ended it")

		calls := s.Grid.Calls(site.LogoutCall)
		require.Len(t, calls, 1)
		assert.Equal(t, http.StatusOK, calls[0].Status)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))

		out := s.Events.Of(ecgridsession.LoggedOut)
		require.Len(t, out, 1)
		assert.Equal(t, ecgridsession.LogoutConfirmed, out[0].Outcome)
		assert.Equal(t, site.Demo.Login, out[0].Session.Login)
		assert.Positive(t, out[0].Duration)
		assert.NoError(t, out[0].Err)
	})
}

func TestSignOutWorksOutsideOfWrap(t *testing.T) {
	s := site.New(t)
	bare := site.Serve(t, s.Middleware.LogoutHandler())
	b := s.Browser().SignIn()
	req, err := http.NewRequest(http.MethodPost, bare.URL, nil)
	require.NoError(t, err)
	req.AddCookie(b.Cookie())
	resp, err := bare.Client().Transport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())

	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	site.RequireDeletion(t, site.Answer{Response: resp})
	assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	assert.False(t, b.SignedIn())
}

func TestTheRestOfARequestThatSignedOutIsAnonymous(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Mux.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
			outcome, err := s.Middleware.Logout(w, r)
			_, open := s.Middleware.Session(r.Context())
			_, credentialErr := s.Middleware.Credential(r.Context())
			again, againErr := s.Middleware.Logout(w, r)
			fmt.Fprint(w, outcome, err, open, errors.Is(credentialErr, ecgridsession.ErrSessionEnded), again, againErr)
		})
		got := b.Post("/out", nil)
		assert.Equal(t, "confirmed <nil> false true none <nil>", got.Text)
		site.RequireDeletion(t, got)
		assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
	})
}

func TestSignOutWithoutASessionDeletesTheCookieAllTheSame(t *testing.T) {
	site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for name, header := range map[string][]string{
			"no cookie":         nil,
			"unreadable cookie": {"Cookie", "__Host-ecgrid=canary-not-ours"},
			"empty cookie":      {"Cookie", "__Host-ecgrid="},
		} {
			got := b.Bare().Post("/logout", nil, header...)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode, name)
			site.RequireDeletion(t, got)
		}
		assert.Empty(t, s.Grid.Calls(""))
		assert.Empty(t, s.Events.Of(ecgridsession.LoggedOut))
	})
}

func TestSignOutOfAnIdleSessionRevokesTheTokenThatCanStillBeRead(t *testing.T) {
	for kind, signIn := range site.SignInKinds {
		t.Run(kind, func(t *testing.T) {
			s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.IdleTimeout = 10 * time.Minute }))
			b := signIn(s.Browser())
			b.Age(11 * time.Minute)
			require.Equal(t, http.StatusUnauthorized, b.Get("/session", site.FetchCall...).StatusCode)
			require.Empty(t, s.Grid.Calls(site.LogoutCall), "idleness alone revokes nothing")

			got := b.Post("/logout", nil)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			site.RequireDeletion(t, got)
			assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
			// The key is in the ledger, which an idle session has not been
			// asked for: signing out reads it there.
			assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
		})
	}
}

func TestSignOutPastTheAbsoluteEndRevokesOnce(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		b.Age(11 * time.Minute)
		got := b.Post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		site.RequireDeletion(t, got)
		require.NoError(t, s.Middleware.Close(t.Context()))
		assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		assert.Empty(t, s.Events.Of(ecgridsession.LoggedOut), "the limit ended it, not the user")
	}, site.With(func(cfg *ecgridsession.Config) { cfg.Lifetime = 10 * time.Minute }))
}

func TestAHundredSignOutsAtOnceMakeOneCall(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		const many = 100
		// Slow enough that all of them are under way.
		s.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Delay: 50 * time.Millisecond})
		cookie := b.Cookie()
		plain := s.BrowserOver(b.HTTP.Transport)
		answers := make([]site.Answer, many)
		errs := make([]error, many)
		var all sync.WaitGroup
		for i := range many {
			all.Go(func() {
				answers[i], errs[i] = plain.Try(t.Context(), http.MethodPost, "/logout", nil, "Cookie", cookie.Name+"="+cookie.Value)
			})
		}
		all.Wait()
		for i := range many {
			require.NoError(t, errs[i])
			require.Equal(t, http.StatusSeeOther, answers[i].StatusCode)
			site.RequireDeletion(t, answers[i])
		}
		assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
		assert.Len(t, s.Events.Of(ecgridsession.LoggedOut), 1)

		later := plain.Post("/logout", nil, "Cookie", cookie.Name+"="+cookie.Value)
		assert.Equal(t, http.StatusSeeOther, later.StatusCode)
		site.RequireDeletion(t, later)
		assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
		assert.Len(t, s.Events.Of(ecgridsession.LoggedOut), 1)
	})
}

func TestABrowserThatHangsUpIsSignedOutAllTheSame(t *testing.T) {
	for _, when := range []string{"before the handler runs", "amid the call"} {
		t.Run(when, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				gone := make(chan struct{})
				s.Mux.HandleFunc("/gone", func(w http.ResponseWriter, r *http.Request) {
					if when == "before the handler runs" {
						hangUp()
						<-r.Context().Done()
					}
					s.Middleware.LogoutHandler().ServeHTTP(w, r)
					close(gone)
				})
				if when == "amid the call" {
					s.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Delay: 200 * time.Millisecond})
					go func() {
						assert.Eventually(t, func() bool { return len(s.Grid.Calls(site.LogoutCall)) > 0 }, site.Patience, time.Millisecond)
						hangUp()
					}()
				}
				// The answer may come through between the client's goodbye and
				// its hanging up.
				if _, err := b.Try(ctx, http.MethodPost, "/gone", nil); err != nil {
					require.ErrorIs(t, err, context.Canceled)
				}
				<-gone
				require.Error(t, ctx.Err(), "the browser hung up")

				calls := s.Grid.Calls(site.LogoutCall)
				require.Len(t, calls, 1)
				assert.Equal(t, http.StatusOK, calls[0].Status)
				assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
				assert.False(t, b.SignedIn())
				require.Len(t, s.Events.Of(ecgridsession.LoggedOut), 1)
				assert.Equal(t, ecgridsession.LogoutConfirmed, s.Events.Of(ecgridsession.LoggedOut)[0].Outcome)
			})
		})
	}
}

func TestTenMegabytesOfQueryAreOfNoInterest(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		// In process: no server with its default limits lets such a line in.
		r := httptest.NewRequest(http.MethodPost, "/logout?return_to=/evil&a="+strings.Repeat("%zz", 10<<20/3), nil)
		r.Header.Set("Cookie", site.Sent(cookie))
		w := httptest.NewRecorder()
		s.Middleware.Wrap(s.Middleware.LogoutHandler()).ServeHTTP(w, r)
		assert.Equal(t, http.StatusSeeOther, w.Code)
		assert.Equal(t, "/", w.Header().Get("Location"))
		assert.False(t, s.Knows(site.Sent(cookie)))
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestEachClientIsAnsweredInTheWayThatItUnderstands(t *testing.T) {
	for name, c := range map[string]struct {
		header   []string
		status   int
		location string
		htmx     string
	}{
		"a browser":                {append([]string{}, site.Click...), http.StatusSeeOther, "/bye", ""},
		"a client without a word":  {nil, http.StatusSeeOther, "/bye", ""},
		"a script that wants JSON": {[]string{"Accept", "application/json"}, http.StatusNoContent, "", ""},
		"fetch()":                  {site.FetchCall, http.StatusNoContent, "", ""},
		"htmx":                     {append([]string{"HX-Request", "true"}, site.FetchCall...), http.StatusNoContent, "", "/bye"},
	} {
		t.Run(name, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				got := b.Post("/logout", nil, c.header...)
				assert.Equal(t, c.status, got.StatusCode)
				assert.Equal(t, c.location, got.Header.Get("Location"))
				assert.Equal(t, c.htmx, got.Header.Get("HX-Redirect"))
				assert.Empty(t, got.Text)
				site.RequireDeletion(t, got)
				assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
			}, site.With(func(cfg *ecgridsession.Config) { cfg.AfterLogout = "/bye" }))
		})
	}
}

func TestAnEventHookThatPanicsKeepsNobodySignedIn(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		copied := b.WithCookie(s)
		got := b.Post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		site.RequireDeletion(t, got)
		assert.False(t, copied.SignedIn())
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		assert.Contains(t, s.Logs.String(), "OnEvent panicked")
		assert.NotContains(t, s.Logs.String(), "canary-panic")
	}, site.With(func(cfg *ecgridsession.Config) {
		cfg.OnEvent = func(context.Context, ecgridsession.Event) { panic("canary-panic") }
	}))
}

func TestTheSessionHasEndedByTheTimeTheEventHookRuns(t *testing.T) {
	var s *site.Site
	var open atomic.Bool
	open.Store(true)
	s = site.New(t, site.With(func(cfg *ecgridsession.Config) {
		cfg.OnEvent = func(ctx context.Context, e ecgridsession.Event) {
			if e.Kind == ecgridsession.LoggedOut {
				_, still := s.Middleware.Session(ctx)
				open.Store(still)
			}
		}
	}))
	b := s.Browser().SignIn()
	b.Post("/logout", nil)
	assert.False(t, open.Load())
}

func TestAClientOfHTTP10WithoutHostCanSignOut(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		got := s.Raw(t, "POST /logout HTTP/1.0\r\nCookie: "+site.Sent(cookie)+"\r\n\r\n")
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/", got.Header.Get("Location"))
		site.RequireDeletion(t, got)
		assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
		assert.False(t, s.Knows(site.Sent(cookie)))
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestWhatAProxyOrAnAttackerSaysOfTheHostChangesNothing(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		req, err := http.NewRequest(http.MethodPost, s.App.URL+"/logout", strings.NewReader(url.Values{"return_to": {"/evil"}}.Encode()))
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
		req.AddCookie(b.Cookie())
		resp, err := b.HTTP.Transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
		assert.Equal(t, "/", resp.Header.Get("Location"))
		site.RequireDeletion(t, site.Answer{Response: resp})
		for name, values := range resp.Header {
			assert.NotContains(t, strings.Join(values, " "), "evil", name)
		}
	})
}
