package signout

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
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestTheUserIsSignedOutHereWhateverECGridDoes(t *testing.T) {
	for name, fault := range site.UpstreamFaults {
		for kind, signIn := range site.SignInKinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				g := site.ThroughGateway(t, fault.Deadlines)
				s := g.Site
				b := signIn(s.Browser())
				copied := b.WithCookie(s)
				fault.Install(g)

				began := time.Now()
				got := b.Post("/logout", nil)
				assert.Less(t, time.Since(began), site.Bounded)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				site.RequireDeletion(t, got)
				assert.Equal(t, http.StatusUnauthorized, copied.Get("/session", site.FetchCall...).StatusCode)
				assert.Zero(t, g.Stray.Load(), "nobody else sees the credential")

				out := s.Events.Of(ecgridsession.LoggedOut)
				require.Len(t, out, 1)
				assert.Equal(t, fault.Logout.String(), out[0].Outcome.String())
				if fault.Logout == site.AlreadyInvalid {
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
		"as documented":     site.WellDone,
		"without the rest":  `{"success":true}`,
		"in another layout": " { \"data\" : null ,\n \"success\" : true } ",
		"with more fields":  `{"success":true,"data":{"a":[1]},"success2":false}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := site.ThroughGateway(t)
			b := g.Site.Browser().SignIn()
			site.Answering(200, text)(g)
			b.Post("/logout", nil)
			out := g.Site.Events.Of(ecgridsession.LoggedOut)
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
				g := site.ThroughGateway(t)
				s := g.Site
				var shown []string
				show := func(got site.Answer) {
					shown = append(shown, got.Text)
					for name, values := range got.Header {
						shown = append(shown, name+": "+strings.Join(values, "\n"))
					}
				}
				b := s.Browser().SignIn()
				site.Answering(status, saying(false, message), "Retry-After", "canary", "X-Canary", "canary")(g)
				b.Age(site.UntilDue)
				show(b.Get("/private")) // asks for a fresh token
				require.Len(t, s.Events.Of(ecgridsession.RefreshFailed), 1)
				for _, accept := range []string{"text/html", "application/json"} {
					show(s.Browser().Post("/login", url.Values{"login": {"x"}, "password": {"y"}}, "Accept", accept))
					show(s.Browser().Post("/login", url.Values{"api_key": {"y"}}, "Accept", accept))
				}
				show(b.Post("/logout", nil))
				_ = s.Middleware.Close(t.Context())
				for _, kind := range []ecgridsession.EventKind{ecgridsession.RefreshFailed, ecgridsession.LoggedOut, ecgridsession.RevocationGaveUp} {
					for _, e := range s.Events.Of(kind) {
						shown = append(shown, fmt.Sprintf("%v %+v %#v", e, e, e.Err))
					}
				}
				require.NotEmpty(t, shown)
				shown = append(shown, s.Logs.String())
				for _, text := range shown {
					assert.NotContains(t, text, "canary")
					assert.NotContains(t, text, "\x1b")
				}
			})
		}
	}
}
