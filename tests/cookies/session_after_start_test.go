package cookies

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// A sign-in that ends in a GET may tell the page's scripts of the session at once. What SessionHandler takes back there is the cookie that
// Wrap has set for the session before, not that of the new one.
func TestAskingForTheSessionKeepsTheCookieOfASignInWithinTheSameRequest(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		cookie = s.Aged(cookie, 10*time.Minute) // so that Wrap would set it again
		callback := s.Middleware.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
			require.NoError(t, err)
			s.Middleware.SessionHandler().ServeHTTP(w, r)
		}))
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/callback", nil)
		r.Header.Set("Cookie", site.Sent(cookie))
		callback.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		cookies := w.Result().Cookies()
		require.Len(t, cookies, 1)
		assert.True(t, s.Knows(site.Sent(cookies[0].Value)), "the new session opens")
		assert.False(t, s.Knows(site.Sent(cookie)), "the one before does not")
	})
}
