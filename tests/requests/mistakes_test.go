package requests

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// An upload that begins while its token is due asks for it when that has
// expired.
func TestAnUploadThatOutlastsADueTokenReachesECGrid(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
		t.Run(method, func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, s *site.Site) {
				outbound := &http.Client{Transport: s.Middleware.Transport(site.HandlerTransport{Handler: s.Grid.API})}
				s.Mux.Handle("/upload", s.Middleware.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(3 * time.Minute)
					got, err := outbound.Do(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
					if assert.NoError(t, err) {
						got.Body.Close()
						w.WriteHeader(got.StatusCode)
					}
				})))
				v := s.SignIn(site.Demo)
				time.Sleep(13*time.Minute + time.Second)
				assert.Equal(t, http.StatusOK, v.Send(s, method, "/upload").StatusCode)
				assert.Len(t, s.Grid.Calls(site.RefreshCall), 1)
				assert.Empty(t, s.Events.Of(ecgridsession.SessionEnded))
			})
		})
	}
}

func TestAnImageBehindRequireAndASignOutWaitForNoRefresh(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignIn(site.Demo)
		time.Sleep(14 * time.Minute)
		assert.Equal(t, http.StatusOK, v.Get(s, "/private", "Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors").StatusCode)
		assert.Equal(t, http.StatusOK, v.Get(s, "/logout").StatusCode)
		assert.Equal(t, http.StatusOK, v.Get(s, "/login").StatusCode)
		assert.Equal(t, http.StatusOK, v.Get(s, "/session").StatusCode)
		// Behind Require, too.
		r := httptest.NewRequest(http.MethodPost, "/logout", nil)
		r.Header.Set("Cookie", site.Sent(v.Cookie))
		w := httptest.NewRecorder()
		s.Middleware.Require(s.Middleware.LogoutHandler()).ServeHTTP(w, r)
		assert.Equal(t, http.StatusSeeOther, w.Code)
		assert.Empty(t, s.Grid.Calls(site.RefreshCall))
	})
}

func TestSignInBehindRequireIsNamedInTheLogInsteadOfACircle(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) (*site.Site, http.Handler){
		"LoginHandler behind Require": func(t *testing.T) (*site.Site, http.Handler) {
			s := site.New(t)
			return s, s.Middleware.Require(s.Mux)
		},
		"LoginURL where another handler is": func(t *testing.T) (*site.Site, http.Handler) {
			s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.LoginURL = "/private?x=1" }))
			return s, s.Handler
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, app := start(t)
			server := site.Serve(t, app)
			path := "/login"
			if strings.HasPrefix(name, "LoginURL") {
				path = "/private"
			}
			for range 3 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path+"?return_to=%2F", nil)
				require.NoError(t, err)
				for i := 0; i < len(site.Click); i += 2 {
					req.Header.Set(site.Click[i], site.Click[i+1])
				}
				got, err := server.Client().Do(req) // follows redirects, ten at the most
				require.NoError(t, err)
				got.Body.Close()
				assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
			}
			logs := s.Logs.String()
			assert.Equal(t, 1, strings.Count(logs, "level=ERROR"), logs)
			assert.Contains(t, logs, "LoginURL")
			assert.Contains(t, logs, "Require")
		})
	}
}

func TestAnErrorWithoutASessionNamesTheMistake(t *testing.T) {
	s, another := site.New(t), site.New(t)
	errorsOf := func(m *ecgridsession.Middleware, ctx context.Context) []error {
		_, credential := m.Credential(ctx)
		streamed, cancel := m.EndWithSession(ctx)
		defer cancel()
		call, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Grid.URL+site.InboxCall, nil)
		require.NoError(t, err)
		_, sent := m.Transport(nil).RoundTrip(call)
		return []error{credential, context.Cause(streamed), sent}
	}
	for name, c := range map[string]struct {
		wrap  func(http.Handler) http.Handler
		ctx   func(*http.Request) context.Context
		names string
	}{
		"no Wrap":                      {func(h http.Handler) http.Handler { return h }, (*http.Request).Context, "Wrap or Require"},
		"another Middleware":           {another.Middleware.Wrap, (*http.Request).Context, "another Middleware"},
		"not the context of a request": {s.Middleware.Wrap, func(*http.Request) context.Context { return context.Background() }, "context is not that of the request"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := site.Serve(t, c.wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				for _, err := range errorsOf(s.Middleware, c.ctx(r)) {
					asked++
					assert.ErrorIs(t, err, ecgridsession.ErrNoSession)
					assert.ErrorContains(t, err, c.names)
				}
			})))
			got, err := server.Client().Get(server.URL)
			require.NoError(t, err)
			got.Body.Close()
			assert.Equal(t, 3, asked)
		})
	}
	t.Run("an anonymous request is no mistake", func(t *testing.T) {
		s.Browser().During(func(_ http.ResponseWriter, r *http.Request) {
			_, err := s.Middleware.Credential(r.Context())
			assert.Equal(t, ecgridsession.ErrNoSession, err)
		})
	})
}

func TestACredentialThatTheMemoryLedgerHasNotIsAskedAboutOnce(t *testing.T) {
	s := site.New(t)
	b := s.Browser().SignInByKey()
	s.Ledger.Memory = ecgridsession.NewMemoryLedger()
	replica := s.Replica()
	for range 3 {
		assert.Equal(t, "anonymous", b.WithCookie(replica).Get("/").Text)
	}
	logs := replica.Logs.String()
	assert.Equal(t, 1, strings.Count(logs, "level=WARN"), logs)
	assert.Contains(t, logs, "more than one process")
	assert.NotContains(t, s.Logs.String(), "level=WARN")
}

func TestTheRoutesPatternReachesHandlersAroundWrap(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Mux.HandleFunc("GET /parcels/{id}", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.PathValue("id"))
		})
		for _, cookie := range []string{"", site.Sent(b.Cookie().Value)} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/parcels/7", nil)
			r.Header.Set("Cookie", cookie)
			w := httptest.NewRecorder()
			s.Handler.ServeHTTP(w, r)
			assert.Equal(t, "7", w.Body.String())
			assert.Equal(t, "GET /parcels/{id}", r.Pattern)
		}
	})
}

// Adapters of serverless platforms build requests without RequestURI.
func TestARequestWithoutRequestURIFindsTheWayBackAndTheWayOut(t *testing.T) {
	s := site.New(t)
	ask := func(path, cookie string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.RequestURI = ""
		for i := 0; i < len(site.Click); i += 2 {
			r.Header.Set(site.Click[i], site.Click[i+1])
		}
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r)
		return w
	}
	away := ask("https://app.example/private?page=2", "")
	assert.Equal(t, "/login?return_to="+url.QueryEscape("/private?page=2"), away.Header().Get("Location"))

	cookie := site.Sent(s.CookieOf("bearer"))
	assert.Equal(t, http.StatusSeeOther, ask("https://app.example/logout", cookie).Code, "a proven click")
	assert.False(t, s.Knows(cookie))
}
