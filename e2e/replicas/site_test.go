//go:build unix

package replicas_test

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
)

// site is two replicas of an app behind a round-robin proxy, ECGrid and Redis.
type site struct {
	t     *testing.T
	grid  *ecgrid
	redis *redisserver.Server
	cfg   appConfig
	a, b  *process
	proxy *roundRobin
}

// authTimeout is short, so that a lease, which is six times as long, lapses within
// a test and while a token that is due is still good.
const (
	authTimeout = 700 * time.Millisecond
	lease       = 6 * authTimeout
)

// newSite starts one whose replicas wait for Redis as long as a busy machine
// needs.
func newSite(t *testing.T, redisArgs ...string) *site {
	t.Helper()
	return start(t, "?dial_timeout=5s&read_timeout=5s&write_timeout=5s&pool_timeout=5s", 5*time.Second, redisArgs)
}

// newSiteByDefault starts one with the deadlines that an app has by default, for
// tests of outages.
func newSiteByDefault(t *testing.T, redisArgs ...string) *site {
	t.Helper()
	return start(t, "", 0, redisArgs)
}

func start(t *testing.T, query string, ledgerTimeout time.Duration, redisArgs []string) *site {
	t.Helper()
	s := &site{t: t, redis: redisserver.Start(t, redisArgs...), grid: newECGrid(t)}
	s.cfg = appConfig{
		Upstream:      s.grid.url,
		Redis:         "redis://" + s.redis.Addr + query,
		Keys:          [][]byte{newKey()},
		AuthTimeout:   authTimeout,
		LedgerTimeout: ledgerTimeout,
	}
	s.a, s.b = s.replica(), s.replica()
	s.proxy = newRoundRobin(t, s.a.url, s.b.url)
	return s
}

// replica starts one more process of the app.
func (s *site) replica() *process {
	s.t.Helper()
	return spawn(s.t, "app", s.cfg)
}

// eventually waits for so many events of a kind from both replicas together, and
// sees whether there are more.
func (s *site) eventually(n int, kind string) {
	s.t.Helper()
	count := func() int { return s.a.of(kind) + s.b.of(kind) }
	require.Eventually(s.t, func() bool { return count() >= n }, patience, 5*time.Millisecond, "no event %s", kind)
	require.Never(s.t, func() bool { return count() > n }, 200*time.Millisecond, 20*time.Millisecond, "too many events %s", kind)
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// store is a client of the site's Redis.
func (s *site) store() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr, MaxRetries: -1})
	s.t.Cleanup(func() { client.Close() })
	return client
}

// user is somebody with a browser: a client with one cookie.
type user struct {
	s  *site
	is ecgridtest.User

	mu     sync.Mutex
	cookie string
}

// signIn signs a new user in by password.
func (s *site) signIn(id int64) *user {
	s.t.Helper()
	u := &user{s: s, is: s.grid.addUser(id)}
	u.login(url.Values{"login": {u.is.Login}, "password": {u.is.Password}})
	return u
}

// signInByKey signs a new user in by API key.
func (s *site) signInByKey(id int64) *user {
	s.t.Helper()
	u := &user{s: s, is: s.grid.addUser(id)}
	u.login(url.Values{"api_key": {u.is.APIKey}})
	return u
}

func (u *user) login(form url.Values) {
	u.s.t.Helper()
	got := u.do(http.MethodPost, u.s.proxy.url+"/login", form)
	require.NoError(u.s.t, got.err)
	require.Equal(u.s.t, http.StatusSeeOther, got.status, got.body)
	require.NotEmpty(u.s.t, u.cookie)
}

// copied is a copy of the user's cookie in another browser.
func (u *user) copied() *user {
	u.mu.Lock()
	defer u.mu.Unlock()
	return &user{s: u.s, is: u.is, cookie: u.cookie}
}

// again signs the same user in once more, elsewhere.
func (u *user) again() *user {
	u.s.t.Helper()
	other := &user{s: u.s, is: u.is}
	other.login(url.Values{"login": {u.is.Login}, "password": {u.is.Password}})
	return other
}

// answer is what came of a request.
type answer struct {
	status  int
	body    string
	header  http.Header
	took    time.Duration
	deleted bool // the session cookie
	set     bool // the session cookie, to a new value
	err     error
}

// noRedirects is shared by all users: what they have apart is the cookie.
var noRedirects = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 256},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       patience,
}

func (u *user) get(target string) answer { return u.do(http.MethodGet, target, nil) }

// post posts an empty form.
func (u *user) post(target string) answer { return u.do(http.MethodPost, target, url.Values{}) }

func (u *user) do(method, target string, form url.Values) answer {
	req, err := http.NewRequestWithContext(context.Background(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{err: err}
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	u.mu.Lock()
	if u.cookie != "" {
		req.Header.Set("Cookie", "__Host-ecgrid="+u.cookie)
	}
	u.mu.Unlock()
	began := time.Now()
	resp, err := noRedirects.Do(req)
	if err != nil {
		return answer{err: err, took: time.Since(began)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	got := answer{status: resp.StatusCode, body: string(body), header: resp.Header, took: time.Since(began), err: err}
	for _, c := range resp.Cookies() {
		if c.Name != "__Host-ecgrid" {
			continue
		}
		u.mu.Lock()
		u.cookie = c.Value
		u.mu.Unlock()
		got.deleted, got.set = c.Value == "", c.Value != ""
	}
	return got
}

// signedIn asks a replica whether it knows the user, and nobody else.
func (u *user) signedIn(replica *process) bool {
	u.s.t.Helper()
	got := u.get(replica.url + "/session")
	require.NoError(u.s.t, got.err)
	require.Contains(u.s.t, []int{http.StatusOK, http.StatusUnauthorized}, got.status, got.body)
	return got.status == http.StatusOK
}

// roundRobin is a proxy that passes the requests to its targets in turn.
type roundRobin struct {
	url string

	mu      sync.Mutex
	targets []*target
	next    int
}

type target struct {
	url     *url.URL
	current sync.WaitGroup // requests under way
}

func newRoundRobin(t *testing.T, urls ...string) *roundRobin {
	t.Helper()
	p := &roundRobin{}
	for _, u := range urls {
		p.add(t, u)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *roundRobin) add(t *testing.T, u string) {
	t.Helper()
	parsed, err := url.Parse(u)
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets = append(p.targets, &target{url: parsed})
}

// drain takes a target out and waits for its requests, as a load balancer does
// before a replica is stopped.
func (p *roundRobin) drain(u string) {
	p.mu.Lock()
	var drained *target
	for i, candidate := range p.targets {
		if candidate.url.String() == u {
			drained = candidate
			p.targets = append(p.targets[:i:i], p.targets[i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	if drained != nil {
		drained.current.Wait()
	}
}

func (p *roundRobin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	chosen := p.targets[p.next%len(p.targets)]
	p.next++
	chosen.current.Add(1)
	p.mu.Unlock()
	defer chosen.current.Done()
	(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(chosen.url) },
		Transport: noRedirects.Transport,
	}).ServeHTTP(w, r)
}

// at runs f for each number below n, all at once.
func at(n int, f func(i int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	group.Wait()
}
