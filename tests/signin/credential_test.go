package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
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

// unsendable are values that no header carries unchanged, or that would break
// out of their line.
var unsendable = map[string]string{
	"CR":                  "canary-token\rX: 1",
	"LF":                  "canary-token\nX: 1",
	"CR LF":               "canary-token\r\nX-Evil: 1",
	"CR LF at the end":    "canary-token\r\n",
	"a space":             "canary token",
	"a space before":      " canary-token",
	"a tab":               "canary-token\t",
	"NUL":                 "canary-token\x00",
	"DEL":                 "canary-token\x7f",
	"another control":     "canary-token\x1b[31m",
	"non-ASCII":           "canary-tokén",
	"a byte over ASCII":   "canary-token\xff",
	"a line separator":    "canary-token\u2028",
	"the scheme before":   "Bearer canary-token",
	"nothing but a space": " ",
}

func TestStartRefusesWhatNoHeaderCanCarry(t *testing.T) {
	for name, value := range unsendable {
		for kind, c := range map[string]ecgridsession.Credential{
			"token":         {Token: value, UserID: site.Demo.ID},
			"refresh token": {Token: "canary-token", RefreshToken: value, UserID: site.Demo.ID},
			"API key":       {APIKey: value},
		} {
			t.Run(kind+" with "+name, func(t *testing.T) { assertStartRefuses(t, c, nil) })
		}
	}
}

func TestStartRefusesWhatIsNoCredential(t *testing.T) {
	for name, c := range map[string]ecgridsession.Credential{
		"nothing":                     {},
		"nothing but a user":          {UserID: site.Demo.ID},
		"nothing but a refresh token": {RefreshToken: "canary-refresh"},
		"both kinds":                  {Token: "canary-token", APIKey: "canary-key"},
		"a key with a refresh token":  {APIKey: "canary-key", RefreshToken: "canary-refresh"},
		"a negative user":             {Token: "canary-token", UserID: -1},
	} {
		t.Run(name, func(t *testing.T) { assertStartRefuses(t, c, nil) })
	}
	long := strings.Repeat("x", 16<<10+1)
	for name, c := range map[string]ecgridsession.Credential{
		"token":         {Token: long, UserID: site.Demo.ID},
		"refresh token": {Token: "canary-token", RefreshToken: long, UserID: site.Demo.ID},
		"API key":       {APIKey: long},
	} {
		t.Run(name+" over 16 KiB", func(t *testing.T) { assertStartRefuses(t, c, ecgridsession.ErrSessionTooLarge) })
	}
}

// assertStartRefuses holds that a credential is refused without a call to
// ECGrid, without a cookie, and without a word of it in the error.
func assertStartRefuses(t *testing.T, c ecgridsession.Credential, want error) {
	t.Helper()
	s := site.New(t)
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	session, err := s.Middleware.Start(w, r, c)
	require.Error(t, err)
	if want != nil {
		assert.ErrorIs(t, err, want)
	}
	assert.NotContains(t, err.Error(), "canary")
	assert.Zero(t, session)
	assert.Empty(t, w.Header()["Set-Cookie"])
	assert.Empty(t, s.Grid.Calls(""))
	assert.Empty(t, s.Events.Of(ecgridsession.SessionStarted))
}

func TestTheSignInFormRefusesAKeyThatNoHeaderCanCarry(t *testing.T) {
	for name, value := range unsendable {
		t.Run(name, func(t *testing.T) {
			s := site.New(t)
			b := s.Browser()
			got := b.Post("/login", url.Values{"api_key": {value}})
			assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
			assert.NotContains(t, got.Text, "canary")
			assert.Empty(t, got.SessionCookies())
			assert.Empty(t, s.Grid.Calls(""))
		})
	}
}

func TestStartRefusesTheCredentialOfAnotherUser(t *testing.T) {
	s := site.New(t)
	for name, c := range map[string]ecgridsession.Credential{
		"a key":              {APIKey: site.Demo.APIKey, UserID: site.Demo.ID + 1},
		"a key nobody knows": {APIKey: "canary-key-unknown"},
		"a token":            {Token: "canary-token-unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			_, err := s.Middleware.Start(w, r, c)
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "canary")
			assert.Empty(t, w.Header()["Set-Cookie"])
		})
	}
}

func TestStartAsksWhoseAnUnnamedCredentialIs(t *testing.T) {
	s := site.New(t)
	issued := s.Grid.Issue(site.Demo.ID)
	for name, c := range map[string]ecgridsession.Credential{"token": {Token: issued.Token}, "API key": {APIKey: site.Demo.APIKey}} {
		t.Run(name, func(t *testing.T) {
			session := ecgridtest.SignIn(t, s.Middleware, s.Browser().HTTP, s.App.URL, c)
			assert.Equal(t, site.Demo.ID, session.UserID)
			assert.Equal(t, site.Demo.Login, session.Login)
			if c.Token != "" {
				assert.WithinDuration(t, issued.ExpiresAt, session.TokenExpiresAt, 0)
			} else {
				assert.Zero(t, session.TokenExpiresAt)
			}
		})
	}
}

// SignIn is what users' end-to-end tests begin with: from it to the end of the
// session nothing may differ from a sign-in by the form.
func TestASessionOfSignInWorksFromEndToEnd(t *testing.T) {
	for name, credential := range map[string]func(*site.Site) ecgridsession.Credential{
		"bearer":  func(s *site.Site) ecgridsession.Credential { return s.Grid.Issue(site.Demo.ID) },
		"API key": func(*site.Site) ecgridsession.Credential { return ecgridsession.Credential{APIKey: site.Demo.APIKey} },
	} {
		t.Run(name, func(t *testing.T) {
			s := site.New(t)
			b := s.Browser()
			session := ecgridtest.SignIn(t, s.Middleware, b.HTTP, s.App.URL, credential(s))
			assert.Equal(t, site.Demo.ID, session.UserID)
			assert.NotEmpty(t, session.Ref)

			var told struct {
				Authenticated bool
				ecgridsession.Session
			}
			require.NoError(t, json.Unmarshal([]byte(b.Get("/session").Text), &told))
			assert.True(t, told.Authenticated)
			assert.Equal(t, session, told.Session)
			assert.Equal(t, "private", b.Get("/private").Text)
			assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode)

			copied := b.WithCookie(s)
			assert.Equal(t, http.StatusSeeOther, b.Post("/logout", nil).StatusCode)
			assert.False(t, b.SignedIn())
			assert.False(t, copied.SignedIn())
			assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		})
	}
}

func TestSignInAgainTakesThePlaceOfTheSessionThatWasThere(t *testing.T) {
	s := site.New(t)
	b := s.Browser()
	first := ecgridtest.SignIn(t, s.Middleware, b.HTTP, s.App.URL, s.Grid.Issue(site.Demo.ID))
	copied := b.WithCookie(s)
	second := ecgridtest.SignIn(t, s.Middleware, b.HTTP, s.App.URL, s.Grid.Issue(site.Demo.ID))
	assert.NotEqual(t, first.Ref, second.Ref)
	assert.True(t, b.SignedIn())
	assert.False(t, copied.SignedIn())
	assert.Eventually(t, func() bool { return s.Grid.LiveTokens(site.Demo.ID) == 1 }, site.Patience, site.Tick)
}

func TestBackgroundWorkCarriesTheCredentialItWasGiven(t *testing.T) {
	s := site.New(t)
	for name, c := range map[string]ecgridsession.Credential{"bearer": s.Grid.Issue(site.Demo.ID), "API key": {APIKey: site.Demo.APIKey}} {
		t.Run(name, func(t *testing.T) {
			ctx := s.Middleware.WithCredential(t.Context(), c)
			got, err := s.Middleware.Credential(ctx)
			require.NoError(t, err)
			assert.True(t, c == got, "another credential came back")
			_, open := s.Middleware.Session(ctx)
			assert.False(t, open, "there is no session in it")

			req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Grid.URL+site.InboxCall, strings.NewReader("{}"))
			require.NoError(t, err)
			resp, err := s.Middleware.Client().Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusOK, resp.StatusCode)
		})
	}
}

// Within a request it goes before the session, which nothing happens to.
func TestAGivenCredentialTouchesNoSession(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		given := ecgridsession.Credential{Token: "canary-given-token", ExpiresAt: time.Now().Add(-time.Hour)}
		b.During(func(_ http.ResponseWriter, r *http.Request) {
			r = r.WithContext(s.Middleware.WithCredential(r.Context(), given))
			_, open := s.Middleware.Session(r.Context())
			assert.False(t, open)
			resp, err := s.Middleware.Client().Do(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
			require.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, "the session's own credential was sent")
		})
		assert.True(t, b.SignedIn(), "the refusal of another credential ended the session")
		assert.Empty(t, s.Events.Of(ecgridsession.SessionEnded))
		assert.Empty(t, s.Grid.Calls("/v2/auth/refresh"), "nothing refreshes a given credential")
	})
}

func TestACredentialGivenToOneMiddlewareIsNothingToAnother(t *testing.T) {
	one, other := site.UpstreamAt(t, "https://rest.ecgrid.io"), site.UpstreamAt(t, "https://rest.ecgrid.io")
	ctx := one.WithCredential(t.Context(), ecgridsession.Credential{Token: "canary-token"})
	_, err := other.Credential(ctx)
	assert.ErrorIs(t, err, ecgridsession.ErrNoSession)
}

// A given credential is not checked by Start, and still must not break out of
// its header line, nor show itself where it fails.
func TestAGivenCredentialThatNoHeaderCanCarryIsNotSent(t *testing.T) {
	s := site.New(t)
	for name, value := range unsendable {
		if !strings.ContainsAny(value, "\r\n\x00\x7f\x1b") {
			continue // a server refuses it; it stays on its line
		}
		for _, c := range []ecgridsession.Credential{{Token: value}, {APIKey: value}} {
			req, err := http.NewRequestWithContext(s.Middleware.WithCredential(t.Context(), c), http.MethodPost, s.Grid.URL+site.InboxCall, strings.NewReader("{}"))
			require.NoError(t, err)
			resp, err := s.Middleware.Client().Do(req)
			if err == nil {
				require.NoError(t, resp.Body.Close())
			}
			if assert.Error(t, err, name) {
				assert.NotContains(t, err.Error(), "canary", name)
			}
		}
	}
	assert.Empty(t, s.Grid.Calls(""))
}

func TestACredentialNeverShowsItself(t *testing.T) {
	secret := "canary-secret-0123456789"
	for name, c := range map[string]ecgridsession.Credential{
		"bearer":        {Token: secret, UserID: 1, ExpiresAt: time.Now()},
		"with refresh":  {Token: secret, RefreshToken: secret},
		"API key":       {APIKey: secret},
		"refresh alone": {RefreshToken: secret},
		"both":          {Token: secret, APIKey: secret},
		"none":          {},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			logger := slog.New(slog.NewJSONHandler(&log, nil))
			logger.Info("x", "credential", c, "pointer", &c, "in a slice", []ecgridsession.Credential{c})
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "credential", c, "pointer", &c)
			inJSON, err := json.Marshal(map[string]any{"c": c, "p": &c, "s": struct{ C ecgridsession.Credential }{c}})
			require.NoError(t, err)
			text, err := c.MarshalText()
			require.NoError(t, err)
			shown := log.String() + string(inJSON) + string(text) + site.EveryVerb(c) + site.EveryVerb(&c) +
				site.EveryVerb([]ecgridsession.Credential{c}) + site.EveryVerb(struct{ C ecgridsession.Credential }{c})
			site.AssertNoSecret(t, shown, map[string]string{"secret": secret})
			assert.Contains(t, shown, "credential(")
		})
	}
}

func TestAContextNeverShowsWhatIsInIt(t *testing.T) {
	s := site.New(t)
	secret := "canary-secret-0123456789"
	given := s.Middleware.WithCredential(t.Context(), ecgridsession.Credential{Token: secret})
	site.AssertNoSecret(t, site.EveryVerb(given), map[string]string{"given": secret})

	b := s.Browser().SignIn()
	b.During(func(_ http.ResponseWriter, r *http.Request) {
		c, err := s.Middleware.Credential(r.Context())
		require.NoError(t, err)
		inner, cancel := context.WithCancel(context.WithValue(r.Context(), insideRoutesKey{}, "v"))
		defer cancel()
		outbound := site.Outbound(t, r, http.MethodGet, s.Grid.URL, "")
		shown := site.EveryVerb(r.Context()) + site.EveryVerb(inner) + site.EveryVerb(outbound) + fmt.Sprint(r.Context(), inner)
		site.AssertNoSecret(t, shown, map[string]string{"token": site.Distinctive(c.Token), "cookie": b.Cookie().Value[16:]})
	})
}

type insideRoutesKey struct{}
