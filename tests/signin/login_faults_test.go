package signin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestNobodyIsSignedInUnlessECGridSaysSo(t *testing.T) {
	for name, fault := range site.UpstreamFaults {
		for kind, form := range map[string]url.Values{
			"bearer":  {"login": {site.Demo.Login}, "password": {site.Demo.Password}},
			"API key": {"api_key": {site.Demo.APIKey}},
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				g := site.ThroughGateway(t, fault.Deadlines)
				s := g.Site
				fault.Install(g)
				b := s.Browser()
				began := time.Now()
				got := b.Post("/login", form, "Accept", "text/html")
				assert.Less(t, time.Since(began), site.Bounded)
				if fault.SignIn != 0 {
					assert.Equal(t, fault.SignIn, got.StatusCode)
				} else {
					assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
					seconds, err := strconv.Atoi(got.Header.Get("Retry-After"))
					require.NoError(t, err)
					assert.True(t, seconds >= 1 && seconds <= 3600, seconds)
				}
				site.RequireNoCookie(t, got)
				assert.Empty(t, s.Events.Of(ecgridsession.SessionStarted))
				failed := s.Events.Of(ecgridsession.SignInFailed)
				if assert.Len(t, failed, 1) {
					assert.Error(t, failed[0].Err)
					assert.Zero(t, failed[0].Session, "the login may be a password, typed into the wrong field")
				}
				assert.Zero(t, g.Stray.Load(), "nobody else sees the password or the key")
			})
		}
	}
}

func TestASignInThatECGridCannotServeLeavesTheSessionThatWasThere(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for _, call := range []string{site.LoginCall, site.SessionCall} {
			s.Grid.Inject(ecgridtest.Fault{Path: call, Status: 503})
		}
		for _, form := range []url.Values{
			{"login": {site.Demo.Login}, "password": {site.Demo.Password}},
			{"api_key": {site.Demo.APIKey}},
		} {
			got := b.Post("/login", form)
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			site.RequireNoCookie(t, got)
		}
		assert.True(t, b.SignedIn())
	})
}

func TestTheUserIsToldWhenToTryToSignInAgain(t *testing.T) {
	for name, c := range map[string]struct{ said, told string }{
		"seconds":        {"7", "7"},
		"nothing":        {"", "5"},
		"zero":           {"0", "5"},
		"a negative":     {"-7", "5"},
		"a real number":  {"7.5", "5"},
		"garbage":        {"soon", "5"},
		"an eternity":    {"1000000000", "3600"},
		"a past date":    {"Mon, 02 Jan 2006 15:04:05 GMT", "5"},
		"a far-off date": {"Mon, 02 Jan 2090 15:04:05 GMT", "3600"},
	} {
		for _, status := range []int{429, 500, 503} {
			t.Run(name+", "+strconv.Itoa(status), func(t *testing.T) {
				s := site.New(t)
				s.Grid.Inject(ecgridtest.Fault{Status: status, Header: http.Header{"Retry-After": {c.said}}})
				got := s.Browser().Post("/login", url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}})
				assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
				assert.Equal(t, []string{c.told}, got.Header["Retry-After"])
				site.RequireNoCookie(t, got)
			})
		}
	}
}

func TestLoginAndStartTellWhatWentWrong(t *testing.T) {
	s := site.New(t)
	s.Grid.Inject(ecgridtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}})
	for name, start := range map[string]func(http.ResponseWriter, *http.Request) error{
		"Login": func(w http.ResponseWriter, r *http.Request) error {
			_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
			return err
		},
		"Start": func(w http.ResponseWriter, r *http.Request) error {
			_, err := s.Middleware.Start(w, r, ecgridsession.Credential{APIKey: site.Demo.APIKey})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			err := start(w, httptest.NewRequest(http.MethodPost, "/", nil))
			var upstream *ecgridsession.UpstreamError
			require.True(t, errors.As(err, &upstream))
			assert.Equal(t, ecgridsession.UpstreamError{StatusCode: 429, Code: "RateLimitExceeded", RetryAfter: 7 * time.Second}, *upstream)
			assert.NotContains(t, w.Header(), "Set-Cookie")
		})
	}
}

func TestATokenThatIsNotOneIsNotTaken(t *testing.T) {
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	for name, data := range map[string]string{
		"no data":             `null`,
		"no token":            `{"expiresAt":"` + tomorrow + `","userId":4711}`,
		"an empty token":      `{"token":"","expiresAt":"` + tomorrow + `","userId":4711}`,
		"a second line":       `{"token":"a\r\nX-Evil: 1","expiresAt":"` + tomorrow + `","userId":4711}`,
		"no user":             `{"token":"a","expiresAt":"` + tomorrow + `"}`,
		"user 0":              `{"token":"a","expiresAt":"` + tomorrow + `","userId":0}`,
		"a user as text":      `{"token":"a","expiresAt":"` + tomorrow + `","userId":"4711"}`,
		"a user twice":        `{"token":"a","expiresAt":"` + tomorrow + `","userId":1,"userId":4711}`,
		"no expiry":           `{"token":"a","userId":4711}`,
		"an expiry long past": `{"token":"a","expiresAt":"2006-01-02T15:04:05Z","userId":4711}`,
		"an absurd expiry":    `{"token":"a","expiresAt":"9999-12-31T23:59:59Z","userId":4711}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := site.New(t)
			s.Grid.Inject(ecgridtest.Fault{Path: site.LoginCall, Body: `{"success":true,"data":` + data + `}`})
			got := s.Browser().Post("/login", url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}})
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			site.RequireNoCookie(t, got)
			assert.Empty(t, s.Events.Of(ecgridsession.SessionStarted))
		})
	}
}
