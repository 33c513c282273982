package tests

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

func TestTheCookieIsSetAnewWhenATenthOfTheIdleLimitHasPassed(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		for range 3 {
			first := v.cookie
			time.Sleep(3*time.Minute - time.Millisecond)
			for range 5 {
				assert.Empty(t, v.get(r, "/").sessionCookies())
				assert.Empty(t, v.post(r, "/").sessionCookies())
			}
			time.Sleep(time.Millisecond)
			got := v.get(r, "/")
			require.Len(t, got.sessionCookies(), 1)
			assert.NotEqual(t, first, v.cookie)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			assert.Contains(t, got.Header.Values("Vary"), "Cookie")
			assert.Empty(t, v.get(r, "/").sessionCookies())
		}
	})
}

// What was seen keeps a session from idling out, so an active user stays.
func TestAnActiveSessionDoesNotIdleOut(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		idle := v.copy()
		for range 60 {
			time.Sleep(time.Minute)
			require.Equal(t, "user demo", v.get(r, "/").body)
		}
		assert.Equal(t, "anonymous", idle.get(r, "/").body, "the first cookie was not used for an hour")
		assert.Equal(t, "user demo", v.get(r, "/").body, "which says nothing of the session")
	})
}

func TestTheCookieIsSetAnewForANewerGeneration(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(12 * time.Minute)
		v.get(r, "/") // for its age
		time.Sleep(time.Minute)
		old := v.copy()
		got := v.post(r, "/call")
		require.Equal(t, http.StatusOK, got.StatusCode)
		require.Len(t, got.sessionCookies(), 1, "with the very answer")
		assert.Empty(t, v.get(r, "/").sessionCookies())
		assert.Len(t, old.get(r, "/").sessionCookies(), 1)
	})
}

func TestTheCookieIsSetAnewForAnOlderKey(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		v := c.replica().signIn(demo)
		next := randomKey(t)
		rotated := c.replica(func(cfg *ecgridsession.Config) { cfg.Keys = [][]byte{next, c.key} })
		old := v.copy()
		got := v.get(rotated, "/")
		assert.Equal(t, "user demo", got.body)
		require.Len(t, got.sessionCookies(), 1)
		assert.Empty(t, v.get(rotated, "/").sessionCookies())
		assert.Equal(t, http.StatusOK, v.get(rotated, "/call").StatusCode)

		// The session goes on through a refresh, and ends for both keys.
		time.Sleep(untilDue)
		require.Equal(t, http.StatusOK, v.get(rotated, "/call").StatusCode)
		require.Equal(t, 1, c.refreshes())
		v.post(rotated, "/logout")
		assert.Equal(t, "anonymous", old.get(rotated, "/").body)
		assert.Zero(t, c.api.LiveTokens(demo.ID))
	})
}

func TestACookieOfAnUnknownKeyIsAnonymous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		v := c.replica().signIn(demo)
		other := c.replica(func(cfg *ecgridsession.Config) { cfg.Keys = [][]byte{randomKey(t)} })
		assert.Equal(t, "anonymous", v.get(other, "/").body)
	})
}

func TestNoCookieIsSetOnASubresource(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(untilDue) // older than a tenth of the idle limit, and due
		for _, dest := range []string{"image", "script", "style", "font", "audio"} {
			assert.Empty(t, v.copy().get(r, "/", "Sec-Fetch-Dest", dest).Header.Values("Set-Cookie"), dest)
		}
		for _, dest := range []string{"document", "empty", "iframe", "frame"} {
			assert.Len(t, v.copy().get(r, "/", "Sec-Fetch-Dest", dest).sessionCookies(), 1, dest)
		}
	})
}

func TestAskingForTheSessionDoesNotProlongItThoughItsTokenIsRefreshed(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		for range 30 {
			assert.Equal(t, http.StatusOK, v.get(r, "/session").StatusCode)
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Second)
		assert.Equal(t, http.StatusUnauthorized, v.get(r, "/session").StatusCode)
	})
}
