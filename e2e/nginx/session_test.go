//go:build unix

package nginx_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAUserSignsInCallsECGridAndSignsOutBehindNginx(t *testing.T) {
	eachWay(t, bare, func(t *testing.T, s *site, b *browser) {
		assert.Equal(t, `user "demo"`, b.get("/").body)
		inbox := b.get("/inbox")
		assert.Equal(t, http.StatusOK, inbox.StatusCode)
		assert.Contains(t, inbox.body, "parcelId")

		thief := s.thief(b)
		out := b.post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, out.StatusCode, out.body)
		assert.Equal(t, "/", out.Header.Get("Location"))
		assert.True(t, out.deletes(), out.Header["Set-Cookie"])
		assert.Empty(t, b.sessionCookie())
		assert.False(t, b.signedIn())
		assert.False(t, thief.signedIn())
		assert.Len(t, s.grid.Calls(logoutPath), 1)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
}
