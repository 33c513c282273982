package signout

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
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

const resetAdmin = "/v2/users/reset/11"

// withAdmin is InBubble with a user who may reset herself.
func withAdmin(t *testing.T, property func(t *testing.T, r *site.Site)) {
	t.Helper()
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		r.Grid.AddUser(site.Admin)
		property(t, r)
	})
}

func TestSigningOutEverywhereEndsAllSessionsOfTheUserAndNoOther(t *testing.T) {
	for _, apart := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute} {
		t.Run("clocks apart by "+apart.String(), func(t *testing.T) {
			withAdmin(t, func(t *testing.T, r *site.Site) {
				other := r.Replica().AheadBy(apart)
				others := []*site.Visitor{r.SignIn(site.Admin), other.SignIn(site.Admin), r.SignInByKey(site.Admin), other.SignInByKey(site.Admin)}
				stranger := other.SignIn(site.Demo)
				v := r.SignIn(site.Admin)

				got := v.Post(r, "/everywhere")
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
				assert.Equal(t, []string{"confirmed"}, r.Outcomes())
				assert.Zero(t, r.Grid.LiveTokens(site.Admin.ID))
				before := len(r.Grid.Calls(""))
				for i, o := range others {
					for _, at := range []*site.Site{r, other} {
						assert.Equal(t, "anonymous", o.Copy().Get(at, "/").Text, "session %d", i)
					}
				}
				assert.Len(t, r.Grid.Calls(""), before, "ECGrid is not asked")
				// In the same millisecond: the bubble's clock has not moved.
				again, elsewhere := r.SignIn(site.Admin), other.SignIn(site.Admin)
				time.Sleep(5 * time.Minute) // until no clock takes it for one from the future
				for _, at := range []*site.Site{r, other} {
					assert.Equal(t, "user admin", again.Get(at, "/").Text, "a new one lives")
					assert.Equal(t, "user admin", elsewhere.Get(at, "/").Text, "a new one lives")
					assert.Equal(t, "user demo", stranger.Get(at, "/").Text)
				}
			})
		})
	}
}

// Again and again, on replicas whose clocks disagree: each ends what there was
// so far, whatever the number that it found.
func TestSigningOutEverywhereByTurnsEndsWhatWasThereEachTime(t *testing.T) {
	withAdmin(t, func(t *testing.T, r *site.Site) {
		ahead, behind := r.Replica().AheadBy(5*time.Minute), r.Replica().AheadBy(-5*time.Minute)
		for i, at := range []*site.Site{ahead, behind, r, behind, ahead, r, behind} {
			old := []*site.Visitor{r.SignIn(site.Admin), ahead.SignIn(site.Admin), behind.SignIn(site.Admin)}
			at.SignIn(site.Admin).Post(at, "/everywhere")
			for j, o := range old {
				for _, seen := range []*site.Site{r, ahead, behind} {
					assert.Equal(t, "anonymous", o.Copy().Get(seen, "/").Text, "turn %d, session %d", i, j)
				}
			}
			assert.Equal(t, "user admin", at.SignIn(site.Admin).Get(at, "/").Text, "turn %d", i)
		}
	})
}

func TestAResetThatECGridRefusesLeavesTheCutOffStanding(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		other := r.Replica()
		o := other.SignIn(site.Demo)
		v := r.SignIn(site.Demo) // a MailboxUser may reset nobody
		assert.Equal(t, http.StatusSeeOther, v.Post(r, "/everywhere").StatusCode)
		assert.Equal(t, []string{"refused"}, r.Outcomes())
		assert.Equal(t, "anonymous", o.Get(other, "/").Text)
		assert.Equal(t, 1, r.Grid.LiveTokens(site.Demo.ID), "its own token is ended; the other's cannot be")
		time.Sleep(time.Hour)
		assert.Len(t, r.Grid.Calls(site.ResetCall), 1, "and it is not tried again")
	})
}

func TestAResetThatFailsIsReportedAndNotTriedAgain(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{
		"503": {Status: 503}, "429": {Status: 429}, "cut": {Reset: true}, "no answer": {Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			withAdmin(t, func(t *testing.T, r *site.Site) {
				o, v := r.SignIn(site.Admin), r.SignIn(site.Admin)
				fault.Path = resetAdmin
				r.Grid.Inject(fault)
				began := time.Now()
				assert.Equal(t, http.StatusSeeOther, v.Post(r, "/everywhere").StatusCode)
				assert.LessOrEqual(t, time.Since(began), 3*time.Second)
				assert.Len(t, r.Events.Of(ecgridsession.RevocationGaveUp), 1)
				assert.Equal(t, "anonymous", o.Get(r, "/").Text, "here it has ended at once")

				// A reset that came later would end this one.
				r.Grid.ClearFaults()
				again := r.SignIn(site.Admin)
				time.Sleep(5 * time.Minute)
				assert.Equal(t, http.StatusOK, again.Post(r, "/inbox").StatusCode)
				assert.Len(t, r.Grid.Calls(resetAdmin), 1)
				assert.Equal(t, 2, r.Grid.LiveTokens(site.Admin.ID), "the new one, and the other session's, which nobody holds")
			})
		})
	}
}

func TestAPlainSignOutThatComesFirstDoesNotKeepTheOthersAlive(t *testing.T) {
	withAdmin(t, func(t *testing.T, r *site.Site) {
		r.SignIn(site.Admin)
		v := r.SignIn(site.Admin)
		tab := v.Copy()
		var first site.LedgerFault = func(act func() error) error {
			err := act()
			r.Ledger.OnSwap.Store(nil)
			tab.Post(r, "/logout") // between the cut-off and the end
			return err
		}
		r.Ledger.OnSwap.Store(&first)
		v.Post(r, "/everywhere")
		time.Sleep(10 * time.Minute)
		assert.Len(t, r.Grid.Calls(resetAdmin), 1)
	})
}

func TestNoLinkSignsOutEverywhere(t *testing.T) {
	withAdmin(t, func(t *testing.T, r *site.Site) {
		other := r.SignIn(site.Admin)
		// The target of a return_to looks like a click on this site.
		got := r.SignIn(site.Admin).Get(r, "/everywhere", site.Click...)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Contains(t, got.Text, "<form")
		assert.Equal(t, "user admin", other.Get(r, "/").Text)
	})
}

func TestSigningOutEverywhereWithTheLedgerDownIsNotConfirmed(t *testing.T) {
	for name, down := range map[string]func(*site.Ledger){"down": (*site.Ledger).RefuseAll, "read-only": (*site.Ledger).RefuseSwaps} {
		t.Run(name, func(t *testing.T) {
			withAdmin(t, func(t *testing.T, r *site.Site) {
				var err error
				r.Mux.HandleFunc("/out", func(w http.ResponseWriter, req *http.Request) {
					_, err = r.Middleware.LogoutEverywhere(w, req)
				})
				o, v, w := r.SignIn(site.Admin), r.SignIn(site.Admin), r.SignIn(site.Admin)
				down(r.Ledger)
				got := v.Post(r, "/out")
				require.ErrorIs(t, err, ecgridsession.ErrLogoutUnconfirmed)
				assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
				assert.Zero(t, r.Grid.LiveTokens(site.Admin.ID), "ECGrid is told all the same")
				got = w.Post(r, "/everywhere", site.Click...)
				assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode, "never a false success")
				assert.Contains(t, got.Text, "not confirmed")
				r.Ledger.Recover()
				time.Sleep(time.Minute)
				// What ECGrid has ended ends here by its word.
				assert.Equal(t, http.StatusUnauthorized, o.Post(r, "/inbox").StatusCode)
				assert.Equal(t, "anonymous", o.Get(r, "/").Text)
			})
		})
	}
}

func TestOnlyAnOpenSessionSignsOutEverywhere(t *testing.T) {
	withAdmin(t, func(t *testing.T, r *site.Site) {
		o, v := r.SignIn(site.Admin), r.SignIn(site.Admin)
		ended := v.Copy()
		v.Post(r, "/logout")
		assert.Equal(t, http.StatusSeeOther, ended.Post(r, "/everywhere").StatusCode)
		nobody := &site.Visitor{}
		assert.Equal(t, http.StatusSeeOther, nobody.Post(r, "/everywhere").StatusCode)
		assert.Equal(t, "user admin", o.Get(r, "/").Text)
		assert.Empty(t, r.Grid.Calls(resetAdmin))
	})
}

func TestTheSignOutEverywherePageChangesNothing(t *testing.T) {
	withAdmin(t, func(t *testing.T, r *site.Site) {
		v := r.SignIn(site.Admin)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			got := v.Send(r, method, "/everywhere", site.CrossSite...)
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			if method == http.MethodGet {
				assert.Contains(t, got.Text, "<form")
				assert.Contains(t, got.Text, "everywhere")
			}
		}
		assert.Equal(t, http.StatusForbidden, v.Post(r, "/everywhere", site.CrossSite...).StatusCode)
		got := v.Send(r, http.MethodDelete, "/everywhere")
		assert.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
		assert.Equal(t, "GET, HEAD, POST", got.Header.Get("Allow"))
		assert.Equal(t, "user admin", v.Get(r, "/").Text)
		assert.Empty(t, r.Grid.Calls(resetAdmin))
	})
}

// Of a hundred at once one calls ECGrid, and all are answered.
func TestSigningOutEverywhereAHundredTimesAtOnceResetsOnce(t *testing.T) {
	withAdmin(t, func(t *testing.T, r *site.Site) {
		v := r.SignIn(site.Admin)
		site.AtOnce(100, func(int) {
			assert.Equal(t, http.StatusSeeOther, v.Copy().Post(r, "/everywhere").StatusCode)
		})
		assert.Len(t, r.Grid.Calls(resetAdmin), 1)
		assert.Len(t, r.Events.Of(ecgridsession.LoggedOut), 1)
	})
}

// A request that has been under way since before must not get token after token
// for a session that has ended with all of its user's.
func TestALongRequestOfAnotherSessionIsNotRefreshedAfterwards(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		r, other := c.Replica(), c.Replica()
		var err error
		other.Mux.HandleFunc("/long", func(_ http.ResponseWriter, req *http.Request) {
			time.Sleep(site.UntilDue)
			_, err = other.Middleware.Credential(req.Context())
		})
		v, o := r.SignIn(site.Demo), other.SignIn(site.Demo) // demo's reset is refused: both tokens live
		var long sync.WaitGroup
		long.Go(func() { o.Get(other, "/long") })
		synctest.Wait()
		v.Post(r, "/everywhere")
		long.Wait()
		assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded)
		assert.Zero(t, c.Refreshes())
	})
}

func TestTheBrowserThatHangsUpSignsOutEverywhereAllTheSame(t *testing.T) {
	withAdmin(t, func(t *testing.T, r *site.Site) {
		o, v := r.SignIn(site.Admin), r.SignIn(site.Admin)
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		v.SendUntil(gone, r, http.MethodPost, "/everywhere")
		assert.Equal(t, "anonymous", o.Get(r, "/").Text)
		assert.Zero(t, r.Grid.LiveTokens(site.Admin.ID))
	})
}
