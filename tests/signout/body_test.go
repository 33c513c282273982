package signout

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// The server logs no panic: the harness fails the test for one. What net/http
// made of a body that the handler left was "invalid concurrent Body.Read call".
func TestABodyAtSignOutCostsTheConnectionAndNothingElse(t *testing.T) {
	bodies := map[string]func() (io.Reader, bool){
		"none":          func() (io.Reader, bool) { return nil, true },
		"a form":        func() (io.Reader, bool) { return strings.NewReader("csrf=abc"), false },
		"a chunked one": func() (io.Reader, bool) { return io.MultiReader(strings.NewReader("csrf=abc")), false },
		"1 MiB":         func() (io.Reader, bool) { return strings.NewReader(strings.Repeat("x", 1<<20)), false },
	}
	for _, path := range []string{"/logout", "/everywhere"} {
		for name, body := range bodies {
			t.Run(path+" "+name, func(t *testing.T) {
				s := site.New(t)
				for range 20 {
					b := s.HTTP1().SignIn()
					sent, reuses := body()
					got := b.Do(http.MethodPost, path, sent, "Content-Type", "application/x-www-form-urlencoded")
					require.Equal(t, http.StatusSeeOther, got.StatusCode)
					assert.Equal(t, !reuses, got.Close, "Connection: close")

					reused := false
					ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
						GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
					})
					next, err := b.Try(ctx, http.MethodGet, "/", nil)
					require.NoError(t, err)
					assert.Equal(t, "anonymous", next.Text)
					assert.Equal(t, reuses, reused)
				}
				assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
			})
		}
	}
	t.Run("HTTP/2 keeps the connection", func(t *testing.T) {
		s := site.New(t)
		b := s.Browser().SignIn()
		got := b.Do(http.MethodPost, "/logout", strings.NewReader("csrf=abc"))
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		for range 3 { // the server says that it closes a while before it does
			reused := false
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
			})
			_, err := b.Try(ctx, http.MethodGet, "/", nil)
			require.NoError(t, err)
			assert.True(t, reused)
		}
	})
}

// A body that a middleware of the app has read is no different.
func TestABodyThatTheAppHasReadDoesNotMatterAtSignOut(t *testing.T) {
	s := site.New(t)
	s.Mux.HandleFunc("/read/logout", func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "abc", r.FormValue("csrf"))
		s.Middleware.LogoutHandler().ServeHTTP(w, r)
	})
	for range 20 {
		b := s.HTTP1().SignIn()
		got := b.Do(http.MethodPost, "/read/logout", strings.NewReader("csrf=abc"), "Content-Type", "application/x-www-form-urlencoded")
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "anonymous", b.Get("/").Text)
	}
}
