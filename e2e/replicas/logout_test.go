//go:build unix

package replicas_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// eitherKind runs a property for a user with a bearer token and for one with an
// API key.
func eitherKind(t *testing.T, property func(t *testing.T, s *site, u *user)) {
	t.Helper()
	t.Run("bearer", func(t *testing.T) {
		s := newSite(t)
		property(t, s, s.signIn(1))
	})
	t.Run("API key", func(t *testing.T) {
		s := newSite(t)
		property(t, s, s.signInByKey(1))
	})
}

func TestSignedOutOnOneReplicaIsSignedOutOnTheOther(t *testing.T) {
	eitherKind(t, func(t *testing.T, s *site, u *user) {
		thief := u.copied()
		require.True(t, thief.signedIn(s.a))
		require.True(t, thief.signedIn(s.b))
		got := u.post(s.a.url + "/logout")
		require.Equal(t, http.StatusSeeOther, got.status, got.body)
		assert.True(t, got.deleted)

		calls := len(s.grid.calls(""))
		for range 3 {
			for _, replica := range []*process{s.b, s.a} {
				assert.Equal(t, http.StatusUnauthorized, thief.copied().get(replica.url+"/inbox").status)
				assert.False(t, thief.copied().signedIn(replica))
			}
		}
		assert.Len(t, s.grid.calls(""), calls, "ECGrid is asked about a session that has ended")
		assert.Zero(t, s.grid.live(1))
	})
}

func TestACookieOfAnyGenerationIsDeadOnEitherReplica(t *testing.T) {
	s := newSite(t)
	s.grid.lifetime(4 * time.Second)
	u := s.signIn(1)
	generations := []*user{u.copied()}
	for n := range 3 {
		replica := []*process{s.a, s.b}[n%2]
		require.Eventually(t, func() bool {
			got := u.get(replica.url + "/inbox")
			assert.Equal(t, http.StatusOK, got.status, got.body)
			return len(s.grid.calls(refreshPath)) > n
		}, patience, 50*time.Millisecond)
		generations = append(generations, u.copied())
	}
	s.grid.lifetime(0)
	require.Equal(t, http.StatusSeeOther, u.post(s.proxy.url+"/logout").status)
	calls := len(s.grid.calls(""))
	for n, copied := range generations {
		assert.False(t, copied.copied().signedIn(s.a), "generation %d", n)
		assert.False(t, copied.copied().signedIn(s.b), "generation %d", n)
	}
	assert.Len(t, s.grid.calls(""), calls)
	assert.Zero(t, s.grid.live(1))
}

func TestAHundredSignOutsAtBothReplicasMakeOneCall(t *testing.T) {
	eitherKind(t, func(t *testing.T, s *site, u *user) {
		browsers := make([]*user, 100)
		for i := range browsers {
			browsers[i] = u.copied()
		}
		at(len(browsers), func(i int) {
			got := browsers[i].post(s.proxy.url + "/logout")
			assert.NoError(t, got.err)
			assert.Equal(t, http.StatusSeeOther, got.status, got.body)
			assert.True(t, got.deleted)
		})
		assert.Len(t, s.grid.calls(logoutPath), 1)
		s.eventually(1, "logged-out")
	})
}

func TestASignOutDuringAnotherReplicasRefreshEndsTheNewTokenToo(t *testing.T) {
	for name, delay := range map[string]time.Duration{
		"before ECGrid has minted it": 700 * time.Millisecond,
		"after ECGrid has minted it":  100 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			u := dueSession(s, 1)
			s.grid.inject(ecgridtest.Fault{Path: refreshPath, Times: 1, Delay: delay})
			refreshing := u.copied()
			refreshed := make(chan answer, 1)
			go func() { refreshed <- refreshing.get(s.a.url + "/inbox") }()
			s.awaitCalls(refreshPath, 1)
			minted := delay < 200*time.Millisecond
			if minted {
				s.a.freeze() // its answer waits in the socket
				require.Eventually(t, func() bool { return s.grid.calls(refreshPath)[0].Status == http.StatusOK },
					patience, 10*time.Millisecond)
			}
			got := u.copied().post(s.b.url + "/logout")
			if minted {
				s.a.thaw()
			}
			require.Equal(t, http.StatusSeeOther, got.status, got.body)
			assert.Less(t, got.took, lease, "it waits for the refresh")
			assert.True(t, got.deleted)
			assert.False(t, u.copied().signedIn(s.b))

			late := <-refreshed
			require.NoError(t, late.err)
			assert.NotEqual(t, http.StatusOK, late.status, "a request gets on with a session that has ended")
			assert.False(t, late.set)
			for _, replica := range []*process{s.a, s.b} {
				assert.False(t, u.copied().signedIn(replica))
				assert.False(t, refreshing.copied().signedIn(replica))
			}
			assert.Eventually(t, func() bool { return s.grid.live(1) == 0 }, patience, 20*time.Millisecond, "the new token lives")
		})
	}
}

func TestSigningOutEverywhereReachesSessionsOfOtherReplicas(t *testing.T) {
	s := newSite(t)
	here, there := s.signIn(1), (*user)(nil)
	there = here.again()
	other := s.signIn(2)
	require.Equal(t, http.StatusSeeOther, here.post(s.a.url+"/logout-everywhere").status)
	for _, replica := range []*process{s.a, s.b} {
		assert.False(t, here.signedIn(replica))
		assert.False(t, there.copied().signedIn(replica))
		assert.True(t, other.signedIn(replica), "another user is signed out")
	}
	assert.Zero(t, s.grid.live(1))
	// At once, and on the replica that has not seen it.
	assert.True(t, here.again().signedIn(s.b))
}

func TestAStreamEndsWithASignOutOnAnotherReplica(t *testing.T) {
	eitherKind(t, func(t *testing.T, s *site, u *user) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.b.url+"/stream", nil)
		require.NoError(t, err)
		req.Header.Set("Cookie", "__Host-ecgrid="+u.cookie)
		resp, err := noRedirects.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		first := make([]byte, 1)
		_, err = io.ReadFull(resp.Body, first)
		require.NoError(t, err)

		require.Equal(t, http.StatusSeeOther, u.post(s.a.url+"/logout").status)
		began := time.Now()
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Contains(t, string(rest), "the session has ended")
		assert.Less(t, time.Since(began), 5*time.Second)
		t.Logf("the stream ended %s after the sign-out", time.Since(began).Round(10*time.Millisecond))
	})
}
