package tests

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAUserSignsInCallsECGridAndSignsOut(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		assert.Equal(t, "user demo", b.get("/").body)
		inbox := b.get("/inbox")
		require.Equal(t, http.StatusOK, inbox.StatusCode, inbox.body)
		assert.Contains(t, inbox.body, "parcelId")

		thief := b.withCookie(s)
		out := b.post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, out.StatusCode)
		assert.Equal(t, []string{deletion}, out.sessionCookies())
		assert.Equal(t, "anonymous", b.get("/").body)
		assert.Equal(t, "anonymous", thief.get("/").body)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
		assert.Len(t, s.grid.Calls("/v2/auth/logout"), 1)
	})
}
