//go:build unix

package replicas_test

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// deploy replaces both replicas, one after the other, by ones with other keys.
// Traffic goes on.
func (s *site) deploy(keys ...[]byte) {
	s.t.Helper()
	s.cfg.Keys = keys
	for _, old := range []**process{&s.a, &s.b} {
		next := s.replica()
		s.proxy.add(s.t, next.url)
		s.proxy.drain((*old).url)
		(*old).stop()
		*old = next
		time.Sleep(300 * time.Millisecond) // both rings are in use for a while
	}
}

func TestAKeyRotatedInTwoStepsSignsNobodyOut(t *testing.T) {
	s := newSite(t)
	// Tokens are refreshed, and cookies re-issued, again and again meanwhile.
	s.grid.lifetime(3 * time.Second)
	s.cfg.IdleTimeout = 5 * time.Second
	old, next := s.cfg.Keys[0], newKey()
	s.deploy(old)

	var users []*user
	for id := range int64(4) {
		users = append(users, s.signIn(1+id), s.signInByKey(101+id))
	}
	var stop atomic.Bool
	var served, refused atomic.Int64
	var first sync.Once
	var traffic sync.WaitGroup
	for _, u := range users {
		// Two tabs of one browser.
		for range 2 {
			traffic.Go(func() {
				for !stop.Load() {
					got := u.get(s.proxy.url + "/inbox")
					if got.err == nil && got.status == http.StatusOK {
						served.Add(1)
					} else {
						refused.Add(1)
						first.Do(func() { t.Errorf("%s: %d %s %v", u.is.Login, got.status, got.body, got.err) })
					}
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
	}
	// Sign-ins go on, too.
	traffic.Go(func() {
		for n := int64(0); !stop.Load(); n++ {
			late := &user{s: s, is: users[0].is}
			got := late.do(http.MethodPost, s.proxy.url+"/login", url.Values{"login": {late.is.Login}, "password": {late.is.Password}})
			if got.status != http.StatusSeeOther || late.get(s.proxy.url+"/inbox").status != http.StatusOK {
				refused.Add(1)
				first.Do(func() { t.Errorf("sign-in %d: %d %s", n, got.status, got.body) })
			}
			time.Sleep(100 * time.Millisecond)
		}
	})

	steps := []struct {
		name string
		keys [][]byte
	}{
		{"the new key last", [][]byte{old, next}},
		{"the new key first", [][]byte{next, old}},
	}
	for _, step := range steps {
		s.deploy(step.keys...)
		t.Logf("%s: %d requests served, %d refused, %d refreshes", step.name, served.Load(), refused.Load(), len(s.grid.calls(refreshPath)))
	}
	time.Sleep(2 * time.Second)
	stop.Store(true)
	traffic.Wait()

	assert.Zero(t, refused.Load())
	require.Greater(t, len(s.grid.calls(refreshPath)), 4, "no token was refreshed meanwhile")
	for _, u := range users {
		assert.True(t, u.signedIn(s.a), u.is.Login)
		assert.True(t, u.signedIn(s.b), u.is.Login)
	}
}
