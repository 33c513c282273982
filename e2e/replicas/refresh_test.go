//go:build unix

package replicas_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// A token of this life is due in the middle of it, and then lives on for as long
// as a busy machine needs.
const (
	briefLife = 16 * time.Second
	untilDue  = briefLife/2 + 200*time.Millisecond
)

// dueSession is a user whose token is due: the one that follows it lives long.
func dueSession(s *site, id int64) *user {
	s.t.Helper()
	s.grid.lifetime(briefLife)
	u := s.signIn(id)
	s.grid.lifetime(0)
	time.Sleep(untilDue) // the clock of another process
	return u
}

// awaitCalls waits for ECGrid to have so many calls of a path.
func (s *site) awaitCalls(path string, n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.grid.calls(path)) >= n }, patience, 5*time.Millisecond)
}

// refreshedAt uses a session at a replica until its token is refreshed. In the
// meantime the old one serves.
func (s *site) refreshedAt(replica *process, u *user) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		got := u.get(replica.url + "/inbox")
		assert.NoError(s.t, got.err)
		assert.Equal(s.t, http.StatusOK, got.status, got.body)
		return got.set
	}, patience, 50*time.Millisecond)
}

// endedAt uses a session at a replica until it has ended there.
func (s *site) endedAt(replica *process, u *user) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		got := u.get(replica.url + "/inbox")
		assert.Equal(s.t, http.StatusUnauthorized, got.status, got.body)
		return !u.signedIn(replica)
	}, patience, 50*time.Millisecond)
}

func TestRequestsToBothReplicasAtExpiryMakeOneRefresh(t *testing.T) {
	s := newSite(t)
	u := dueSession(s, 1)
	s.grid.inject(ecgridtest.Fault{Path: refreshPath, Times: 1, Delay: authTimeout / 3})

	browsers := make([]*user, 200)
	for i := range browsers {
		browsers[i] = u.copied()
	}
	at(len(browsers), func(i int) {
		got := browsers[i].get([]*process{s.a, s.b}[i%2].url + "/inbox")
		assert.NoError(t, got.err)
		assert.Equal(t, http.StatusOK, got.status, got.body)
		assert.True(t, got.set, "the cookie is not of the new token")
	})
	assert.Len(t, s.grid.calls(refreshPath), 1)
	s.eventually(1, "session-refreshed")
	assert.Equal(t, 1, s.grid.live(1))
}

func TestAnOlderCookieGoesOnAtEitherReplica(t *testing.T) {
	s := newSite(t)
	u := dueSession(s, 1)
	older := u.copied()
	require.Equal(t, http.StatusOK, u.get(s.a.url+"/inbox").status)
	for _, replica := range []*process{s.a, s.b, s.a} {
		late := older.copied()
		got := late.get(replica.url + "/inbox")
		assert.Equal(t, http.StatusOK, got.status, got.body)
		assert.True(t, got.set, "the browser keeps an older token's cookie")
	}
	assert.Len(t, s.grid.calls(refreshPath), 1)
}

func TestAnotherReplicaTakesOverFromOneThatWasKilled(t *testing.T) {
	s := newSite(t)
	u := dueSession(s, 1)
	// It has called ECGrid, which has not yet read the call.
	s.grid.inject(ecgridtest.Fault{Path: refreshPath, Times: 1, Hang: true})
	go u.copied().get(s.a.url + "/inbox")
	s.awaitCalls(refreshPath, 1)
	s.a.kill()

	s.refreshedAt(s.b, u)
	assert.Len(t, s.grid.calls(refreshPath), 2)
	assert.Equal(t, 1, s.grid.live(1))
}

func TestAReplicaKilledWithTheAnswerOnItsWayCostsTheSession(t *testing.T) {
	// What cannot be had: the old token is dead, and nobody has the new one.
	s := newSite(t)
	u := dueSession(s, 1)
	s.grid.inject(ecgridtest.Fault{Path: refreshPath, Times: 1, Delay: 300 * time.Millisecond})
	go u.copied().get(s.a.url + "/inbox")
	s.awaitCalls(refreshPath, 1)
	s.a.freeze()
	require.Eventually(t, func() bool { return s.grid.calls(refreshPath)[0].Status == http.StatusOK }, patience, 10*time.Millisecond)
	s.a.kill()

	s.endedAt(s.b, u)
	s.b.tellsOf(1, "session-ended")
	assert.Equal(t, 1, s.grid.live(1), "the token that nobody knows lives until it expires")
}

func TestAReplicaThatSleepsThroughItsLeaseFindsTheSessionGoneOn(t *testing.T) {
	s := newSite(t)
	u := dueSession(s, 1)
	// Its call is handled long after another replica's.
	s.grid.inject(ecgridtest.Fault{Path: refreshPath, Times: 1, Delay: lease + 2*time.Second})
	sleeper := u.copied()
	slept := make(chan answer, 1)
	go func() { slept <- sleeper.get(s.a.url + "/inbox") }()
	s.awaitCalls(refreshPath, 1)
	s.a.freeze()

	s.refreshedAt(s.b, u)
	require.Eventually(t, func() bool { return s.grid.calls(refreshPath)[0].Status != 0 }, patience, 10*time.Millisecond)
	s.a.thaw()

	late := <-slept
	require.NoError(t, late.err)
	assert.Equal(t, http.StatusOK, late.status, late.body)
	assert.True(t, u.signedIn(s.a))
	assert.True(t, u.signedIn(s.b))
	assert.Equal(t, 1, s.grid.live(1))
}

func TestATokenThatComesToAReplicaAfterItsLeaseIsRevoked(t *testing.T) {
	s := newSite(t)
	u := dueSession(s, 1)
	// It waits for ECGrid longer than the other leaves it the lease.
	s.cfg.AuthTimeout = 10 * authTimeout
	patient := s.replica()
	s.grid.inject(ecgridtest.Fault{Path: refreshPath, Times: 1, Delay: 300 * time.Millisecond})
	sleeper := u.copied()
	slept := make(chan answer, 1)
	go func() { slept <- sleeper.get(patient.url + "/inbox") }()
	s.awaitCalls(refreshPath, 1)
	patient.freeze() // ECGrid's answer waits in its socket
	require.Eventually(t, func() bool { return s.grid.calls(refreshPath)[0].Status == http.StatusOK }, patience, 10*time.Millisecond)

	// The other takes over with a token that is dead by now, and is refused.
	s.endedAt(s.b, u)
	patient.thaw()
	late := <-slept
	require.NoError(t, late.err)
	assert.Equal(t, http.StatusUnauthorized, late.status, late.body)
	assert.False(t, sleeper.signedIn(patient), "the late token has revived the session")
	assert.False(t, sleeper.signedIn(s.b), "the late token has revived the session")
	assert.Eventually(t, func() bool { return s.grid.live(1) == 0 }, patience, 20*time.Millisecond, "the late token is not revoked")
}
