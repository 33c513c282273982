//go:build unix

package replicas_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
)

// eavesdropper stands between the replicas and ECGrid, and collects the tokens
// that it issues.
type eavesdropper struct {
	mu     sync.Mutex
	tokens []string
}

var issued = regexp.MustCompile(`"token":"([^"]+)"`)

func (e *eavesdropper) between(t *testing.T, upstream string) string {
	t.Helper()
	target, err := url.Parse(upstream)
	require.NoError(t, err)
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			body, err := httputil.DumpResponse(resp, true)
			if match := issued.FindSubmatch(body); match != nil {
				e.mu.Lock()
				e.tokens = append(e.tokens, string(match[1]))
				e.mu.Unlock()
			}
			return err
		},
	})
	t.Cleanup(server.Close)
	return server.URL
}

// contents is everything that a server holds, in the form in which it holds it
// and as it would give it away.
func contents(t *testing.T, client *redis.Client) string {
	t.Helper()
	ctx := context.Background()
	var all strings.Builder
	keys, err := client.Keys(ctx, "*").Result()
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	for _, key := range keys {
		value, err := client.Get(ctx, key).Result()
		require.NoError(t, err)
		dump, err := client.Dump(ctx, key).Result()
		require.NoError(t, err)
		all.WriteString(key + "\n" + value + "\n" + dump + "\n")
	}
	return all.String()
}

func TestNoSecretIsInRedisOrInALog(t *testing.T) {
	ear := &eavesdropper{}
	s := &site{t: t, redis: redisserver.Start(t), grid: newECGrid(t)}
	s.cfg = appConfig{Upstream: ear.between(t, s.grid.url), Redis: "redis://" + s.redis.Addr, Keys: [][]byte{newKey()}, AuthTimeout: authTimeout}
	s.a, s.b = s.replica(), s.replica()
	s.proxy = newRoundRobin(t, s.a.url, s.b.url)

	var cookies []string
	var users []*user
	keep := func(u *user) *user {
		users, cookies = append(users, u), append(cookies, u.cookie)
		return u
	}
	// Every kind of entry: live and refreshing, of a key, ended, a cut-off.
	refreshed := keep(dueSession(s, 1))
	require.Equal(t, http.StatusOK, refreshed.get(s.a.url+"/inbox").status)
	keep(refreshed)
	keep(s.signInByKey(2))
	require.Equal(t, http.StatusSeeOther, keep(s.signIn(3)).post(s.a.url+"/logout").status)
	require.Equal(t, http.StatusSeeOther, keep(s.signIn(4)).post(s.b.url+"/logout-everywhere").status)
	s.redis.Pause() // what is said of an outage
	keep(s.signIn(5)).get(s.b.url + "/inbox")
	s.redis.Resume()
	time.Sleep(100 * time.Millisecond)

	ear.mu.Lock()
	secrets := append(cookies, ear.tokens...)
	ear.mu.Unlock()
	require.GreaterOrEqual(t, len(ear.tokens), 5)
	for _, u := range users {
		secrets = append(secrets, u.is.Password, u.is.APIKey)
	}
	secrets = append(secrets, string(s.cfg.Keys[0]))

	client := s.store()
	keys, err := client.Keys(context.Background(), "*").Result()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(keys), 4)
	places := map[string]string{
		"Redis":            contents(t, client),
		"the log of one":   s.a.log(),
		"that of another":  s.b.log(),
		"the names of all": strings.Join(keys, " "),
	}
	for place, text := range places {
		for _, secret := range secrets {
			for form, shown := range map[string]string{
				"as it is":    secret,
				"in base64":   strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
				"in hex":      hex.EncodeToString([]byte(secret)),
				"by its head": secret[:8],
				"by its tail": secret[len(secret)-16:],
			} {
				// Not by assert.NotContains, which would print both.
				if strings.Contains(text, shown) {
					t.Errorf("%s holds a secret %s", place, form)
				}
			}
		}
	}
	for _, u := range users {
		if strings.Contains(places["Redis"], u.is.Login) {
			t.Errorf("Redis holds a login")
		}
	}
	require.NotEmpty(t, s.a.log(), "nothing was logged, so nothing was looked at")
}

func TestEveryKeyInRedisHasATimeToLive(t *testing.T) {
	s := newSite(t)
	u := dueSession(s, 1)
	require.Equal(t, http.StatusOK, u.get(s.a.url+"/inbox").status)
	s.signInByKey(2)
	require.Equal(t, http.StatusSeeOther, s.signIn(3).post(s.a.url+"/logout").status)
	require.Equal(t, http.StatusSeeOther, s.signIn(4).post(s.b.url+"/logout-everywhere").status)
	client := s.store()
	ctx := context.Background()
	keys, err := client.Keys(ctx, "*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 5)
	for _, key := range keys {
		ttl := client.TTL(ctx, key).Val()
		assert.Positive(t, ttl, key)
		assert.LessOrEqual(t, ttl, 8*time.Hour+6*time.Minute, key)
	}
}
