package requests

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestAPanicInOnEventIsContainedAndItsValueNotLogged(t *testing.T) {
	for name, value := range map[string]any{
		"a string": "canary-panic-value", "an error": errors.New("canary-panic-value"), "nil": nil, "abort": http.ErrAbortHandler,
	} {
		site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
			assert.Equal(t, "user demo", b.Get("/").Text, name)
			thief := b.WithCookie(s)
			got := b.Post("/logout", nil)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode, name)
			assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
			assert.False(t, thief.SignedIn())
			assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
			assert.Contains(t, s.Logs.String(), `msg="ecgridsession: OnEvent panicked" event=logged-out`)
			assert.NotContains(t, s.Logs.String(), "canary-panic-value")
		}, site.With(func(c *ecgridsession.Config) {
			c.OnEvent = func(context.Context, ecgridsession.Event) { panic(value) }
		}))
	}
}

func TestOnEventIsCalledBeforeTheAnswer(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		started := s.Events.Of(ecgridsession.SessionStarted)
		require.Len(t, started, 1)
		assert.Equal(t, site.Demo.ID, started[0].Session.UserID)
		b.Post("/logout", nil)
		out := s.Events.Of(ecgridsession.LoggedOut)
		require.Len(t, out, 1)
		assert.Equal(t, started[0].Session.Ref, out[0].Session.Ref, "the same reference from first to last")
		assert.Equal(t, ecgridsession.LogoutConfirmed, out[0].Outcome)
		assert.Positive(t, out[0].Duration)
		assert.NoError(t, out[0].Err)
	})
}

func TestAMiddlewareWithoutOnEventWorks(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		assert.Equal(t, http.StatusSeeOther, b.Post("/logout", nil).StatusCode)
	}, site.With(func(c *ecgridsession.Config) { c.OnEvent = nil }))
}
