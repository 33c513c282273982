package cookies

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestReplicasWhoseClocksAreFiveMinutesApartShareSessions(t *testing.T) {
	for _, apart := range []time.Duration{-5 * time.Minute, -90 * time.Second, 90 * time.Second, 5 * time.Minute} {
		t.Run(apart.String(), func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, s *site.Site) {
				other := s.Replica().AheadBy(apart)
				for _, first := range []*site.Site{other, s} {
					v := first.SignInByKey(site.Demo)
					for range 30 {
						require.Equal(t, "user demo", v.Get(s, "/").Text)
						require.Equal(t, "user demo", v.Get(other, "/").Text)
						time.Sleep(10 * time.Minute)
					}
				}
			})
		})
	}
}

func TestACookieWhoseTimesLookWrongCanBeSignedOut(t *testing.T) {
	for name, end := range map[string]func(v *site.Visitor, s *site.Site){
		"sign-out":            func(v *site.Visitor, s *site.Site) { v.Post(s, "/logout") },
		"sign-out everywhere": func(v *site.Visitor, s *site.Site) { v.Post(s, "/everywhere") },
		"sign-in":             func(v *site.Visitor, s *site.Site) { *v = *signInOver(v, s) },
	} {
		t.Run(name, func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, s *site.Site) {
				fast := s.Replica().AheadBy(time.Hour)
				v := fast.SignIn(site.Demo)
				stolen := v.Copy()
				require.Equal(t, 1, s.Grid.LiveTokens(site.Demo.ID))
				require.Equal(t, "anonymous", stolen.Copy().Get(s, "/").Text, "it begins in an hour")
				end(v, s)
				require.NoError(t, s.Middleware.Close(t.Context()))
				assert.Equal(t, "anonymous", stolen.Get(fast, "/").Text)
				assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
			})
		})
	}
}

func signInOver(v *site.Visitor, s *site.Site) *site.Visitor {
	form := url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}}
	v.SendForm(context.Background(), s, http.MethodPost, "/login", form)
	return v
}

func TestWorkInAFrameIsUse(t *testing.T) {
	frames := [][]string{
		{"Sec-Fetch-Dest", "iframe"}, {"Sec-Fetch-Dest", "frame"},
		{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "object", "Sec-Fetch-Mode", "navigate"},
	}
	for _, frame := range frames {
		t.Run(fmt.Sprint(frame), func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, s *site.Site) {
				v := s.SignInByKey(site.Demo)
				for range 6 {
					time.Sleep(20 * time.Minute)
					require.Equal(t, "user demo", v.Get(s, "/", frame...).Text)
				}
			})
		})
	}
	t.Run("an image is not", func(t *testing.T) {
		site.InBubble(t, func(t *testing.T, s *site.Site) {
			v := s.SignInByKey(site.Demo)
			time.Sleep(20 * time.Minute)
			assert.Empty(t, v.Get(s, "/", "Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors").Header["Set-Cookie"])
		})
	})
}

func TestAskingForTheSessionProlongsNothingAndStillBringsTheNewToken(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignIn(site.Demo)
		old := v.Copy()
		time.Sleep(14 * time.Minute)
		require.Equal(t, http.StatusOK, v.Post(s, "/token").StatusCode)
		got := old.Get(s, "/session")
		setsCookieOnce(t, got, "the newer token")
		time.Sleep(16*time.Minute + time.Second)
		assert.Equal(t, http.StatusUnauthorized, old.Get(s, "/session").StatusCode, "half an hour after the sign-in")
		assert.Equal(t, http.StatusOK, v.Get(s, "/session").StatusCode)
	})
}

func TestAnUploadThatTakesLongerThanTheIdleLimitIsUse(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		s.Mux.HandleFunc("/upload", func(http.ResponseWriter, *http.Request) { time.Sleep(40 * time.Minute) })
		v := s.SignInByKey(site.Demo)
		setsCookieOnce(t, v.Post(s, "/upload"), "the answer to the upload")
		time.Sleep(29 * time.Minute)
		assert.Equal(t, "user demo", v.Get(s, "/").Text)
	})
}
