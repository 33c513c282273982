package requests

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// What a session may cost each request. Times are measured in bench; these are
// counts, which come out the same on each machine and under the race detector.
const (
	openingAllocations   = 4
	openingBytes         = 1500
	anonymousAllocations = 1
	transportAllocations = 4

	jwtInCookie       = 1.11 // times the token
	base64urlInCookie = 1.45
	opaqueInCookie    = 1.5
	longestJWT        = 3900
)

// costTokenSize is the length of the token that the costs are those of.
const costTokenSize = 700

func TestOpeningASessionCostsLittle(t *testing.T) {
	for _, c := range []struct {
		name         string
		keys, sealer int // how many keys, and which of them sealed the cookie
	}{{"1 key", 1, 0}, {"8 keys, sealed by the newest", 8, 0}, {"8 keys, sealed by the oldest", 8, 7}} {
		t.Run(c.name, func(t *testing.T) {
			keys := make([][]byte, c.keys)
			for i := range keys {
				keys[i] = site.NewKey(t)
			}
			grid := gridWithTokens(t, costTokenSize)
			in := signInAt(t, grid, keys[c.sealer])
			m := site.NewMiddleware(t, ecgridsession.Config{Upstream: grid.URL, Keys: keys})
			opened := 0
			app := m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if credential, err := m.Credential(r.Context()); err == nil && credential.Token == in.token {
					opened++
				}
			}))
			// An image's answer: a page's would set the cookie anew, once, for
			// an older key.
			allocations, bytes := costOf(repeatedly(app, in.cookie, "image"))
			assert.Equal(t, costRuns, opened)
			assert.LessOrEqual(t, allocations, openingAllocations)
			assert.LessOrEqual(t, bytes, openingBytes)
			t.Log("allocations:", allocations, "bytes:", bytes)
		})
	}
}

func TestARequestWithoutASessionCostsNextToNothing(t *testing.T) {
	m := site.NewMiddleware(t, ecgridsession.Config{Keys: [][]byte{site.NewKey(t)}})
	served := 0
	app := m.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	for name, serve := range map[string]func(){
		"no cookies":          serving(app, httptest.NewRequest(http.MethodGet, "https://app.example/", nil)),
		"6 cookies of others": repeatedly(app, nil, "document"),
	} {
		t.Run(name, func(t *testing.T) {
			served = 0
			allocations, bytes := costOf(serve)
			assert.Equal(t, costRuns, served)
			assert.LessOrEqual(t, allocations, anonymousAllocations)
			t.Log("allocations:", allocations, "bytes:", bytes)
		})
	}
}

func TestAttachingTheTokenCostsLittle(t *testing.T) {
	grid := gridWithTokens(t, costTokenSize)
	in := signInAt(t, grid, site.NewKey(t))
	var ctx context.Context
	repeatedly(in.m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() })), in.cookie, "document")()

	call, err := http.NewRequestWithContext(ctx, http.MethodPost, grid.URL+"/v2/parcels/inbox-list", nil)
	require.NoError(t, err)
	call.Header.Set("Content-Type", "application/json")
	call.Header.Set("Accept", "application/json")
	answer := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: http.NoBody}
	attached := 0
	transport := in.m.Transport(answering(func(req *http.Request) *http.Response {
		if lines := req.Header["Authorization"]; len(lines) == 1 && len(lines[0]) == len("Bearer ")+len(in.token) {
			attached++
		}
		return answer
	}))
	allocations, bytes := costOf(func() { _, err = transport.RoundTrip(call) })
	require.NoError(t, err)
	assert.Equal(t, costRuns, attached)
	assert.LessOrEqual(t, allocations, transportAllocations)
	t.Log("allocations:", allocations, "bytes:", bytes)
}

func TestTheCookieIsHardlyLongerThanTheToken(t *testing.T) {
	const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, c := range []struct {
		name    string
		letters string // of an opaque token
		times   float64
	}{
		{"JWT", "", jwtInCookie},
		{"random base64url", base64url, base64urlInCookie},
		{"every letter of RFC 6750", base64url + ".~+/", opaqueInCookie},
	} {
		t.Run(c.name, func(t *testing.T) {
			grid := gridWithTokens(t, costTokenSize)
			if c.letters != "" {
				grid.Inject(ecgridtest.Fault{Path: "/v2/auth/login", Body: fmt.Sprintf(
					`{"success":true,"data":{"token":%q,"expiresAt":%q,"userId":%d}}`, randomText(c.letters, costTokenSize),
					time.Now().Add(time.Hour).UTC().Format(time.RFC3339), site.Demo.ID)})
			}
			in := signInAt(t, grid, site.NewKey(t))
			require.Len(t, in.token, costTokenSize)
			length := len(in.cookie.Name) + len(in.cookie.Value)
			assert.LessOrEqual(t, float64(length)/costTokenSize, c.times)
			t.Log("bytes:", length)
		})
	}
}

func TestALongJWTStillFitsIntoTheCookie(t *testing.T) {
	grid := gridWithTokens(t, longestJWT)
	in := signInAt(t, grid, site.NewKey(t))
	require.Len(t, in.token, longestJWT)
	assert.LessOrEqual(t, len(in.cookie.Name)+len(in.cookie.Value), 4096)
	// Another process, which has nothing but the cookie, opens it.
	opened := ""
	elsewhere := site.NewMiddleware(t, ecgridsession.Config{Upstream: grid.URL, Keys: [][]byte{in.key}})
	repeatedly(elsewhere.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		credential, err := elsewhere.Credential(r.Context())
		assert.NoError(t, err)
		opened = credential.Token
	})), in.cookie, "document")()
	assert.Equal(t, in.token, opened)
}

// costRuns is how often costOf calls what it is given.
const costRuns = 101

// costOf is what one call allocates: the median of many, since the runtime and
// the race detector add some of their own to a few. sync.Pool, for one, drops
// at random what it is given under the race detector.
func costOf(call func()) (allocations, bytes int) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var counts, sizes [costRuns]int
	var before, after runtime.MemStats
	for i := range costRuns {
		runtime.ReadMemStats(&before)
		call()
		runtime.ReadMemStats(&after)
		counts[i], sizes[i] = int(after.Mallocs-before.Mallocs), int(after.TotalAlloc-before.TotalAlloc)
	}
	slices.Sort(counts[:])
	slices.Sort(sizes[:])
	return counts[costRuns/2], sizes[costRuns/2]
}

// signedInAt is what an app and a browser have after a sign-in.
type signedInAt struct {
	m      *ecgridsession.Middleware
	key    []byte
	cookie *http.Cookie
	token  string
}

// gridWithTokens is an ECGrid that issues JWTs of that size to demo.
func gridWithTokens(t *testing.T, size int) *ecgridtest.Server {
	t.Helper()
	grid := ecgridtest.NewServer(t)
	grid.AddUser(site.Demo)
	grid.SetTokenSize(size)
	return grid
}

// signInAt signs demo in through a Middleware with that key alone.
func signInAt(t *testing.T, grid *ecgridtest.Server, key []byte) signedInAt {
	t.Helper()
	in := signedInAt{m: site.NewMiddleware(t, ecgridsession.Config{Upstream: grid.URL, Keys: [][]byte{key}}), key: key}
	w := httptest.NewRecorder()
	in.m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := in.m.Login(w, r, site.Demo.Login, site.Demo.Password)
		require.NoError(t, err)
		credential, err := in.m.Credential(r.Context())
		require.NoError(t, err)
		in.token = credential.Token
	})).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "https://app.example/login", nil))
	cookies := w.Result().Cookies()
	require.Len(t, cookies, 1)
	in.cookie = cookies[0]
	return in
}

// repeatedly returns a function that serves a request which has six cookies of
// others, with that of the session, if there is one, in their midst.
func repeatedly(h http.Handler, cookie *http.Cookie, dest string) func() {
	r := httptest.NewRequest(http.MethodGet, "https://app.example/inbox", nil)
	line := "theme=dark; lang=en-GB; _ga=GA1.1.1234567890.1700000000; "
	if cookie != nil {
		line += cookie.Name + "=" + cookie.Value + "; "
	}
	r.Header.Set("Cookie", line+"consent=1; tz=Europe%2FBerlin; last_mailbox=100001")
	r.Header.Set("Sec-Fetch-Dest", dest)
	return serving(h, r)
}

// serving returns a function that serves the same request and allocates nothing
// of its own.
func serving(h http.Handler, r *http.Request) func() {
	w := &headerWriter{header: make(http.Header)}
	return func() { h.ServeHTTP(w, r) }
}

// headerWriter is a ResponseWriter for handlers that write nothing.
type headerWriter struct{ header http.Header }

func (w *headerWriter) Header() http.Header         { return w.header }
func (w *headerWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *headerWriter) WriteHeader(int)             {}

// answering is a base transport that answers at once.
type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) { return a(req), nil }

// randomText is n letters of an alphabet whose length is 64 or a little more.
func randomText(alphabet string, n int) string {
	text := make([]byte, n)
	rand.Read(text) // never fails
	for i := range text {
		text[i] = alphabet[int(text[i])%len(alphabet)]
	}
	return string(text)
}
