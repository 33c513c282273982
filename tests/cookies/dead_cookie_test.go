package cookies

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestALateAnswerWithADeadCookieLeavesTheCookieOfTheNextSignIn(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for name, header := range map[string][]string{"page": site.Click, "script": site.FetchCall, "neither": nil} {
			arrived, release := make(chan struct{}), make(chan struct{})
			path := "/slow/" + name
			s.Mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
				close(arrived)
				<-release
				io.WriteString(w, "late")
			})
			b.WithCookie(s).Post("/logout", nil) // in another tab
			late := make(chan site.Answer)
			go func() {
				got, err := b.Try(context.Background(), http.MethodGet, path, nil, header...)
				assert.NoError(t, err)
				late <- got
			}()
			<-arrived
			b.SignIn()
			close(release)
			assert.Empty(t, (<-late).Header["Set-Cookie"], name)
			assert.True(t, b.SignedIn(), name)
		}
	})
}

// Its session was open when the slow request began.
func TestALateAnswerDoesNotPutTheCookieOfAnEndedSessionOverTheNextOne(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.AheadBy(dueIn)
		arrived, release := make(chan struct{}), make(chan struct{})
		s.Mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			<-release
			io.WriteString(w, "late")
		})
		late := make(chan site.Answer)
		go func() {
			got, err := b.Try(context.Background(), http.MethodGet, "/slow", nil, site.Click...)
			assert.NoError(t, err)
			late <- got
		}()
		<-arrived
		b.SignIn()
		close(release)
		assert.Empty(t, (<-late).Header["Set-Cookie"])
		assert.True(t, b.SignedIn())
	})
}

func TestADeadCookieIsDeletedOnTheWayToSignInAlone(t *testing.T) {
	for name, spoil := range map[string]func(value string) string{
		"ended":      func(value string) string { return value },
		"unreadable": func(string) string { return "garbage" },
		"cut":        func(value string) string { return value[:len(value)/2] },
		"empty":      func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				value := b.Cookie().Value
				b.Post("/logout", nil)
				dead := []string{"Cookie", site.Sent(spoil(value))}
				bare := b.Bare()
				for _, header := range [][]string{site.Click, site.FetchCall, nil} {
					assert.Empty(t, bare.Get("/", append(dead, header...)...).Header["Set-Cookie"])
					assert.Empty(t, bare.Get("/session", append(dead, header...)...).Header["Set-Cookie"])
					setsCookieOnce(t, bare.Get("/login", append(dead, header...)...), "the sign-in page")
					setsCookieOnce(t, bare.Post("/logout", nil, append(dead, header...)...), "sign-out")
				}
				assert.Empty(t, bare.Get("/private", append(dead, site.FetchCall...)...).Header["Set-Cookie"])
				got := bare.Get("/private", append(dead, site.Click...)...)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				setsCookieOnce(t, got, "the way to sign-in")
			})
		})
	}
}

func TestTheSignInPageKeepsTheCookieOfASessionThatTheLedgerCannotSpeakFor(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignInByKey(site.Demo)
		s.Ledger.RefuseAll()
		assert.Empty(t, v.Get(s, "/login", site.Click...).Header["Set-Cookie"])
		s.Ledger.Recover()
		assert.Equal(t, "user demo", v.Get(s, "/").Text)
	})
}
