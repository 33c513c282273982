package stores

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// unreachable are the ways in which a ledger answers nothing that helps.
var unreachable = map[string]site.LedgerState{"down": site.Fails, "hanging": site.Hangs, "answering nonsense": site.Miscounts}

func TestABearerSessionInTheCookieGoesOnWithoutTheLedger(t *testing.T) {
	for name, fault := range unreachable {
		t.Run(name, func(t *testing.T) {
			s, ledger := site.WithLedger(t)
			b := s.Browser().SignIn()
			ledger.Becomes(fault)
			began := time.Now()
			got := b.Get("/inbox", site.Click...)
			assert.Less(t, time.Since(began), site.Bounded)
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Empty(t, got.SessionCookies())

			events := s.Events.Of(ecgridsession.LedgerUnavailable)
			require.NotEmpty(t, events)
			require.ErrorIs(t, events[0].Err, ecgridsession.ErrLedgerUnavailable)
			assert.Equal(t, site.Demo.Login, events[0].Session.Login)
			assert.Contains(t, s.Logs.String(), "ledger-unavailable")
		})
	}
}

func TestAnEndedBearerSessionStillGetsNothingFromECGridWithoutTheLedger(t *testing.T) {
	s, ledger := site.WithLedger(t)
	b := s.Browser().SignIn()
	copied := b.WithCookie(s)
	b.Post("/logout", nil)
	ledger.Becomes(site.Fails)
	assert.Equal(t, http.StatusUnauthorized, copied.Get("/inbox").StatusCode)
}

func TestACredentialThatOnlyTheLedgerHasIsNotMissedForSignedOut(t *testing.T) {
	for name, fault := range unreachable {
		t.Run(name, func(t *testing.T) {
			s, ledger := site.WithLedger(t)
			s.Mux.HandleFunc("/credential", func(w http.ResponseWriter, r *http.Request) {
				_, known := s.Middleware.Session(r.Context())
				_, err := s.Middleware.Credential(r.Context())
				assert.False(t, known)
				assert.ErrorIs(t, err, ecgridsession.ErrLedgerUnavailable)
				assert.NotErrorIs(t, err, ecgridsession.ErrNoSession)
			})
			b := s.Browser().SignInByKey()
			ledger.Becomes(fault)
			for _, path := range []string{"/private", "/inbox", "/session"} {
				for _, header := range [][]string{site.Click, site.FetchCall, nil} {
					began := time.Now()
					got := b.Get(path, header...)
					assert.Less(t, time.Since(began), site.Bounded)
					assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
					assert.Equal(t, "5", got.Header.Get("Retry-After"))
					site.RequireNoCookie(t, got)
				}
			}
			b.Get("/credential", site.Click...)
			assert.Empty(t, s.Grid.Calls("/v2/parcels/inbox-list"))

			ledger.Becomes(site.Works)
			assert.True(t, b.SignedIn(), "the cookie is still there")
		})
	}
}

func TestWithoutTheLedgerOnlyATokenForTheCookieSignsIn(t *testing.T) {
	for name, fault := range unreachable {
		t.Run("by password, "+name, func(t *testing.T) {
			s, ledger := site.WithLedger(t)
			ledger.Becomes(fault)
			assert.Equal(t, http.StatusOK, s.Browser().SignIn().Get("/inbox").StatusCode)
		})
	}
	for name, fault := range map[string]site.LedgerState{"down": site.Fails, "hanging": site.Hangs, "failing to store": site.FailsToStore, "losing answers": site.LosesAnswers} {
		t.Run("by API key, "+name, func(t *testing.T) {
			s, ledger := site.WithLedger(t)
			ledger.Becomes(fault)
			got := s.Browser().Post("/login", map[string][]string{"api_key": {site.Demo.APIKey}})
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			assert.NotEmpty(t, got.Header.Get("Retry-After"))
			site.RequireNoCookie(t, got)
		})
		t.Run("by password, the token belonging into the ledger, "+name, func(t *testing.T) {
			s, ledger := site.WithLedger(t, func(cfg *ecgridsession.Config) { cfg.CredentialInLedger = true })
			ledger.Becomes(fault)
			got := s.Browser().Post("/login", map[string][]string{"login": {site.Demo.Login}, "password": {site.Demo.Password}})
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			site.RequireNoCookie(t, got)
			require.NoError(t, s.Middleware.Close(t.Context()))
			assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID), "a token that nobody will hold is revoked")
		})
	}
}

func TestSignOutOfABearerSessionWithoutTheLedgerCountsOnceECGridConfirmsIt(t *testing.T) {
	for name, fault := range map[string]site.LedgerState{
		"down": site.Fails, "hanging": site.Hangs, "answering nonsense": site.Miscounts, "failing to store": site.FailsToStore, "losing answers": site.LosesAnswers,
	} {
		t.Run(name, func(t *testing.T) {
			s, ledger := site.WithLedger(t)
			b := s.Browser().SignIn()
			copied := b.WithCookie(s)
			ledger.Becomes(fault)
			began := time.Now()
			got := b.Post("/logout", nil)
			assert.Less(t, time.Since(began), site.Bounded)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			site.RequireDeletion(t, got)
			assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
			out := s.Events.Of(ecgridsession.LoggedOut)
			require.Len(t, out, 1)
			assert.Equal(t, ecgridsession.LogoutConfirmed, out[0].Outcome)
			require.ErrorIs(t, out[0].Err, ecgridsession.ErrLedgerUnavailable)

			ledger.Becomes(site.Works)
			require.NoError(t, s.Middleware.Close(t.Context()), "the end is written once the ledger is back")
			site.RequireAnonymous(t, s, copied)
		})
	}
}

func TestSignOutIsNotConfirmedWhereNeitherTheLedgerNorECGridSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		byKey   bool
		fault   ecgridtest.Fault
		outcome ecgridsession.LogoutOutcome
	}{
		"ECGrid is down":                        {false, ecgridtest.Fault{Status: 503}, ecgridsession.LogoutPending},
		"ECGrid knows no such token":            {false, ecgridtest.Fault{Status: 401}, ecgridsession.LogoutAlreadyInvalid},
		"ECGrid refuses":                        {false, ecgridtest.Fault{Status: 403}, ecgridsession.LogoutRefused},
		"the key is in the ledger":              {true, ecgridtest.Fault{}, ecgridsession.LogoutPending},
		"the key is in the ledger, ECGrid down": {true, ecgridtest.Fault{Status: 503}, ecgridsession.LogoutPending},
	} {
		t.Run(name, func(t *testing.T) {
			s, ledger := site.WithLedger(t)
			b := s.Browser()
			if c.byKey {
				b.SignInByKey()
			} else {
				b.SignIn()
			}
			copied := b.WithCookie(s)
			ledger.Becomes(site.Fails)
			c.fault.Path = site.LogoutCall
			s.Grid.Inject(c.fault)

			got := b.Post("/logout", nil, "Accept", "text/html")
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			assert.Contains(t, got.Text, "Sign-out not confirmed")
			assert.NotEmpty(t, got.Header.Get("Retry-After"))
			assert.Empty(t, got.Header.Get("Location"))
			site.RequireDeletion(t, got)
			out := s.Events.Of(ecgridsession.LoggedOut)
			require.Len(t, out, 1)
			assert.Equal(t, c.outcome, out[0].Outcome)
			require.ErrorIs(t, out[0].Err, ecgridsession.ErrLedgerUnavailable)

			ledger.Becomes(site.Works)
			s.Grid.ClearFaults()
			require.NoError(t, s.Middleware.Close(t.Context()))
			site.RequireAnonymous(t, s, copied)
		})
	}
}

func TestECGridsConfirmationIsNotEnoughForAKeyWhichLivesOn(t *testing.T) {
	s, ledger := site.WithLedger(t)
	b := s.Browser().SignInByKey()
	copied := b.WithCookie(s)
	ledger.Becomes(site.FailsToStore)
	got := b.Post("/logout", nil)
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	site.RequireDeletion(t, got)
	assert.Equal(t, ecgridsession.LogoutConfirmed, s.Events.Of(ecgridsession.LoggedOut)[0].Outcome)
	require.True(t, copied.SignedIn(), "as was feared")

	ledger.Becomes(site.Works)
	require.NoError(t, s.Middleware.Close(t.Context()))
	site.RequireAnonymous(t, s, copied)
}

func TestSigningOutTwiceInOneRequestCallsECGridOnceThoughTheLedgerIsDown(t *testing.T) {
	s, ledger := site.WithLedger(t)
	s.Mux.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
		_, err := s.Middleware.Logout(w, r)
		assert.NoError(t, err)
		again, err := s.Middleware.Logout(w, r)
		assert.NoError(t, err)
		assert.Equal(t, ecgridsession.LogoutNone, again)
	})
	b := s.Browser().SignIn()
	ledger.Becomes(site.Fails)
	site.RequireDeletion(t, b.Post("/out", nil))
	assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
	assert.Len(t, s.Events.Of(ecgridsession.LoggedOut), 1)
}

func TestAScriptIsToldThatSignOutIsNotConfirmed(t *testing.T) {
	s, ledger := site.WithLedger(t)
	b := s.Browser().SignInByKey()
	ledger.Becomes(site.Fails)
	got := b.Post("/logout", nil, site.FetchCall...)
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	assert.JSONEq(t, `{"error":"sign-out not confirmed"}`, got.Text)
	site.RequireDeletion(t, got)
}

func TestAnErrorHandlerThatPanicsAtAnUnconfirmedSignOutFindsTheCookieDeleted(t *testing.T) {
	var seen error
	s, ledger := site.WithLedger(t, func(cfg *ecgridsession.Config) {
		cfg.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, _ int, err error) {
			seen = err
			panic("of the app")
		}
	})
	b := s.Browser().SignInByKey()
	ledger.Becomes(site.Fails)
	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.AddCookie(b.Cookie())
	w := httptest.NewRecorder()
	assert.PanicsWithValue(t, "of the app", func() { s.Middleware.Wrap(s.Middleware.LogoutHandler()).ServeHTTP(w, r) })
	site.RequireDeletion(t, site.Answer{Response: w.Result()})
	require.ErrorIs(t, seen, ecgridsession.ErrLogoutUnconfirmed)
	require.ErrorIs(t, seen, ecgridsession.ErrLedgerUnavailable)
}

func TestTheLedgerIsGivenNoLongerThanItsTimeout(t *testing.T) {
	s, ledger := site.WithLedger(t, func(cfg *ecgridsession.Config) { cfg.LedgerTimeout = time.Millisecond })
	b := s.Browser().SignIn()
	ledger.Becomes(site.Hangs)
	began := time.Now()
	for range 20 {
		require.Equal(t, "user demo", b.Get("/").Text)
	}
	assert.Less(t, time.Since(began), 3*time.Second, "20 times the default of 200 ms is 4 s")
}

func TestGarbageInTheLedgerCountsAsEnded(t *testing.T) {
	for name, garble := range map[string]func([]byte) []byte{
		"random bytes":  func([]byte) []byte { return []byte("nobody sealed this") },
		"no bytes":      func([]byte) []byte { return []byte{} },
		"a flipped bit": func(v []byte) []byte { v = append([]byte{}, v...); v[len(v)-1] ^= 1; return v },
		"cut short":     func(v []byte) []byte { return v[:len(v)-1] },
		"a megabyte":    func([]byte) []byte { return make([]byte, 1<<20) },
	} {
		for kind, signIn := range site.SignInKinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				s, ledger := site.WithLedger(t, site.InLedger)
				b := signIn(s.Browser())
				require.True(t, b.SignedIn())
				key := ledger.LastAsked("s")
				ledger.Put(key, garble(ledger.Get(key)))
				site.RequireAnonymous(t, s, b)
				ended := s.Events.Of(ecgridsession.SessionEnded)
				require.NotEmpty(t, ended)
				require.Error(t, ended[0].Err)
				assert.Equal(t, site.Demo.Login, ended[0].Session.Login)

				got := b.Post("/logout", nil)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				site.RequireDeletion(t, got)
				site.RequireAnonymous(t, s, b)
				assert.True(t, signIn(b).SignedIn(), "the user can sign in again at once")
			})
		}
	}
}

// A bearer token in the cookie needs no entry, but does not go past a bad one.
func TestGarbageInTheLedgerEndsASessionWhoseTokenIsInTheCookieToo(t *testing.T) {
	s, ledger := site.WithLedger(t)
	b := s.Browser().SignIn()
	require.True(t, b.SignedIn())
	ledger.Put(ledger.LastAsked("s"), []byte("nobody sealed this"))
	site.RequireAnonymous(t, s, b)
	require.NotEmpty(t, s.Events.Of(ecgridsession.SessionEnded))
}

func TestAnotherSessionsValueMovedHereOpensNothing(t *testing.T) {
	eve := ecgridtest.User{ID: 4712, Login: "eve", Password: "password-of-eve", APIKey: "key-of-eve"}
	for kind, form := range map[string]url.Values{
		"bearer": {"login": {eve.Login}, "password": {eve.Password}}, "API key": {"api_key": {eve.APIKey}},
	} {
		t.Run(kind, func(t *testing.T) {
			s, ledger := site.WithLedger(t, site.InLedger)
			s.Grid.AddUser(eve)
			victim := site.SignInKinds[kind](s.Browser())
			victim.Get("/")
			victims := ledger.Get(ledger.LastAsked("s"))
			thief := s.Browser()
			require.Equal(t, http.StatusSeeOther, thief.Post("/login", form).StatusCode)
			require.Equal(t, "user eve", thief.Get("/").Text)
			ledger.Put(ledger.LastAsked("s"), victims)

			site.RequireAnonymous(t, s, thief)
			ended := s.Events.Of(ecgridsession.SessionEnded)
			require.NotEmpty(t, ended)
			assert.Equal(t, "eve", ended[0].Session.Login)
			assert.Equal(t, "user demo", victim.Get("/").Text)
		})
	}
}

func TestGarbageInTheUsersCutOffEndsTheSessionsAndTheNextSignInMendsIt(t *testing.T) {
	for kind, signIn := range site.SignInKinds {
		t.Run(kind, func(t *testing.T) {
			s, ledger := site.WithLedger(t)
			b := signIn(s.Browser())
			require.True(t, b.SignedIn())
			ledger.Put(ledger.LastAsked("u"), []byte("nobody sealed this"))
			site.RequireAnonymous(t, s, b)
			require.NotEmpty(t, s.Events.Of(ecgridsession.SessionEnded))
			assert.True(t, signIn(b).SignedIn())
		})
	}
}

func TestA503SaysNothingOfTheLedger(t *testing.T) {
	s, ledger := site.WithLedger(t)
	b := s.Browser().SignInByKey()
	ledger.Becomes(site.Fails)
	page := b.Get("/private", site.Click...)
	assert.Contains(t, page.Text, "You have not been signed out")
	assert.NotContains(t, page.Text, site.ErrOpenLedger.Error())

	var failure map[string]any
	require.NoError(t, json.Unmarshal([]byte(b.Get("/private", site.FetchCall...).Text), &failure))
	assert.Equal(t, map[string]any{"error": "temporarily unavailable"}, failure)
}

func TestTheLedgersOwnErrorCanBeFoundInTheEvent(t *testing.T) {
	s, ledger := site.WithLedger(t)
	b := s.Browser().SignIn()
	ledger.Becomes(site.Fails)
	b.Get("/")
	events := s.Events.Of(ecgridsession.LedgerUnavailable)
	require.NotEmpty(t, events)
	assert.ErrorIs(t, events[0].Err, site.ErrOpenLedger)
}
