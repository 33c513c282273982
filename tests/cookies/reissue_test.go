package cookies

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestTheCookieIsSetAnewWhenATenthOfTheIdleLimitHasPassed(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		for range 3 {
			first := v.Cookie
			time.Sleep(3*time.Minute - time.Millisecond)
			for range 5 {
				assert.Empty(t, v.Get(r, "/").SessionCookies())
				assert.Empty(t, v.Post(r, "/").SessionCookies())
			}
			time.Sleep(time.Millisecond)
			got := v.Get(r, "/")
			require.Len(t, got.SessionCookies(), 1)
			assert.NotEqual(t, first, v.Cookie)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			assert.Contains(t, got.Header.Values("Vary"), "Cookie")
			assert.Empty(t, v.Get(r, "/").SessionCookies())
		}
	})
}

// What was seen keeps a session from idling out, so an active user stays.
func TestAnActiveSessionDoesNotIdleOut(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		idle := v.Copy()
		for range 60 {
			time.Sleep(time.Minute)
			require.Equal(t, "user demo", v.Get(r, "/").Text)
		}
		assert.Equal(t, "anonymous", idle.Get(r, "/").Text, "the first cookie was not used for an hour")
		assert.Equal(t, "user demo", v.Get(r, "/").Text, "which says nothing of the session")
	})
}

func TestTheCookieIsSetAnewForANewerGeneration(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(12 * time.Minute)
		v.Get(r, "/") // for its age
		time.Sleep(time.Minute)
		old := v.Copy()
		got := v.Post(r, "/inbox")
		require.Equal(t, http.StatusOK, got.StatusCode)
		require.Len(t, got.SessionCookies(), 1, "with the very answer")
		assert.Empty(t, v.Get(r, "/").SessionCookies())
		assert.Len(t, old.Get(r, "/").SessionCookies(), 1)
	})
}

func TestTheCookieIsSetAnewForAnOlderKey(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		v := c.Replica().SignIn(site.Demo)
		next := site.NewKey(t)
		rotated := c.Replica(func(cfg *ecgridsession.Config) { cfg.Keys = [][]byte{next, c.Key} })
		old := v.Copy()
		got := v.Get(rotated, "/")
		assert.Equal(t, "user demo", got.Text)
		require.Len(t, got.SessionCookies(), 1)
		assert.Empty(t, v.Get(rotated, "/").SessionCookies())
		assert.Equal(t, http.StatusOK, v.Get(rotated, "/inbox").StatusCode)

		// The session goes on through a refresh, and ends for both keys.
		time.Sleep(site.UntilDue)
		require.Equal(t, http.StatusOK, v.Get(rotated, "/inbox").StatusCode)
		require.Equal(t, 1, c.Refreshes())
		v.Post(rotated, "/logout")
		assert.Equal(t, "anonymous", old.Get(rotated, "/").Text)
		assert.Zero(t, c.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestACookieOfAnUnknownKeyIsAnonymous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := site.New(t, site.InProcess())
		v := c.Replica().SignIn(site.Demo)
		other := c.Replica(func(cfg *ecgridsession.Config) { cfg.Keys = [][]byte{site.NewKey(t)} })
		assert.Equal(t, "anonymous", v.Get(other, "/").Text)
	})
}

func TestNoCookieIsSetOnASubresource(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(site.UntilDue) // older than a tenth of the idle limit, and due
		for _, dest := range []string{"image", "script", "style", "font", "audio"} {
			assert.Empty(t, v.Copy().Get(r, "/", "Sec-Fetch-Dest", dest).Header.Values("Set-Cookie"), dest)
		}
		for _, dest := range []string{"document", "empty", "iframe", "frame"} {
			assert.Len(t, v.Copy().Get(r, "/", "Sec-Fetch-Dest", dest).SessionCookies(), 1, dest)
		}
	})
}

func TestAskingForTheSessionDoesNotProlongItThoughItsTokenIsRefreshed(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		for range 30 {
			assert.Equal(t, http.StatusOK, v.Get(r, "/session").StatusCode)
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Second)
		assert.Equal(t, http.StatusUnauthorized, v.Get(r, "/session").StatusCode)
	})
}
