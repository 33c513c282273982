package tests

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// admin may reset users at ECGrid, which demo may not.
var admin = ecgridtest.User{ID: 11, Login: "admin", Password: "pw", APIKey: "key-of-admin", AuthLevel: "MailboxAdmin"}

const resetAdmin = "/v2/users/reset/11"

// withAdmin is inTimeBubble with a user who may reset herself.
func withAdmin(t *testing.T, property func(t *testing.T, c *cluster, r *replica)) {
	t.Helper()
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		c.api.AddUser(admin)
		property(t, c, r)
	})
}

// outcomes are those of the sign-outs so far.
func (r *replica) outcomes() []string {
	var all []string
	for _, e := range r.events.of(ecgridsession.LoggedOut) {
		all = append(all, e.Outcome.String())
	}
	return all
}

func TestSigningOutEverywhereEndsAllSessionsOfTheUserAndNoOther(t *testing.T) {
	for _, apart := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute} {
		t.Run("clocks apart by "+apart.String(), func(t *testing.T) {
			withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
				other := c.replica().aheadBy(apart)
				others := []*visitor{r.signIn(admin), other.signIn(admin), r.signInByKey(admin), other.signInByKey(admin)}
				stranger := other.signIn(demo)
				v := r.signIn(admin)

				got := v.post(r, "/everywhere")
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				assert.Equal(t, []string{deletion}, got.sessionCookies())
				assert.Equal(t, []string{"confirmed"}, r.outcomes())
				assert.Zero(t, c.api.LiveTokens(admin.ID))
				before := len(c.api.Calls(""))
				for i, o := range others {
					for _, at := range []*replica{r, other} {
						assert.Equal(t, "anonymous", o.copy().get(at, "/").body, "session %d", i)
					}
				}
				assert.Len(t, c.api.Calls(""), before, "ECGrid is not asked")
				// In the same millisecond: the bubble's clock has not moved.
				again, elsewhere := r.signIn(admin), other.signIn(admin)
				time.Sleep(5 * time.Minute) // until no clock takes it for one from the future
				for _, at := range []*replica{r, other} {
					assert.Equal(t, "user admin", again.get(at, "/").body, "a new one lives")
					assert.Equal(t, "user admin", elsewhere.get(at, "/").body, "a new one lives")
					assert.Equal(t, "user demo", stranger.get(at, "/").body)
				}
			})
		})
	}
}

// Again and again, on replicas whose clocks disagree: each ends what there was
// so far, whatever the number that it found.
func TestSigningOutEverywhereByTurnsEndsWhatWasThereEachTime(t *testing.T) {
	withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
		ahead, behind := c.replica().aheadBy(5*time.Minute), c.replica().aheadBy(-5*time.Minute)
		for i, at := range []*replica{ahead, behind, r, behind, ahead, r, behind} {
			old := []*visitor{r.signIn(admin), ahead.signIn(admin), behind.signIn(admin)}
			at.signIn(admin).post(at, "/everywhere")
			for j, o := range old {
				for _, seen := range []*replica{r, ahead, behind} {
					assert.Equal(t, "anonymous", o.copy().get(seen, "/").body, "turn %d, session %d", i, j)
				}
			}
			assert.Equal(t, "user admin", at.signIn(admin).get(at, "/").body, "turn %d", i)
		}
	})
}

func TestAResetThatECGridRefusesLeavesTheCutOffStanding(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		other := c.replica()
		o := other.signIn(demo)
		v := r.signIn(demo) // a MailboxUser may reset nobody
		assert.Equal(t, http.StatusSeeOther, v.post(r, "/everywhere").StatusCode)
		assert.Equal(t, []string{"refused"}, r.outcomes())
		assert.Equal(t, "anonymous", o.get(other, "/").body)
		assert.Equal(t, 1, c.api.LiveTokens(demo.ID), "its own token is ended; the other's cannot be")
		time.Sleep(time.Hour)
		assert.Len(t, c.api.Calls(resetCall), 1, "and it is not tried again")
	})
}

func TestAResetThatFailsIsReportedAndNotTriedAgain(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{
		"503": {Status: 503}, "429": {Status: 429}, "cut": {Reset: true}, "no answer": {Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
				o, v := r.signIn(admin), r.signIn(admin)
				fault.Path = resetAdmin
				c.api.Inject(fault)
				began := time.Now()
				assert.Equal(t, http.StatusSeeOther, v.post(r, "/everywhere").StatusCode)
				assert.LessOrEqual(t, time.Since(began), 3*time.Second)
				assert.Len(t, r.events.of(ecgridsession.RevocationGaveUp), 1)
				assert.Equal(t, "anonymous", o.get(r, "/").body, "here it has ended at once")

				// A reset that came later would end this one.
				c.api.ClearFaults()
				again := r.signIn(admin)
				time.Sleep(5 * time.Minute)
				assert.Equal(t, http.StatusOK, again.post(r, "/call").StatusCode)
				assert.Len(t, c.api.Calls(resetAdmin), 1)
				assert.Equal(t, 2, c.api.LiveTokens(admin.ID), "the new one, and the other session's, which nobody holds")
			})
		})
	}
}

func TestAPlainSignOutThatComesFirstDoesNotKeepTheOthersAlive(t *testing.T) {
	withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
		r.signIn(admin)
		v := r.signIn(admin)
		tab := v.copy()
		var first ledgerTrouble = func(act func() error) error {
			err := act()
			c.ledger.swap.Store(nil)
			tab.post(r, "/logout") // between the cut-off and the end
			return err
		}
		c.ledger.swap.Store(&first)
		v.post(r, "/everywhere")
		time.Sleep(10 * time.Minute)
		assert.Len(t, c.api.Calls(resetAdmin), 1)
	})
}

func TestNoLinkSignsOutEverywhere(t *testing.T) {
	withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
		other := r.signIn(admin)
		// The target of a return_to looks like a click on this site.
		got := r.signIn(admin).get(r, "/everywhere", click...)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Contains(t, got.body, "<form")
		assert.Equal(t, "user admin", other.get(r, "/").body)
	})
}

func TestSigningOutEverywhereWithTheLedgerDownIsNotConfirmed(t *testing.T) {
	for name, down := range map[string]func(*testLedger){"down": (*testLedger).refuseAll, "read-only": (*testLedger).refuseSwaps} {
		t.Run(name, func(t *testing.T) {
			withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
				var err error
				r.mux.HandleFunc("/out", func(w http.ResponseWriter, req *http.Request) {
					_, err = r.m.LogoutEverywhere(w, req)
				})
				o, v, w := r.signIn(admin), r.signIn(admin), r.signIn(admin)
				down(c.ledger)
				got := v.post(r, "/out")
				require.ErrorIs(t, err, ecgridsession.ErrLogoutUnconfirmed)
				assert.Equal(t, []string{deletion}, got.sessionCookies())
				assert.Zero(t, c.api.LiveTokens(admin.ID), "ECGrid is told all the same")
				got = w.post(r, "/everywhere", click...)
				assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode, "never a false success")
				assert.Contains(t, got.body, "not confirmed")
				c.ledger.recover()
				time.Sleep(time.Minute)
				// What ECGrid has ended ends here by its word.
				assert.Equal(t, http.StatusUnauthorized, o.post(r, "/call").StatusCode)
				assert.Equal(t, "anonymous", o.get(r, "/").body)
			})
		})
	}
}

func TestOnlyAnOpenSessionSignsOutEverywhere(t *testing.T) {
	withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
		o, v := r.signIn(admin), r.signIn(admin)
		ended := v.copy()
		v.post(r, "/logout")
		assert.Equal(t, http.StatusSeeOther, ended.post(r, "/everywhere").StatusCode)
		nobody := &visitor{}
		assert.Equal(t, http.StatusSeeOther, nobody.post(r, "/everywhere").StatusCode)
		assert.Equal(t, "user admin", o.get(r, "/").body)
		assert.Empty(t, c.api.Calls(resetAdmin))
	})
}

func TestTheSignOutEverywherePageChangesNothing(t *testing.T) {
	withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(admin)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			got := v.send(r, method, "/everywhere", crossSite...)
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			if method == http.MethodGet {
				assert.Contains(t, got.body, "<form")
				assert.Contains(t, got.body, "everywhere")
			}
		}
		assert.Equal(t, http.StatusForbidden, v.post(r, "/everywhere", crossSite...).StatusCode)
		got := v.send(r, http.MethodDelete, "/everywhere")
		assert.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
		assert.Equal(t, "GET, HEAD, POST", got.Header.Get("Allow"))
		assert.Equal(t, "user admin", v.get(r, "/").body)
		assert.Empty(t, c.api.Calls(resetAdmin))
	})
}

// Of a hundred at once one calls ECGrid, and all are answered.
func TestSigningOutEverywhereAHundredTimesAtOnceResetsOnce(t *testing.T) {
	withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(admin)
		atOnce(100, func(int) {
			assert.Equal(t, http.StatusSeeOther, v.copy().post(r, "/everywhere").StatusCode)
		})
		assert.Len(t, c.api.Calls(resetAdmin), 1)
		assert.Len(t, r.events.of(ecgridsession.LoggedOut), 1)
	})
}

// A request that has been under way since before must not get token after token
// for a session that has ended with all of its user's.
func TestALongRequestOfAnotherSessionIsNotRefreshedAfterwards(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		r, other := c.replica(), c.replica()
		var err error
		other.mux.HandleFunc("/long", func(_ http.ResponseWriter, req *http.Request) {
			time.Sleep(untilDue)
			_, err = other.m.Credential(req.Context())
		})
		v, o := r.signIn(demo), other.signIn(demo) // demo's reset is refused: both tokens live
		var long sync.WaitGroup
		long.Go(func() { o.get(other, "/long") })
		synctest.Wait()
		v.post(r, "/everywhere")
		long.Wait()
		assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded)
		assert.Zero(t, c.refreshes())
	})
}

func TestTheBrowserThatHangsUpSignsOutEverywhereAllTheSame(t *testing.T) {
	withAdmin(t, func(t *testing.T, c *cluster, r *replica) {
		o, v := r.signIn(admin), r.signIn(admin)
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		v.sendUntil(gone, r, http.MethodPost, "/everywhere")
		assert.Equal(t, "anonymous", o.get(r, "/").body)
		assert.Zero(t, c.api.LiveTokens(admin.ID))
	})
}
