package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

func TestTheUserIsSignedOutHereWhateverECGridDoes(t *testing.T) {
	for name, fault := range upstreamFaults {
		for kind, signIn := range signInKinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				g := throughGateway(t, fault.deadlines)
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

// saying is an envelope whose message is what a hostile upstream makes of it.
func saying(success bool, message string) string {
	quoted, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"success":%v,"data":null,"errorCode":"canary-code\u001b[31m","message":%s}`, success, quoted)
}

func TestWhatECGridSaysIsNeverShownNorLogged(t *testing.T) {
	for name, message := range map[string]string{
		"a token":       "canary-token",
		"a second line": "canary\r\nSet-Cookie: canary=1\r\nlevel=ERROR",
		"ANSI":          "\x1b[2Jcanary\x1b]0;canary\a",
		"a page":        "<script>canary()</script>",
		"a megabyte":    "canary" + strings.Repeat("x", 1<<20),
	} {
		for _, status := range []int{200, 400, 401, 403, 404, 429, 500, 503} {
			t.Run(fmt.Sprint(name, ", ", status), func(t *testing.T) {
				g := throughGateway(t)
				s := g.site
				var shown []string
				show := func(got answer) {
					shown = append(shown, got.body)
					for name, values := range got.Header {
						shown = append(shown, name+": "+strings.Join(values, "\n"))
					}
				}
				clock := s.clockOf()
				b := s.browser().signIn()
				body(status, saying(false, message), "Retry-After", "canary", "X-Canary", "canary")(g)
				clock.advance(untilDue)
				show(b.get("/private")) // asks for a fresh token
				require.Len(t, s.events.of(ecgridsession.RefreshFailed), 1)
				for _, accept := range []string{"text/html", "application/json"} {
					show(s.browser().post("/login", url.Values{"login": {"x"}, "password": {"y"}}, "Accept", accept))
					show(s.browser().post("/login", url.Values{"api_key": {"y"}}, "Accept", accept))
				}
				show(b.post("/logout", nil))
				_ = s.m.Close(t.Context())
				for _, kind := range []ecgridsession.EventKind{ecgridsession.RefreshFailed, ecgridsession.LoggedOut, ecgridsession.RevocationGaveUp} {
					for _, e := range s.events.of(kind) {
						shown = append(shown, fmt.Sprintf("%v %+v %#v", e, e, e.Err))
					}
				}
				require.NotEmpty(t, shown)
				shown = append(shown, s.logs.String())
				for _, text := range shown {
					assert.NotContains(t, text, "canary")
					assert.NotContains(t, text, "\x1b")
				}
			})
		}
	}
}
