package cookies

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// What the answer says is decided by the state that the session has when the
// header is written.

func TestASignInThatIsRefreshedWithinItsRequestBringsTheNewestToken(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		s.Mux.HandleFunc("/in", func(w http.ResponseWriter, r *http.Request) {
			_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
			require.NoError(t, err)
			time.Sleep(site.UntilDue)
			_, err = s.Middleware.Credential(r.Context())
			require.NoError(t, err)
		})
		v := s.SignIn(site.Demo)
		setsCookieOnce(t, v.Post(s, "/in"), "sign-in")
		require.Len(t, s.Grid.Calls(site.RefreshCall), 1)
		s.Ledger.Memory = site.NewLedger().Memory
		assert.Equal(t, http.StatusOK, v.Post(s.Replica(), "/inbox").StatusCode, "by the cookie alone")
	})
}

func TestOfASignOutAndASignInWithinOneRequestTheLastCounts(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		in := func(w http.ResponseWriter, r *http.Request) {
			_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
			assert.NoError(t, err)
		}
		out := func(w http.ResponseWriter, r *http.Request) {
			_, err := s.Middleware.Logout(w, r)
			assert.NoError(t, err)
		}
		s.Mux.HandleFunc("/out-in", func(w http.ResponseWriter, r *http.Request) { out(w, r); in(w, r); clear(w.Header()) })
		s.Mux.HandleFunc("/in-out", func(w http.ResponseWriter, r *http.Request) { in(w, r); out(w, r); clear(w.Header()) })
		v := s.SignIn(site.Demo)
		setsCookieOnce(t, v.Post(s, "/out-in"), "out, and in again")
		assert.Equal(t, "user demo", v.Get(s, "/").Text)
		got := v.Post(s, "/in-out")
		assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
		synctest.Wait() // the background revokes what a sign-in has replaced
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	})
}

// A handler may have lost the request's context on the way.
func TestASignInWithoutTheRequestsContextKeepsItsCookie(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		s.Mux.HandleFunc("/in", func(w http.ResponseWriter, r *http.Request) {
			_, err := s.Middleware.Login(w, r.WithContext(context.Background()), site.Demo.Login, site.Demo.Password)
			assert.NoError(t, err)
		})
		s.Mux.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
			_, err := s.Middleware.Logout(w, r.WithContext(context.Background()))
			assert.NoError(t, err)
		})
		v := s.SignIn(site.Demo)
		old := v.Copy()
		setsCookieOnce(t, v.Post(s, "/in"), "sign-in")
		assert.Equal(t, "anonymous", old.Get(s, "/").Text)
		assert.Equal(t, "user demo", v.Get(s, "/").Text)
		assert.Equal(t, []string{site.Deletion}, v.Post(s, "/out").SessionCookies())
	})
}

func TestASessionThatReachesItsAbsoluteEndWithinARequestGetsNoCookie(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		s.Mux.HandleFunc("/upload", func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Minute) })
		s.Grid.SetTokenTTL(24 * time.Hour)
		v := s.SignIn(site.Demo)
		for range 47 { // to 7:50
			time.Sleep(10 * time.Minute)
			require.Equal(t, "user demo", v.Get(s, "/").Text)
		}
		assert.Empty(t, v.Post(s, "/upload").Header["Set-Cookie"])
	})
}

func TestADueCookieCostsOneCallMoreOfTheLedgerAndNoneWhileThatIsDown(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignIn(site.Demo)
		calls := func(want int64, what string) {
			t.Helper()
			before := s.Ledger.Loads.Load()
			require.Equal(t, "user demo", v.Get(s, "/").Text)
			assert.Equal(t, want, s.Ledger.Loads.Load()-before, what)
		}
		calls(1, "nothing is due")
		time.Sleep(dueIn)
		s.Ledger.RefuseAll()
		calls(1, "due, and down")
		s.Ledger.Recover()
		time.Sleep(dueIn)
		calls(2, "due")
		calls(1, "nothing is due")
	})
}

func TestASignOutByAnImageReachesTheBrowser(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignIn(site.Demo)
		time.Sleep(dueIn)
		image := []string{"Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin"}
		assert.Empty(t, v.Get(s, "/", image...).Header["Set-Cookie"])
		assert.Equal(t, []string{site.Deletion}, v.Post(s, "/logout", image...).SessionCookies())
	})
}

func TestOutsideOfWrapASignInAndASignOutSetTheirLineAtOnce(t *testing.T) {
	s := site.New(t, site.InProcess())
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	w := httptest.NewRecorder()
	_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
	require.NoError(t, err)
	require.Len(t, w.Header()["Set-Cookie"], 1)
	r.AddCookie(w.Result().Cookies()[0])
	w = httptest.NewRecorder()
	_, err = s.Middleware.Logout(w, r)
	require.NoError(t, err)
	assert.Equal(t, []string{site.Deletion}, w.Header()["Set-Cookie"])
	assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
}
