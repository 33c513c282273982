package tests

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A sign-in that ends in a GET may tell the page's scripts of the session at once. What SessionHandler takes back there is the cookie that
// Wrap has set for the session before, not that of the new one.
func TestAskingForTheSessionKeepsTheCookieOfASignInWithinTheSameRequest(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		setNow(s.m, func() time.Time { return time.Now().Add(10 * time.Minute) }) // so that Wrap sets it anew
		callback := s.m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := s.m.Login(w, r, demo.Login, demo.Password)
			require.NoError(t, err)
			s.m.SessionHandler().ServeHTTP(w, r)
		}))
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/callback", nil)
		r.Header.Set("Cookie", sent(cookie))
		callback.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		cookies := w.Result().Cookies()
		require.Len(t, cookies, 1)
		assert.True(t, s.known(sent(cookies[0].Value)), "the new session opens")
		assert.False(t, s.known(sent(cookie)), "the one before does not")
	})
}
