//go:build unix

package replicas_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keysOf are the ledger's keys that begin with a letter: s for sessions, u for
// users.
func (s *site) keysOf(letter string) []string {
	s.t.Helper()
	keys, err := s.store().Keys(context.Background(), "ecgrid:"+letter+"*").Result()
	require.NoError(s.t, err)
	return keys
}

// answeredInTime is a bound on a request during which the ledger is asked a few
// times in vain, at 200 ms each.
const answeredInTime = 4 * time.Second

// outages are the ways in which a ledger gives no answer.
var outages = map[string]struct{ begin, end func(s *site) }{
	"stopped": {func(s *site) { s.redis.Stop() }, func(s *site) { s.redis.Restart() }},
	"hanging": {func(s *site) { s.redis.Pause() }, func(s *site) { s.redis.Resume() }},
}

func TestWithTheLedgerDownABearerSessionGoesOn(t *testing.T) {
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			s := newSiteByDefault(t)
			u := s.signIn(1)
			outage.begin(s)
			for _, replica := range []*process{s.a, s.b} {
				got := u.get(replica.url + "/inbox")
				require.NoError(t, got.err)
				assert.Equal(t, http.StatusOK, got.status, got.body)
				assert.Less(t, got.took, answeredInTime)
				replica.tellsOf(1, "ledger-unavailable")
			}
			outage.end(s)
			assert.Equal(t, http.StatusOK, u.get(s.proxy.url+"/inbox").status)
		})
	}
}

func TestWithTheLedgerDownAKeySessionWaits(t *testing.T) {
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			s := newSiteByDefault(t, "--appendonly", "yes", "--appendfsync", "always")
			u := s.signInByKey(1)
			outage.begin(s)
			for _, replica := range []*process{s.a, s.b} {
				got := u.get(replica.url + "/inbox")
				require.NoError(t, got.err)
				assert.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
				assert.NotEmpty(t, got.header.Get("Retry-After"))
				assert.False(t, got.deleted, "the cookie is lost to an outage")
				assert.Less(t, got.took, answeredInTime)
			}
			outage.end(s)
			require.Eventually(t, func() bool { return u.get(s.proxy.url+"/inbox").status == http.StatusOK }, patience, 50*time.Millisecond)
		})
	}
}

func TestWithTheLedgerDownADueTokenIsRefreshedOncePerReplica(t *testing.T) {
	s := newSiteByDefault(t)
	s.grid.lifetime(briefLife)
	u := s.signIn(1)
	s.grid.lifetime(0)
	s.redis.Stop()
	// Until the last quarter of what it is refreshed early by, it is spared.
	time.Sleep(briefLife/2 + briefLife*3/8 + 200*time.Millisecond)
	browsers := make([]*user, 50)
	for i := range browsers {
		browsers[i] = u.copied()
	}
	at(len(browsers), func(i int) {
		got := browsers[i].get(s.a.url + "/inbox")
		assert.Equal(t, http.StatusOK, got.status, got.body)
		assert.True(t, got.set)
	})
	assert.Len(t, s.grid.calls(refreshPath), 1)

	// What could not be published then is when the ledger is back: a browser
	// that has the older cookie still goes on, anywhere.
	s.redis.Restart()
	require.Eventually(t, func() bool { return len(s.keysOf("s")) == 1 }, patience, 50*time.Millisecond, "the new token is never published")
	assert.Equal(t, http.StatusOK, u.get(s.b.url+"/inbox").status)
	assert.Len(t, s.grid.calls(refreshPath), 1)
}

func TestASignOutWithTheLedgerDownIsConfirmedByECGridOrNotAtAll(t *testing.T) {
	for name, outage := range outages {
		t.Run("bearer, "+name, func(t *testing.T) {
			s := newSiteByDefault(t)
			u := s.signIn(1)
			copied := u.copied()
			outage.begin(s)
			got := u.post(s.a.url + "/logout")
			require.NoError(t, got.err)
			assert.Equal(t, http.StatusSeeOther, got.status, got.body)
			assert.True(t, got.deleted)
			assert.Less(t, got.took, answeredInTime)
			assert.Zero(t, s.grid.live(1))
			// A copy is let through to ECGrid, which refuses it.
			assert.Equal(t, http.StatusUnauthorized, copied.get(s.b.url+"/inbox").status)

			outage.end(s)
			assert.Eventually(t, func() bool { return !copied.copied().signedIn(s.b) }, patience, 100*time.Millisecond,
				"the end is not made up for")
		})
		t.Run("API key, "+name, func(t *testing.T) {
			s := newSiteByDefault(t, "--appendonly", "yes", "--appendfsync", "always")
			u := s.signInByKey(1)
			copied := u.copied()
			outage.begin(s)
			got := u.post(s.a.url + "/logout")
			require.NoError(t, got.err)
			assert.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
			assert.Contains(t, got.body, "not confirmed")
			assert.True(t, got.deleted)
			assert.Less(t, got.took, answeredInTime)

			outage.end(s)
			assert.Eventually(t, func() bool {
				return copied.copied().get(s.b.url+"/session").status == http.StatusUnauthorized
			}, patience, 100*time.Millisecond, "the end is not made up for")
		})
	}
}

func TestALedgerThatHasLostItsDataSignsOutAndNeverIn(t *testing.T) {
	for name, lose := range map[string]func(s *site){
		"FLUSHALL": func(s *site) { require.NoError(s.t, s.store().FlushAll(context.Background()).Err()) },
		"restarted, with nothing on disk": func(s *site) {
			s.redis.Kill()
			s.redis.Restart()
		},
	} {
		t.Run("API key, "+name, func(t *testing.T) {
			s := newSite(t)
			u, signedOut := s.signInByKey(1), s.signInByKey(2)
			copied := signedOut.copied()
			require.Equal(t, http.StatusSeeOther, signedOut.post(s.a.url+"/logout").status)
			lose(s)
			for _, replica := range []*process{s.a, s.b} {
				assert.False(t, u.copied().signedIn(replica))
				assert.False(t, copied.copied().signedIn(replica))
			}
			assert.Equal(t, http.StatusSeeOther, u.do(http.MethodPost, s.proxy.url+"/login", map[string][]string{"api_key": {u.is.APIKey}}).status)
			assert.True(t, u.signedIn(s.a))
		})
		t.Run("bearer, "+name, func(t *testing.T) {
			s := newSite(t)
			u, signedOut := s.signIn(1), s.signIn(2)
			copied := signedOut.copied()
			require.Equal(t, http.StatusSeeOther, signedOut.post(s.a.url+"/logout").status)
			lose(s)
			assert.Equal(t, http.StatusOK, u.get(s.b.url+"/inbox").status, "its cookie says all there is to know")
			// ECGrid has not forgotten, and its word ends the session for good.
			assert.Equal(t, http.StatusUnauthorized, copied.get(s.b.url+"/inbox").status)
			assert.False(t, copied.copied().signedIn(s.a))
			assert.False(t, copied.copied().signedIn(s.b))
		})
	}
}

func TestGarbageUnderAKeyEndsItsSession(t *testing.T) {
	ctx := context.Background()
	for name, spoil := range map[string]func(c *redis.Client, key string) error{
		"bytes":        func(c *redis.Client, key string) error { return c.Set(ctx, key, "\x00garbage", time.Hour).Err() },
		"nothing":      func(c *redis.Client, key string) error { return c.Set(ctx, key, "", time.Hour).Err() },
		"another type": func(c *redis.Client, key string) error { c.Del(ctx, key); return c.RPush(ctx, key, "x").Err() },
		"cut short": func(c *redis.Client, key string) error {
			return c.Set(ctx, key, c.Get(ctx, key).Val()[:20], time.Hour).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			u := s.signInByKey(1)
			keys := s.keysOf("s")
			require.Len(t, keys, 1)
			require.NoError(t, spoil(s.store(), keys[0]))
			for _, replica := range []*process{s.a, s.b} {
				assert.False(t, u.copied().signedIn(replica))
				replica.tellsOf(1, "session-ended")
			}
			assert.Equal(t, http.StatusSeeOther, u.post(s.a.url+"/logout").status)
			assert.Equal(t, http.StatusSeeOther, u.do(http.MethodPost, s.proxy.url+"/login", map[string][]string{"api_key": {u.is.APIKey}}).status)
			assert.True(t, u.signedIn(s.b))
		})
	}
}

func TestAnotherSessionsValueOpensNothing(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	victim := s.signInByKey(1)
	its := s.keysOf("s")
	require.Len(t, its, 1)
	thief := s.signInByKey(2)
	for _, key := range s.keysOf("s") {
		if key != its[0] {
			require.NoError(t, s.store().Copy(ctx, its[0], key, 0, true).Err())
		}
	}
	assert.False(t, thief.signedIn(s.a))
	assert.False(t, thief.signedIn(s.b))
	assert.True(t, victim.signedIn(s.b))
}

func TestAnEvictingServerSignsOutAndNeverIn(t *testing.T) {
	s := newSite(t, "--maxmemory-policy", "allkeys-lru")
	ctx := context.Background()
	u, signedOut := s.signInByKey(1), s.signIn(2)
	copied := signedOut.copied()
	require.Equal(t, http.StatusSeeOther, signedOut.post(s.a.url+"/logout").status)

	// Memory pressure, until what was there first is gone.
	store := s.store()
	used := store.InfoMap(ctx, "memory").Item("Memory", "used_memory")
	require.NotEmpty(t, used)
	require.NoError(t, store.ConfigSet(ctx, "maxmemory", used).Err())
	filler := strings.Repeat("x", 1024)
	require.Eventually(t, func() bool {
		for i := range 500 {
			store.Set(ctx, "filler:"+time.Now().String()+string(rune('a'+i%26)), filler, 0)
		}
		return len(s.keysOf("s")) == 0
	}, patience, time.Millisecond)
	require.NoError(t, store.ConfigSet(ctx, "maxmemory", "0").Err())

	assert.False(t, u.copied().signedIn(s.b))
	assert.Equal(t, http.StatusUnauthorized, copied.get(s.b.url+"/inbox").status, "ECGrid's word is what is left")
	assert.False(t, copied.copied().signedIn(s.a))
}

func TestAFullServerThatDoesNotEvictSignsOutByECGridsWord(t *testing.T) {
	s := newSite(t)
	ctx := context.Background()
	u := s.signIn(1)
	require.NoError(t, s.store().ConfigSet(ctx, "maxmemory", "1").Err()) // reads go on, writes are refused
	got := u.get(s.a.url + "/inbox")
	assert.Equal(t, http.StatusOK, got.status, got.body)
	copied := u.copied()
	got = u.post(s.a.url + "/logout")
	assert.Equal(t, http.StatusSeeOther, got.status, got.body)
	assert.Equal(t, http.StatusUnauthorized, copied.get(s.b.url+"/inbox").status)
	require.NoError(t, s.store().ConfigSet(ctx, "maxmemory", "0").Err())
	assert.Eventually(t, func() bool { return !copied.copied().signedIn(s.b) }, patience, 100*time.Millisecond)
}

func TestAServerThatRefusesWritesKeepsNobodyFromATokenThatIsDue(t *testing.T) {
	// A full one, or a replica that has not been promoted yet: it answers reads.
	s := newSite(t)
	u := dueSession(s, 1)
	ctx := context.Background()
	require.NoError(t, s.store().ConfigSet(ctx, "maxmemory", "1").Err())
	before := commands(t, s)
	got := u.get(s.a.url + "/inbox")
	require.NoError(t, got.err)
	assert.Equal(t, http.StatusOK, got.status, got.body)
	s.a.tellsOf(1, "ledger-unavailable")
	assert.Less(t, commands(t, s)-before, 100, "it is asked over and over")

	require.NoError(t, s.store().ConfigSet(ctx, "maxmemory", "0").Err())
	require.Eventually(t, func() bool {
		got := u.get(s.a.url + "/inbox")
		assert.Equal(t, http.StatusOK, got.status, got.body)
		return len(s.keysOf("s")) == 1
	}, patience, 50*time.Millisecond, "the token is not refreshed when the server is sound again")
	assert.Equal(t, http.StatusOK, u.get(s.b.url+"/inbox").status)
	assert.Equal(t, 1, s.grid.live(1))
}

// commands is how many commands the server has processed.
func commands(t *testing.T, s *site) int {
	t.Helper()
	n, err := strconv.Atoi(s.store().InfoMap(context.Background(), "stats").Item("Stats", "total_commands_processed"))
	require.NoError(t, err)
	return n
}

func TestAServerWithALogOfItsWritesKeepsWhatWasEnded(t *testing.T) {
	s := newSite(t, "--appendonly", "yes", "--appendfsync", "always")
	bearer, key, stays := s.signIn(1), s.signInByKey(2), s.signInByKey(3)
	copies := []*user{bearer.copied(), key.copied()}
	require.Equal(t, http.StatusSeeOther, bearer.post(s.a.url+"/logout").status)
	require.Equal(t, http.StatusSeeOther, key.post(s.a.url+"/logout").status)
	for _, restart := range []struct {
		name string
		end  func()
	}{{"stopped", s.redis.Stop}, {"killed", s.redis.Kill}} {
		restart.end()
		s.redis.Restart()
		calls := len(s.grid.calls(""))
		for _, replica := range []*process{s.a, s.b} {
			require.Eventually(t, func() bool { return stays.get(replica.url+"/session").status == http.StatusOK }, patience, 50*time.Millisecond,
				"%s: a session that was not ended is lost", restart.name)
			for _, copied := range copies {
				assert.False(t, copied.copied().signedIn(replica), restart.name)
			}
		}
		assert.Len(t, s.grid.calls(""), calls, restart.name)
	}
}
