package signin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// dialects are those of the vendor's pages, with the name of the login field that each wants and what a user types.
var dialects = map[string]struct {
	dialect         ecgridtest.Dialect
	field           string
	login, password string
}{
	"endpoint pages": {ecgridtest.DialectEndpoints, "login", site.Demo.Login, site.Demo.Password},
	"guide":          {ecgridtest.DialectGuide, "email", site.Demo.Login, site.Demo.Password},
	"support page":   {ecgridtest.DialectSupport, "username", site.Demo.Login, site.Demo.Password},
	"code samples":   {ecgridtest.DialectSamples, "apiKey", site.Demo.APIKey, ""},
}

func TestEveryDialectSignsInCallsRefreshesAndSignsOut(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			s := site.New(t, site.With(func(c *ecgridsession.Config) {
				c.LoginField = d.field
				c.RefreshBefore = time.Hour
			}))
			s.Grid.SetDialect(d.dialect)
			s.Grid.SetTokenTTL(2 * time.Second) // due after half of it
			b := s.Browser()
			got := b.Post("/login", url.Values{"login": {d.login}, "password": {d.password}})
			require.Equal(t, http.StatusSeeOther, got.StatusCode, got.Text)

			var told struct {
				UserID         int64
				Login          string
				TokenExpiresAt time.Time
			}
			require.NoError(t, json.Unmarshal([]byte(b.Get("/session").Text), &told))
			assert.Equal(t, site.Demo.ID, told.UserID)
			assert.Equal(t, site.Demo.Login, told.Login, "never the key that was typed")
			assert.WithinDuration(t, time.Now().Add(2*time.Second), told.TokenExpiresAt, 30*time.Second)

			s.Grid.SetTokenTTL(time.Hour)
			require.Eventually(t, func() bool {
				b.Get("/private")
				return len(s.Events.Of(ecgridsession.SessionRefreshed)) == 1
			}, site.Patience, site.Tick)
			assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode)
			assert.Equal(t, 1, s.Grid.LiveTokens(site.Demo.ID))
			assert.Equal(t, http.StatusOK, s.Grid.Calls(site.RefreshCall)[0].Status)

			assert.Equal(t, http.StatusSeeOther, b.Post("/logout", nil).StatusCode)
			require.Len(t, s.Events.Of(ecgridsession.LoggedOut), 1)
			assert.Equal(t, ecgridsession.LogoutConfirmed, s.Events.Of(ecgridsession.LoggedOut)[0].Outcome)
			assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
			assert.NotContains(t, s.Logs.String(), site.Demo.APIKey)
		})
	}
}

func TestEveryDialectSignsInByAPIKey(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			s := site.New(t)
			s.Grid.SetDialect(d.dialect)
			b := s.Browser().SignInByKey()
			assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode)
			assert.Equal(t, http.StatusUnauthorized, b.Post("/login", url.Values{"api_key": {"unknown"}}).StatusCode)
			assert.True(t, b.SignedIn(), "a key that is refused costs no session")
		})
	}
}

func TestEveryDialectTellsAWrongPasswordFromAnOutage(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			s := site.New(t, site.With(func(c *ecgridsession.Config) { c.LoginField = d.field }))
			s.Grid.SetDialect(d.dialect)
			b := s.Browser()
			got := b.Post("/login", url.Values{"login": {"unknown-secret"}, "password": {"wrong"}})
			assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
			assert.Equal(t, d.field == "apiKey", !strings.Contains(got.Text, "unknown-secret"), "a key is not shown again")
			s.Grid.Inject(ecgridtest.Fault{Path: site.LoginCall, Status: http.StatusServiceUnavailable})
			assert.Equal(t, http.StatusServiceUnavailable, b.Post("/login", url.Values{"login": {d.login}, "password": {d.password}}).StatusCode)
		})
	}
}

func TestEveryDialectEndsTheSessionWhoseTokenIsRefused(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			s := site.New(t, site.With(func(c *ecgridsession.Config) { c.LoginField = d.field }))
			s.Grid.SetDialect(d.dialect)
			b := s.Browser()
			require.Equal(t, http.StatusSeeOther, b.Post("/login", url.Values{"login": {d.login}, "password": {d.password}}).StatusCode)
			require.Eventually(t, func() bool { return s.Grid.LiveTokens(site.Demo.ID) == 1 }, site.Patience, site.Tick)
			endAtECGrid(t, s, b)
			assert.Equal(t, http.StatusUnauthorized, b.Get("/inbox").StatusCode)
			assert.False(t, b.SignedIn())
		})
	}
}

// endAtECGrid ends the token of a browser's session behind the library's back.
func endAtECGrid(t *testing.T, s *site.Site, b *site.Browser) {
	t.Helper()
	b.During(func(_ http.ResponseWriter, r *http.Request) {
		c, err := s.Middleware.Credential(r.Context())
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Grid.URL+site.LogoutCall, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+c.Token)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		io.Copy(io.Discard, resp.Body)
		require.NoError(t, resp.Body.Close())
	})
}

// A token that ECGrid has issued and no session can be made of would live on.
func TestAGrantThatCannotBeUsedIsRevoked(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for name, c := range map[string]struct {
		data    string // of the login, around the token
		session *ecgridtest.Fault
	}{
		"expired long ago":     {`"expiresAt":"` + in(-time.Hour) + `","userId":4711`, nil},
		"expires in year 9999": {`"expiresAt":"9999-12-31T23:59:59Z","userId":4711`, nil},
		"expires soon":         {`"expiresAt":"soon","userId":4711`, nil},
		"user 0":               {`"userId":0,"expiresAt":"` + in(time.Hour) + `"`, nil},
		"user as text":         {`"userId":"4711","expiresAt":"` + in(time.Hour) + `"`, nil},
		"a field twice":        {`"userId":4711,"userId":4711,"expiresAt":"` + in(time.Hour) + `"`, nil},
		"a bad refresh token":  {`"refreshToken":"a b","userId":4711,"expiresAt":"` + in(time.Hour) + `"`, nil},
		"another user":         {`"userId":4712`, nil},
		"no user, an outage": {`"expiresAt":"` + in(time.Hour) + `"`,
			&ecgridtest.Fault{Path: site.SessionCall, Status: http.StatusServiceUnavailable}},
		"no user, and none known": {`"expiresAt":"` + in(time.Hour) + `"`,
			&ecgridtest.Fault{Path: site.SessionCall, Body: `{"success":true,"data":{"login":"demo"}}`}},
	} {
		for _, field := range []string{"token", "sessionKey"} {
			t.Run(name+", "+field, func(t *testing.T) {
				s := site.New(t)
				token := s.Grid.Issue(site.Demo.ID).Token
				if c.session != nil {
					s.Grid.Inject(*c.session)
				}
				s.Grid.Inject(ecgridtest.Fault{Path: site.LoginCall, Body: `{"success":true,"data":{"` + field + `":"` + token + `",` + c.data + `}}`})
				b := s.Browser()
				got := b.Post("/login", url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}})
				assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
				assert.False(t, b.SignedIn())
				assert.Eventually(t, func() bool { return s.Grid.LiveTokens(site.Demo.ID) == 0 }, site.Patience, site.Tick)
			})
		}
	}
}

func TestARefreshThatCannotBeUsedIsRevoked(t *testing.T) {
	for name, data := range map[string]string{
		"expires in year 9999": `"expiresAt":"9999-12-31T23:59:59Z","userId":4711`,
		"user 0":               `"userId":0`,
		"another user":         `"userId":4712,"expiresAt":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			s := site.New(t, site.With(func(c *ecgridsession.Config) { c.RefreshBefore = time.Hour }))
			s.Grid.SetTokenTTL(time.Second)
			b := s.Browser().SignIn()
			s.Grid.SetTokenTTL(time.Hour)
			token := s.Grid.Issue(site.Demo.ID).Token
			s.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Times: 1, Body: `{"success":true,"data":{"token":"` + token + `",` + data + `}}`})
			require.Eventually(t, func() bool {
				b.Get("/private")
				return len(s.Grid.Calls(site.RefreshCall)) > 0
			}, site.Patience, site.Tick)
			assert.Eventually(t, func() bool {
				for _, call := range s.Grid.Calls(site.LogoutCall) {
					if call.Status == http.StatusOK {
						return true
					}
				}
				return false
			}, site.Patience, site.Tick)
		})
	}
}
