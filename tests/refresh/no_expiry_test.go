package refresh

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// Neither the refresh nor the session call says when the token expires. It may live for as long as the session, so the
// ledger must know of it for as long: an older cookie holds a token that is dead.
func TestARefreshedTokenWithoutAnExpiryIsFoundByOlderCookies(t *testing.T) {
	for name, session := range map[string]ecgridtest.Fault{
		"the session call says none":   {Path: site.SessionCall, Body: `{"success":true,"data":{"userId":4711,"login":"demo"}}`},
		"the session call is down":     {Path: site.SessionCall, Status: http.StatusServiceUnavailable},
		"the session call is rejected": {Path: site.SessionCall, Status: http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := site.New(t, site.InProcess())
				v := s.SignIn(site.Demo)
				old := v.Copy()
				s.Grid.SetTokenTTL(24 * time.Hour)
				token := s.Grid.Issue(site.Demo.ID).Token
				s.Grid.Inject(session)
				s.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Body: fmt.Sprintf(`{"success":true,"data":{"token":%q}}`, token)})
				time.Sleep(14 * time.Minute)
				require.Equal(t, http.StatusOK, v.Get(s, "/private").StatusCode)
				require.True(t, token == v.Token(s))
				time.Sleep(15 * time.Minute) // over every slack, and under the idle limit of the older cookie
				assert.True(t, token == old.Token(s))
				assert.Len(t, s.Grid.Calls(site.RefreshCall), 1, "without an expiry it is never due")
				assert.Equal(t, http.StatusOK, old.Get(s, "/inbox").StatusCode)
			})
		})
	}
}
