package ecgridotel_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestASignInIsCountedByItsKindOfCredential(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		s.signedIn()
		s.signedIn()
		require.Equal(t, http.StatusSeeOther, s.visitor().post("/login", byKey(demo)))
		assert.Equal(t, map[string]int64{"credential=bearer": 2, "credential=api-key": 1}, s.counted("ecgridsession.logins"))
	})
}

func TestAFailedSignInIsCountedByWhatECGridSaidAndAsNoLogin(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		wrong := byPassword(demo)
		wrong.Set("password", "wrong")
		require.Equal(t, http.StatusUnauthorized, s.visitor().post("/login", wrong))
		s.grid.Inject(ecgridtest.Fault{Path: loginCall, Status: 503})
		require.Equal(t, http.StatusServiceUnavailable, s.visitor().post("/login", byPassword(demo)))
		assert.Equal(t, map[string]int64{"error.type=InvalidSession": 1, "error.type=503": 1}, s.counted("ecgridsession.login.failures"))
		assert.Empty(t, s.counted("ecgridsession.logins"))
	})
}

func TestARefreshIsCountedByWhatCameOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		faults    []ecgridtest.Fault
		answer    int
		refreshes map[string]int64
		ends      map[string]int64
	}{
		"a new token": {nil, 200, map[string]int64{"refresh.outcome=refreshed": 1}, nil},
		"an outage": {
			[]ecgridtest.Fault{{Path: refreshCall, Status: 503}}, 200,
			map[string]int64{"refresh.outcome=failed,error.type=503": 1}, nil,
		},
		"no answer in time": {
			[]ecgridtest.Fault{{Path: refreshCall, Hang: true}}, 200,
			map[string]int64{"refresh.outcome=failed,error.type=timeout": 1}, nil,
		},
		"a refusal": {
			// The delay tells it from an end without a call: outside of a bubble every call takes time.
			[]ecgridtest.Fault{{Path: refreshCall, Status: 401, Delay: time.Second / 2}}, 401,
			map[string]int64{"refresh.outcome=ended,error.type=InvalidSession": 1},
			map[string]int64{"error.type=InvalidSession": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *site) {
				v := s.signedIn()
				for _, fault := range c.faults {
					s.grid.Inject(fault)
				}
				time.Sleep(tokenTTL - 2*time.Minute + time.Second) // due for a request, and not yet in the background
				assert.Equal(t, c.answer, v.get("/"))
				time.Sleep(20 * time.Second) // the page has not waited for the end of a slow call
				assert.Equal(t, c.refreshes, s.counted("ecgridsession.refreshes"))
				assert.Equal(t, c.ends, s.counted("ecgridsession.ends"))
			}, func(cfg *ecgridsession.Config) { cfg.IdleTimeout = inADay })
		})
	}
}

func TestASignOutIsCountedOnceByItsOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		fault *ecgridtest.Fault
		want  string
	}{
		"confirmed":       {nil, "logout.outcome=confirmed"},
		"already invalid": {&ecgridtest.Fault{Status: 401}, "logout.outcome=already-invalid"},
		"refused":         {&ecgridtest.Fault{Status: 403}, "logout.outcome=refused,error.type=AccessDenied"},
		"pending":         {&ecgridtest.Fault{Status: 503}, "logout.outcome=pending,error.type=503"},
		"no code":         {&ecgridtest.Fault{Status: 502}, "logout.outcome=pending,error.type=502"},
		"no answer":       {&ecgridtest.Fault{Reset: true}, "logout.outcome=pending,error.type=no_answer"},
		"hanging":         {&ecgridtest.Fault{Hang: true}, "logout.outcome=pending,error.type=timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *site) {
				v := s.signedIn()
				again := &visitor{s: s, cookie: v.cookie}
				if c.fault != nil {
					c.fault.Path, c.fault.Times = logoutCall, 1
					s.grid.Inject(*c.fault)
				}
				require.Equal(t, http.StatusSeeOther, v.post("/logout", nil))
				require.Equal(t, http.StatusSeeOther, again.post("/logout", nil))
				settle()
				assert.Equal(t, map[string]int64{c.want: 1}, s.counted("ecgridsession.logouts"))
			})
		})
	}
}

func TestASignOutThatOnlyECGridConfirmedSaysThatTheLedgerDidNot(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn()
		s.ledger.broken.Store(true)
		require.Equal(t, http.StatusSeeOther, v.post("/logout", nil))
		assert.Equal(t, map[string]int64{"logout.outcome=confirmed,error.type=ledger": 1}, s.counted("ecgridsession.logouts"))
		s.ledger.broken.Store(false)
		settle()
	})
}

func TestARevocationInTheBackgroundIsCountedOnceWhenItIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		faults []ecgridtest.Fault // of the calls for sign-out, the user's own first
		want   map[string]int64
	}{
		"done at the next try": {
			[]ecgridtest.Fault{{Status: 503, Times: 1}},
			map[string]int64{"revocation.outcome=confirmed": 1},
		},
		"dead by then": {
			[]ecgridtest.Fault{{Status: 503, Times: 1}, {Status: 401, Times: 1}},
			map[string]int64{"revocation.outcome=already-invalid": 1},
		},
		"refused": {
			[]ecgridtest.Fault{{Status: 503, Times: 1}, {Status: 403, Times: 1}},
			map[string]int64{"revocation.outcome=refused,error.type=AccessDenied": 1},
		},
		"given up": {
			[]ecgridtest.Fault{{Status: 429}},
			map[string]int64{"revocation.outcome=gave-up,error.type=RateLimitExceeded": 1},
		},
		"at once": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *site) {
				v := s.signedIn()
				for _, fault := range c.faults {
					fault.Path = logoutCall
					s.grid.Inject(fault)
				}
				v.post("/logout", nil)
				assert.Empty(t, s.counted("ecgridsession.revocations"), "not while it is pending")
				settle()
				assert.Equal(t, c.want, s.counted("ecgridsession.revocations"))
			})
		})
	}
}

func TestARevocationThatCloseCutsShortIsCountedAsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn()
		s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Status: 503})
		v.post("/logout", nil)
		require.NoError(t, s.close())
		assert.Equal(t, map[string]int64{"revocation.outcome=gave-up,error.type=503": 1},
			s.counted("ecgridsession.revocations"))
	})
}

func TestRevocationsAreCountedAsPendingUntilTheyAreOver(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Status: 503})
		assert.Empty(t, s.pending(), "nothing has begun")
		for range 3 {
			require.Equal(t, http.StatusSeeOther, s.signedIn().post("/logout", nil))
		}
		assert.Equal(t, map[string]int64{"": 3}, s.pending())
		settle()
		assert.Equal(t, map[string]int64{"": 0}, s.pending())
		assert.Equal(t, map[string]int64{"revocation.outcome=gave-up,error.type=503": 3}, s.counted("ecgridsession.revocations"))
	})
}

func TestNothingIsLeftPendingWhateverCameOfIt(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		s.everyKindOfEvent(t)
		assert.Equal(t, map[string]int64{"": 0}, s.pending())
	}, func(cfg *ecgridsession.Config) { cfg.IdleTimeout = inADay })
}

func TestARevocationMayBeginWithoutASignOut(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn()
		require.Equal(t, http.StatusSeeOther, v.post("/login", byPassword(demo)), "in place of the session that was there")
		settle()
		assert.Empty(t, s.counted("ecgridsession.logouts"))
		assert.Equal(t, map[string]int64{"revocation.outcome=confirmed": 1}, s.counted("ecgridsession.revocations"))
	})
}

func TestAResetThatECGridRefusesIsARevocationRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn() // who may not reset
		require.Equal(t, http.StatusSeeOther, v.post("/everywhere", nil))
		assert.Equal(t, map[string]int64{"revocation.outcome=refused,error.type=AccessDenied": 1},
			s.counted("ecgridsession.revocations"))
		assert.Equal(t, map[string]int64{"logout.outcome=refused": 1}, s.counted("ecgridsession.logouts"))
	})
}

func TestASessionThatEndsOtherwiseThanBySignOutIsCounted(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *site, v *visitor){
		"a new sign-in": func(t *testing.T, s *site, v *visitor) {
			require.Equal(t, http.StatusSeeOther, v.post("/login", byKey(demo)))
		},
		"the absolute limit": func(t *testing.T, s *site, v *visitor) {
			time.Sleep(8 * time.Hour)
			require.Equal(t, http.StatusUnauthorized, v.get("/"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *site) {
				s.grid.SetTokenTTL(inADay)
				end(t, s, s.signedIn())
				settle()
				assert.Equal(t, map[string]int64{"": 1}, s.counted("ecgridsession.ends"))
				assert.Empty(t, s.counted("ecgridsession.refreshes"), "ECGrid was not asked")
				assert.Empty(t, s.counted("ecgridsession.logouts"))
			}, func(cfg *ecgridsession.Config) { cfg.IdleTimeout = 8 * time.Hour })
		})
	}
}

func TestACookieThatDoesNotOpenIsCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		forged := &visitor{s: s, cookie: "forged"}
		require.Equal(t, http.StatusUnauthorized, forged.get("/"))
		assert.Equal(t, map[string]int64{"": 1}, s.counted("ecgridsession.cookie.rejections"))
	})
}

func TestALedgerThatDoesNotAnswerIsCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn()
		s.ledger.broken.Store(true)
		require.Equal(t, http.StatusOK, v.get("/"))
		require.Equal(t, http.StatusOK, v.get("/"))
		assert.Equal(t, map[string]int64{"error.type=ledger": 2}, s.counted("ecgridsession.ledger.failures"))
	})
}

func TestEachCallToECGridIsTimedInSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		delay := func(path string, by time.Duration, status, times int) {
			s.grid.Inject(ecgridtest.Fault{Path: path, Delay: by, Status: status, Times: times})
		}
		delay(loginCall, 250*time.Millisecond, 0, 1)
		v := s.signedIn()
		delay(refreshCall, 750*time.Millisecond, 0, 1)
		time.Sleep(tokenTTL - 2*time.Minute + time.Second) // due for a request, and not yet in the background
		require.Equal(t, http.StatusOK, v.get("/"))
		delay(logoutCall, 2*time.Second, 503, 1)
		delay(logoutCall, 4*time.Second, 0, 1)
		require.Equal(t, http.StatusSeeOther, v.post("/logout", nil))
		settle()

		got := map[string]float64{}
		for attrs, point := range s.timed() {
			assert.EqualValues(t, 1, point.Count, attrs)
			assert.Equal(t, []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10}, point.Bounds)
			got[attrs] = point.Sum
		}
		assert.Equal(t, map[string]float64{
			"upstream.call=login":                 0.25,
			"upstream.call=refresh":               0.75,
			"upstream.call=logout,error.type=503": 2,
			"upstream.call=revocation":            4,
		}, got)
	}, func(cfg *ecgridsession.Config) { cfg.IdleTimeout = inADay })
}

func TestACallThatDidNotTakePlaceIsNotTimed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		s.grid.SetTokenTTL(inADay)
		s.grid.Inject(ecgridtest.Fault{Path: loginCall, Delay: time.Second})
		v := s.signedIn()
		time.Sleep(8 * time.Hour)
		require.Equal(t, http.StatusUnauthorized, v.get("/"))
		require.Len(t, s.counted("ecgridsession.ends"), 1)
		assert.NotContains(t, s.timed(), "upstream.call=refresh")
	}, func(cfg *ecgridsession.Config) { cfg.IdleTimeout = 8 * time.Hour })
}

func TestTheLedgersFaultIsNotBlamedOnTheCallToECGrid(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn()
		s.ledger.broken.Store(true)
		s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Delay: time.Second})
		require.Equal(t, http.StatusSeeOther, v.post("/logout", nil))
		assert.Contains(t, s.timed(), "upstream.call=logout")
		s.ledger.broken.Store(false)
		settle()
	})
}

func TestARequestWhoseBrowserHasGoneIsCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		v.request(gone, http.MethodPost, "/logout", nil)
		assert.Equal(t, map[string]int64{"logout.outcome=confirmed": 1}, s.counted("ecgridsession.logouts"))
		forged := &visitor{s: s, cookie: "forged"}
		forged.request(gone, http.MethodGet, "/", nil)
		assert.Len(t, s.counted("ecgridsession.cookie.rejections"), 1)
	})
}
