package signout

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestAnAdministratorEndsAllSessionsOfAUserAndNoOther(t *testing.T) {
	site.InBubble(t, func(t *testing.T, c *site.Site) {
		other := ecgridtest.User{ID: 12, Login: "other", Password: "canary-password-of-another"}
		c.Grid.AddUser(other)
		r, elsewhere := c.Replica(), c.Replica().AheadBy(-5*time.Minute)
		theirs := []*site.Visitor{r.SignIn(site.Demo), r.SignIn(site.Demo), elsewhere.SignIn(site.Demo), r.SignInByKey(site.Demo)}
		bystander := r.SignIn(other)
		time.Sleep(6 * time.Minute)

		for range 3 { // any number of times
			require.NoError(t, elsewhere.Middleware.EndSessionsOf(t.Context(), site.Demo.ID))
			for i, v := range theirs {
				assert.Equal(t, "anonymous", v.Copy().Get(r, "/").Text, "session %d", i)
				assert.Equal(t, "anonymous", v.Copy().Get(elsewhere, "/").Text, "session %d", i)
			}
			assert.Equal(t, "user other", bystander.Get(r, "/").Text)
			theirs = append(theirs, r.SignIn(site.Demo))
			assert.Equal(t, "user demo", theirs[len(theirs)-1].Get(elsewhere, "/").Text, "a session that starts later lives")
		}
	})
}

func TestAnAdministratorEndsTheStreamsOfAUser(t *testing.T) {
	site.InBubble(t, func(t *testing.T, c *site.Site) {
		for name, limit := range map[string]time.Duration{"here": 0, "on another replica": 2 * time.Second} {
			r := c.Replica()
			v := r.SignIn(site.Demo)
			streaming := make(chan context.Context, 1)
			r.Mux.HandleFunc("/stream", func(_ http.ResponseWriter, req *http.Request) {
				ctx, cancel := r.Middleware.EndWithSession(req.Context())
				defer cancel()
				streaming <- ctx
				<-ctx.Done()
			})
			go v.Get(r, "/stream")
			ctx := <-streaming
			ender := r
			if limit > 0 {
				ender = c.Replica()
			}
			began := time.Now()
			require.NoError(t, ender.Middleware.EndSessionsOf(t.Context(), site.Demo.ID))
			<-ctx.Done()
			assert.LessOrEqual(t, time.Since(began), limit, name)
			assert.ErrorIs(t, context.Cause(ctx), ecgridsession.ErrSessionEnded)
		}
	})
}

func TestEndSessionsOfSaysWhenTheLedgerDidNotTakeIt(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignIn(site.Demo)
		r.Ledger.RefuseAll()
		require.ErrorIs(t, r.Middleware.EndSessionsOf(t.Context(), site.Demo.ID), ecgridsession.ErrLedgerUnavailable)
		r.Ledger.Recover()
		assert.Equal(t, "user demo", v.Get(r, "/").Text)
		require.NoError(t, r.Middleware.EndSessionsOf(t.Context(), site.Demo.ID))
		assert.Equal(t, "anonymous", v.Get(r, "/").Text)
	})
}

func TestEndSessionsOfRefusesWhatIsNoUser(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		for _, id := range []int64{0, -1} {
			assert.Error(t, r.Middleware.EndSessionsOf(t.Context(), id))
		}
	})
}
