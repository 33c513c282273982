package requests

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestAUserSignsInCallsECGridAndSignsOut(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		assert.Equal(t, "user demo", b.Get("/").Text)
		inbox := b.Get("/inbox")
		require.Equal(t, http.StatusOK, inbox.StatusCode, inbox.Text)
		assert.Contains(t, inbox.Text, "parcelId")

		thief := b.WithCookie(s)
		out := b.Post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, out.StatusCode)
		assert.Equal(t, []string{site.Deletion}, out.SessionCookies())
		assert.Equal(t, "anonymous", b.Get("/").Text)
		assert.Equal(t, "anonymous", thief.Get("/").Text)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		assert.Len(t, s.Grid.Calls("/v2/auth/logout"), 1)
	})
}
