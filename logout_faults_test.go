package ecgridsession_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

func TestTheUserIsSignedOutHereWhateverECGridDoes(t *testing.T) {
	for name, fault := range upstreamFaults {
		for kind, signIn := range bothKinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				g := throughGateway(t)
				s := g.site
				b := signIn(s.browser())
				copied := b.withCookie(s)
				fault.install(g)

				began := time.Now()
				got := b.post("/logout", nil)
				assert.Less(t, time.Since(began), bounded)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				requireDeletion(t, got)
				assert.Equal(t, http.StatusUnauthorized, copied.get("/session", fetchCall...).StatusCode)
				assert.Zero(t, g.stray.Load(), "nobody else sees the credential")

				out := s.events.of(ecgridsession.LoggedOut)
				require.Len(t, out, 1)
				assert.Equal(t, fault.logout.String(), out[0].Outcome.String())
				if fault.logout == alreadyInvalid {
					assert.NoError(t, out[0].Err)
				} else {
					assert.Error(t, out[0].Err)
				}
			})
		}
	}
}

func TestAConfirmationIsOneWithoutAMessageToo(t *testing.T) {
	for name, text := range map[string]string{
		"as documented":     wellDone,
		"without the rest":  `{"success":true}`,
		"in another layout": " { \"data\" : null ,\n \"success\" : true } ",
		"with more fields":  `{"success":true,"data":{"a":[1]},"success2":false}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := throughGateway(t)
			b := g.site.browser().signIn()
			body(200, text)(g)
			b.post("/logout", nil)
			out := g.site.events.of(ecgridsession.LoggedOut)
			require.Len(t, out, 1)
			assert.Equal(t, "confirmed", out[0].Outcome.String())
		})
	}
}
