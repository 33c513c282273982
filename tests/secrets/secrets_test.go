package secrets

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestNoSecretShowsAnywhere(t *testing.T) {
	for name, change := range map[string]func(*ecgridsession.Config){
		"credential in the cookie": func(*ecgridsession.Config) {},
		"credential in the ledger": func(cfg *ecgridsession.Config) { cfg.CredentialInLedger = true },
	} {
		t.Run(name, func(t *testing.T) {
			ts := newLeakSite(t, change, func(cfg *ecgridsession.Config) {
				cfg.LogoutTimeout, cfg.AuthTimeout = time.Second, time.Second
			})
			for kind, form := range map[string]url.Values{
				"password": {"login": {site.Demo.Login}, "password": {site.Demo.Password}},
				"API key":  {"api_key": {site.Demo.APIKey}},
			} {
				t.Run(kind, func(t *testing.T) { ts.exercise(t, form) })
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			ts.leaks.show(ts.Middleware.Close(ctx)) // what is left is given up, with an event each
			ts.leaks.show(ts.Logs.String())
			ts.leaks.verdict(t)
		})
	}
}

// exercise goes through sign-in, calls, failures of every kind and sign-out.
func (ts *leakSite) exercise(t *testing.T, form url.Values) {
	wrong := url.Values{"login": {site.Demo.Login}, "password": {"wrong-" + site.Demo.Password}, "return_to": {"/private"}}
	badKey := url.Values{"api_key": {site.Demo.APIKey + "\r\nX: 1"}}
	byKey := form.Has("api_key")
	both := url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}, "api_key": {site.Demo.APIKey}}

	b := ts.Browser()
	signIn := func() {
		t.Helper()
		got := b.Post("/login", form)
		require.Equal(t, http.StatusSeeOther, got.StatusCode)
		ts.take(got, nil)
		ts.take(b.Get("/know"), nil)
	}
	for _, bad := range []url.Values{wrong, badKey, both, {}} {
		ts.visit(t, b, http.MethodPost, "/login", bad)
	}
	signIn()
	for _, path := range []string{"/", "/private", "/inbox", "/session", "/login", "/logout", "/know", "/call", "/panic", "/panic/value", "/everywhere"} {
		if path != "/logout" && path != "/everywhere" {
			ts.visit(t, b, http.MethodGet, path, nil)
		}
		ts.visit(t, b, http.MethodDelete, path, nil)
	}

	// Cookies that are not quite ours.
	value := b.Cookie().Value
	for _, spoilt := range []string{value[:len(value)-1], value + "A", strings.ToLower(value), value + "; __Host-ecgrid=" + value, strings.Repeat(value, 40)} {
		ts.take(ts.Browser().Try(t.Context(), http.MethodGet, "/private", nil, "Cookie", "__Host-ecgrid="+spoilt))
	}

	// ECGrid fails, at each of its endpoints.
	token := "canary-token-in-an-echo"
	ts.leaks.secret("echo", token)
	for name, fault := range ts.upstreamFaults(token) {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{site.LoginCall, site.SessionCall, site.RefreshCall, site.InboxCall, site.LogoutCall} {
				if path == site.InboxCall && fault.Header.Get("Location") != "" {
					continue // http.Client itself names where it was led
				}
				fault.Path = path
				ts.Grid.Inject(fault)
			}
			ts.take(ts.Browser().Try(t.Context(), http.MethodPost, "/login", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded"))
			refreshes := len(ts.Grid.Calls(site.RefreshCall))
			b.Age(site.UntilDue)
			ts.take(b.Get("/private"), nil)
			require.Equal(t, byKey, len(ts.Grid.Calls(site.RefreshCall)) == refreshes, "a token is refreshed")
			ts.take(b.Get("/call"), nil)
			ts.take(b.Post("/logout", nil), nil)
			ts.Grid.ClearFaults()
			signIn()
		})
	}

	// The ledger fails.
	ts.ledger.broken.Store(true)
	for _, path := range []string{"/", "/private", "/inbox", "/session", "/know", "/call"} {
		ts.visit(t, b, http.MethodGet, path, nil)
	}
	ts.visit(t, ts.Browser(), http.MethodPost, "/login", form)
	ts.visit(t, b, http.MethodPost, "/logout", nil)
	ts.ledger.broken.Store(false)

	// And all goes well.
	signIn()
	refreshed := len(ts.Events.Of(ecgridsession.SessionRefreshed))
	b.Age(site.UntilDue)
	ts.take(b.Get("/private"), nil)
	require.Equal(t, byKey, len(ts.Events.Of(ecgridsession.SessionRefreshed)) == refreshed, "a token is refreshed")
	ts.take(b.Get("/know"), nil)
	ts.take(b.Post("/everywhere", nil), nil)
	signIn()
	ts.take(b.Post("/logout", nil), nil)
	ts.visit(t, b, http.MethodGet, "/know", nil)
}

func TestTheErrorsOfNewNameNoSecret(t *testing.T) {
	const secret = "canary-secret-0123456789"
	short, long := []byte(secret), []byte(secret+secret)
	for name, cfg := range map[string]ecgridsession.Config{
		"keys of other lengths":       {Keys: [][]byte{short, long, nil}},
		"the same key twice":          {Keys: [][]byte{long[:32], long[:32]}},
		"an upstream with a password": {Keys: [][]byte{site.NewKey(t)}, Upstream: "https://user:" + secret + "@rest.ecgrid.io"},
		"an upstream with a user":     {Keys: [][]byte{site.NewKey(t)}, Upstream: "https://" + secret + "@rest.ecgrid.io"},
		"an upstream with a query":    {Keys: [][]byte{site.NewKey(t)}, Upstream: "https://rest.ecgrid.io?key=" + secret},
		"an upstream with a fragment": {Keys: [][]byte{site.NewKey(t)}, Upstream: "https://rest.ecgrid.io#" + secret},
		"an upstream that is no URL":  {Keys: [][]byte{site.NewKey(t)}, Upstream: "https://user:" + secret + "@rest\x7f"},
		"an opaque upstream":          {Keys: [][]byte{site.NewKey(t)}, Upstream: "https:" + secret},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ecgridsession.New(cfg)
			require.Error(t, err)
			inJSON, jsonErr := json.Marshal(cfg)
			require.NoError(t, jsonErr)
			var log strings.Builder
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", cfg, "pointer", &cfg, "err", err)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "cfg", cfg, "pointer", &cfg, "err", err)
			shown := showErrors(err) + site.EveryVerb(cfg) + site.EveryVerb(&cfg) + site.EveryVerb([]ecgridsession.Config{cfg}) + string(inJSON) + log.String()
			site.AssertNoSecret(t, shown, map[string]string{"secret": secret})
		})
	}
}
