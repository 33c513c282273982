package tests

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
)

// withLedger starts a site on a ledger that the test can break.
func withLedger(t *testing.T, changes ...func(*ecgridsession.Config)) (*site, *openLedger) {
	t.Helper()
	ledger := newOpenLedger()
	return newSite(t, append(changes, func(cfg *ecgridsession.Config) { cfg.Ledger = ledger })...), ledger
}

// unreachable are the ways in which a ledger answers nothing that helps.
var unreachable = map[string]ledgerFault{"down": fails, "hanging": hangs, "answering nonsense": miscounts}

// bounded is far over what a hanging ledger may cost one request, and far
// under for ever.
const bounded = 5 * time.Second

func TestABearerSessionInTheCookieGoesOnWithoutTheLedger(t *testing.T) {
	for name, fault := range unreachable {
		t.Run(name, func(t *testing.T) {
			s, ledger := withLedger(t)
			b := s.browser().signIn()
			ledger.becomes(fault)
			began := time.Now()
			got := b.get("/inbox", click...)
			assert.Less(t, time.Since(began), bounded)
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Empty(t, got.sessionCookies())

			events := s.events.of(ecgridsession.LedgerUnavailable)
			require.NotEmpty(t, events)
			require.ErrorIs(t, events[0].Err, ecgridsession.ErrLedgerUnavailable)
			assert.Equal(t, demo.Login, events[0].Session.Login)
			assert.Contains(t, s.logs.String(), "ledger-unavailable")
		})
	}
}

func TestAnEndedBearerSessionStillGetsNothingFromECGridWithoutTheLedger(t *testing.T) {
	s, ledger := withLedger(t)
	b := s.browser().signIn()
	copied := b.withCookie(s)
	b.post("/logout", nil)
	ledger.becomes(fails)
	assert.Equal(t, http.StatusUnauthorized, copied.get("/inbox").StatusCode)
}

func TestACredentialThatOnlyTheLedgerHasIsNotMissedForSignedOut(t *testing.T) {
	for name, fault := range unreachable {
		t.Run(name, func(t *testing.T) {
			s, ledger := withLedger(t)
			s.mux.HandleFunc("/credential", func(w http.ResponseWriter, r *http.Request) {
				_, known := s.m.Session(r.Context())
				_, err := s.m.Credential(r.Context())
				assert.False(t, known)
				assert.ErrorIs(t, err, ecgridsession.ErrLedgerUnavailable)
				assert.NotErrorIs(t, err, ecgridsession.ErrNoSession)
			})
			b := s.browser().signInByKey()
			ledger.becomes(fault)
			for _, path := range []string{"/private", "/inbox", "/session"} {
				for _, header := range [][]string{click, fetchCall, nil} {
					began := time.Now()
					got := b.get(path, header...)
					assert.Less(t, time.Since(began), bounded)
					assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
					assert.Equal(t, "5", got.Header.Get("Retry-After"))
					requireNoCookie(t, got)
				}
			}
			b.get("/credential", click...)
			assert.Empty(t, s.grid.Calls("/v2/parcels/inbox-list"))

			ledger.becomes(works)
			assert.True(t, b.signedIn(), "the cookie is still there")
		})
	}
}

func TestWithoutTheLedgerOnlyATokenForTheCookieSignsIn(t *testing.T) {
	for name, fault := range unreachable {
		t.Run("by password, "+name, func(t *testing.T) {
			s, ledger := withLedger(t)
			ledger.becomes(fault)
			assert.Equal(t, http.StatusOK, s.browser().signIn().get("/inbox").StatusCode)
		})
	}
	for name, fault := range map[string]ledgerFault{"down": fails, "hanging": hangs, "failing to store": failsToStore, "losing answers": losesAnswers} {
		t.Run("by API key, "+name, func(t *testing.T) {
			s, ledger := withLedger(t)
			ledger.becomes(fault)
			got := s.browser().post("/login", map[string][]string{"api_key": {demo.APIKey}})
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			assert.NotEmpty(t, got.Header.Get("Retry-After"))
			requireNoCookie(t, got)
		})
		t.Run("by password, the token belonging into the ledger, "+name, func(t *testing.T) {
			s, ledger := withLedger(t, func(cfg *ecgridsession.Config) { cfg.CredentialInLedger = true })
			ledger.becomes(fault)
			got := s.browser().post("/login", map[string][]string{"login": {demo.Login}, "password": {demo.Password}})
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			requireNoCookie(t, got)
			require.NoError(t, s.m.Close(t.Context()))
			assert.Zero(t, s.grid.LiveTokens(demo.ID), "a token that nobody will hold is revoked")
		})
	}
}

func TestSignOutOfABearerSessionWithoutTheLedgerCountsOnceECGridConfirmsIt(t *testing.T) {
	for name, fault := range map[string]ledgerFault{
		"down": fails, "hanging": hangs, "answering nonsense": miscounts, "failing to store": failsToStore, "losing answers": losesAnswers,
	} {
		t.Run(name, func(t *testing.T) {
			s, ledger := withLedger(t)
			b := s.browser().signIn()
			copied := b.withCookie(s)
			ledger.becomes(fault)
			began := time.Now()
			got := b.post("/logout", nil)
			assert.Less(t, time.Since(began), bounded)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			requireDeletion(t, got)
			assert.Zero(t, s.grid.LiveTokens(demo.ID))
			out := s.events.of(ecgridsession.LoggedOut)
			require.Len(t, out, 1)
			assert.Equal(t, ecgridsession.LogoutConfirmed, out[0].Outcome)
			require.ErrorIs(t, out[0].Err, ecgridsession.ErrLedgerUnavailable)

			ledger.becomes(works)
			require.NoError(t, s.m.Close(t.Context()), "the end is written once the ledger is back")
			requireAnonymous(t, s, copied)
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
			s, ledger := withLedger(t)
			b := s.browser()
			if c.byKey {
				b.signInByKey()
			} else {
				b.signIn()
			}
			copied := b.withCookie(s)
			ledger.becomes(fails)
			c.fault.Path = logoutCall
			s.grid.Inject(c.fault)

			got := b.post("/logout", nil, "Accept", "text/html")
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			assert.Contains(t, got.body, "Sign-out not confirmed")
			assert.NotEmpty(t, got.Header.Get("Retry-After"))
			assert.Empty(t, got.Header.Get("Location"))
			requireDeletion(t, got)
			out := s.events.of(ecgridsession.LoggedOut)
			require.Len(t, out, 1)
			assert.Equal(t, c.outcome, out[0].Outcome)
			require.ErrorIs(t, out[0].Err, ecgridsession.ErrLedgerUnavailable)

			ledger.becomes(works)
			s.grid.ClearFaults()
			require.NoError(t, s.m.Close(t.Context()))
			requireAnonymous(t, s, copied)
		})
	}
}

func TestECGridsConfirmationIsNotEnoughForAKeyWhichLivesOn(t *testing.T) {
	s, ledger := withLedger(t)
	b := s.browser().signInByKey()
	copied := b.withCookie(s)
	ledger.becomes(failsToStore)
	got := b.post("/logout", nil)
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	requireDeletion(t, got)
	assert.Equal(t, ecgridsession.LogoutConfirmed, s.events.of(ecgridsession.LoggedOut)[0].Outcome)
	require.True(t, copied.signedIn(), "as was feared")

	ledger.becomes(works)
	require.NoError(t, s.m.Close(t.Context()))
	requireAnonymous(t, s, copied)
}

func TestSigningOutTwiceInOneRequestCallsECGridOnceThoughTheLedgerIsDown(t *testing.T) {
	s, ledger := withLedger(t)
	s.mux.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
		_, err := s.m.Logout(w, r)
		assert.NoError(t, err)
		again, err := s.m.Logout(w, r)
		assert.NoError(t, err)
		assert.Equal(t, ecgridsession.LogoutNone, again)
	})
	b := s.browser().signIn()
	ledger.becomes(fails)
	requireDeletion(t, b.post("/out", nil))
	assert.Len(t, s.grid.Calls(logoutCall), 1)
	assert.Len(t, s.events.of(ecgridsession.LoggedOut), 1)
}

func TestAScriptIsToldThatSignOutIsNotConfirmed(t *testing.T) {
	s, ledger := withLedger(t)
	b := s.browser().signInByKey()
	ledger.becomes(fails)
	got := b.post("/logout", nil, fetchCall...)
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	assert.JSONEq(t, `{"error":"sign-out not confirmed"}`, got.body)
	requireDeletion(t, got)
}

func TestAnErrorHandlerThatPanicsAtAnUnconfirmedSignOutFindsTheCookieDeleted(t *testing.T) {
	var seen error
	s, ledger := withLedger(t, func(cfg *ecgridsession.Config) {
		cfg.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, _ int, err error) {
			seen = err
			panic("of the app")
		}
	})
	b := s.browser().signInByKey()
	ledger.becomes(fails)
	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.AddCookie(b.cookie())
	w := httptest.NewRecorder()
	assert.PanicsWithValue(t, "of the app", func() { s.m.Wrap(s.m.LogoutHandler()).ServeHTTP(w, r) })
	requireDeletion(t, answer{Response: w.Result()})
	require.ErrorIs(t, seen, ecgridsession.ErrLogoutUnconfirmed)
	require.ErrorIs(t, seen, ecgridsession.ErrLedgerUnavailable)
}

func TestTheLedgerIsGivenNoLongerThanItsTimeout(t *testing.T) {
	s, ledger := withLedger(t, func(cfg *ecgridsession.Config) { cfg.LedgerTimeout = time.Millisecond })
	b := s.browser().signIn()
	ledger.becomes(hangs)
	began := time.Now()
	for range 20 {
		require.Equal(t, "user demo", b.get("/").body)
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
		for kind, signIn := range signInKinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				s, ledger := withLedger(t, inLedger)
				b := signIn(s.browser())
				require.True(t, b.signedIn())
				key := ledger.lastAsked("s")
				ledger.put(key, garble(ledger.get(key)))
				requireAnonymous(t, s, b)
				ended := s.events.of(ecgridsession.SessionEnded)
				require.NotEmpty(t, ended)
				require.Error(t, ended[0].Err)
				assert.Equal(t, demo.Login, ended[0].Session.Login)

				got := b.post("/logout", nil)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				requireDeletion(t, got)
				requireAnonymous(t, s, b)
				assert.True(t, signIn(b).signedIn(), "the user can sign in again at once")
			})
		}
	}
}

// A bearer token in the cookie needs no entry, but does not go past a bad one.
func TestGarbageInTheLedgerEndsASessionWhoseTokenIsInTheCookieToo(t *testing.T) {
	s, ledger := withLedger(t)
	b := s.browser().signIn()
	require.True(t, b.signedIn())
	ledger.put(ledger.lastAsked("s"), []byte("nobody sealed this"))
	requireAnonymous(t, s, b)
	require.NotEmpty(t, s.events.of(ecgridsession.SessionEnded))
}

func TestAnotherSessionsValueMovedHereOpensNothing(t *testing.T) {
	eve := ecgridtest.User{ID: 4712, Login: "eve", Password: "password-of-eve", APIKey: "key-of-eve"}
	for kind, form := range map[string]url.Values{
		"bearer": {"login": {eve.Login}, "password": {eve.Password}}, "API key": {"api_key": {eve.APIKey}},
	} {
		t.Run(kind, func(t *testing.T) {
			s, ledger := withLedger(t, inLedger)
			s.grid.AddUser(eve)
			victim := signInKinds[kind](s.browser())
			victim.get("/")
			victims := ledger.get(ledger.lastAsked("s"))
			thief := s.browser()
			require.Equal(t, http.StatusSeeOther, thief.post("/login", form).StatusCode)
			require.Equal(t, "user eve", thief.get("/").body)
			ledger.put(ledger.lastAsked("s"), victims)

			requireAnonymous(t, s, thief)
			ended := s.events.of(ecgridsession.SessionEnded)
			require.NotEmpty(t, ended)
			assert.Equal(t, "eve", ended[0].Session.Login)
			assert.Equal(t, "user demo", victim.get("/").body)
		})
	}
}

func TestGarbageInTheUsersCutOffEndsTheSessionsAndTheNextSignInMendsIt(t *testing.T) {
	for kind, signIn := range signInKinds {
		t.Run(kind, func(t *testing.T) {
			s, ledger := withLedger(t)
			b := signIn(s.browser())
			require.True(t, b.signedIn())
			ledger.put(ledger.lastAsked("u"), []byte("nobody sealed this"))
			requireAnonymous(t, s, b)
			require.NotEmpty(t, s.events.of(ecgridsession.SessionEnded))
			assert.True(t, signIn(b).signedIn())
		})
	}
}

func TestA503SaysNothingOfTheLedger(t *testing.T) {
	s, ledger := withLedger(t)
	b := s.browser().signInByKey()
	ledger.becomes(fails)
	page := b.get("/private", click...)
	assert.Contains(t, page.body, "You have not been signed out")
	assert.NotContains(t, page.body, errLedgerOfTest.Error())

	var failure map[string]any
	require.NoError(t, json.Unmarshal([]byte(b.get("/private", fetchCall...).body), &failure))
	assert.Equal(t, map[string]any{"error": "temporarily unavailable"}, failure)
}

func TestTheLedgersOwnErrorCanBeFoundInTheEvent(t *testing.T) {
	s, ledger := withLedger(t)
	b := s.browser().signIn()
	ledger.becomes(fails)
	b.get("/")
	events := s.events.of(ecgridsession.LedgerUnavailable)
	require.NotEmpty(t, events)
	assert.ErrorIs(t, events[0].Err, errLedgerOfTest)
}
