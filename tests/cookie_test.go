package tests

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// visit hands a request straight to the site, past any client that would tidy
// its Cookie lines up.
func (s *site) visit(header []string, cookieLines ...string) *httptest.ResponseRecorder {
	return visitTo(s.m.Wrap(s.mux), header, cookieLines...)
}

// visitTo is visit to a handler.
func visitTo(h http.Handler, header []string, cookieLines ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Header["Cookie"] = cookieLines
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// issue signs demo in and returns the value of the cookie.
func (s *site) issue(kind string) string {
	s.t.Helper()
	c := ecgridsession.Credential{APIKey: demo.APIKey}
	if kind == "bearer" {
		c = s.grid.Issue(demo.ID)
		c.UserID = 0 // so that Start asks for the login
	}
	w := httptest.NewRecorder()
	_, err := s.m.Start(w, httptest.NewRequest(http.MethodPost, "https://app.example/login", nil), c)
	require.NoError(s.t, err)
	cookies := w.Result().Cookies()
	require.Len(s.t, cookies, 1)
	return cookies[0].Value
}

// bothKinds runs a property with a cookie of each kind of session. Nothing that
// a browser can send is logged above debug.
func bothKinds(t *testing.T, property func(t *testing.T, s *site, cookie string), changes ...func(*ecgridsession.Config)) {
	t.Helper()
	for _, kind := range []string{"bearer", "API key"} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, changes...)
			property(t, s, s.issue(kind))
			s.logsNothing()
		})
	}
}

// known tells whether the site takes these Cookie lines for demo. Anybody but
// demo and nobody is a failure.
func (s *site) known(cookieLines ...string) bool {
	s.t.Helper()
	w := s.visit(nil, cookieLines...)
	require.Equal(s.t, http.StatusOK, w.Code)
	require.Contains(s.t, []string{"user demo", "anonymous"}, w.Body.String())
	return w.Body.String() == "user demo"
}

// refuses holds the site to "anonymous": no session, no panic, and one deletion
// cookie on the way to sign-in. A public page leaves the cookie alone.
func (s *site) refuses(cookieLines ...string) {
	s.t.Helper()
	w := s.visit(click, cookieLines...)
	require.Equal(s.t, http.StatusOK, w.Code)
	require.Equal(s.t, "anonymous", w.Body.String())
	require.Empty(s.t, w.Header()["Set-Cookie"])
	w = visitTo(s.m.Require(http.NotFoundHandler()), click, cookieLines...)
	require.Equal(s.t, http.StatusSeeOther, w.Code)
	require.Equal(s.t, []string{deletion}, w.Header()["Set-Cookie"])
}

// logsNothing holds the site to silence above debug.
func (s *site) logsNothing() {
	s.t.Helper()
	logs := s.logs.String()
	for _, level := range []string{"level=INFO", "level=WARN", "level=ERROR"} {
		require.NotContains(s.t, logs, level)
	}
}

// sent is the Cookie line of a browser that has nothing but this session.
func sent(value string) string { return "__Host-ecgrid=" + value }

func TestACookieWithAnyBitFlippedIsAnonymous(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		require.True(t, s.known(sent(cookie)))
		for i := range len(cookie) {
			for bit := range 8 {
				changed := []byte(cookie)
				changed[i] ^= 1 << bit
				s.refuses(sent(string(changed)))
			}
		}
		require.True(t, s.known(sent(cookie)), "the good one still opens")
	})
}

func TestACookieCutAtAnyLengthIsAnonymous(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		for n := range len(cookie) {
			s.refuses(sent(cookie[:n])) // 0 is the empty cookie
			s.refuses(sent(cookie[n+1:]))
		}
	})
}

func TestACookieIsBoundToItsNameItsKeysAndItsUpstream(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		base := ecgridsession.Config{Upstream: s.grid.URL, Keys: [][]byte{s.key}, Ledger: inUse(s.m).Ledger}
		for name, change := range map[string]func(*ecgridsession.Config){
			"other name":          func(c *ecgridsession.Config) { c.CookieName = "__Host-ecgrid-2" },
			"name in other case":  func(c *ecgridsession.Config) { c.CookieName = "__Host-ECGrid" },
			"other keys":          func(c *ecgridsession.Config) { c.Keys = [][]byte{randomKey(t)} },
			"other upstream host": func(c *ecgridsession.Config) { c.Upstream = "https://test.ecgrid.example" },
			"other upstream path": func(c *ecgridsession.Config) { c.Upstream = s.grid.URL + "/test" },
		} {
			cfg := base
			change(&cfg)
			other := newMiddleware(t, cfg)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", inUse(other).CookieName+"="+cookie)
			assert.Falsef(t, knows(other, r), name)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", sent(cookie))
		assert.True(t, knows(newMiddleware(t, base), r), "a replica with the same Config opens it")
	})
}

// knows tells whether m finds a session in a request.
func knows(m *ecgridsession.Middleware, r *http.Request) (found bool) {
	m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, found = m.Session(r.Context())
	})).ServeHTTP(httptest.NewRecorder(), r)
	return found
}

func TestABadCookieIsForgottenAndTheUserSignsInAgain(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		good := b.cookie().Value
		bare := b.bare()
		for name, value := range map[string]string{
			"flipped": good[:len(good)-1] + string(good[len(good)-1]^1),
			"cut":     good[:len(good)/2],
			"empty":   "",
			"padded":  good + "=",
		} {
			header := append(click[:len(click):len(click)], "Cookie", sent(value))
			assert.Equal(t, "anonymous", bare.get("/", header...).body, name)
			got := bare.get("/private", header...)
			assert.Equal(t, []string{deletion}, got.sessionCookies(), name)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"), name)
		}
		s.logsNothing()
		again := s.browserOver(b.http.Transport)
		again.signIn()
		assert.Equal(t, "user demo", again.get("/").body)
	})
}

func TestACookieByAnOlderKeyIsTakenAndSetAnewByTheFirst(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		first := randomKey(t)
		cfg := ecgridsession.Config{Upstream: s.grid.URL, Ledger: inUse(s.m).Ledger}
		cfg.Keys = [][]byte{first, s.key}
		rotated := newMiddleware(t, cfg)
		cfg.Keys = [][]byte{first}
		finished := newMiddleware(t, cfg)

		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", sent(cookie))
		require.True(t, knows(rotated, r))
		require.False(t, knows(finished, r), "the key is gone")

		w := httptest.NewRecorder()
		rotated.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		lines := w.Header()["Set-Cookie"]
		require.Len(t, lines, 1)
		value, _, _ := strings.Cut(strings.TrimPrefix(lines[0], "__Host-ecgrid="), ";")

		r.Header.Set("Cookie", sent(value))
		assert.True(t, knows(newMiddleware(t, ecgridsession.Config{
			Upstream: s.grid.URL, Ledger: inUse(s.m).Ledger, Keys: [][]byte{first, s.key},
		}), r))
		w = httptest.NewRecorder()
		rotated.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		assert.Empty(t, w.Header()["Set-Cookie"], "once is enough")
		rec, ok := openCookie(finished, r)
		assert.True(t, ok, "the older key may go now")
		assert.EqualValues(t, demo.ID, rec.UserID)
	})
}

func TestACookieHasOneSpelling(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		spellings := map[string]string{
			"padding":          cookie + "=",
			"double padding":   cookie + "==",
			"standard base64":  strings.NewReplacer("-", "+", "_", "/").Replace(cookie) + "=",
			"CR LF at the end": cookie + "\r\n",
			"CR LF inside":     cookie[:40] + "\r\n" + cookie[40:],
			"LF inside":        cookie[:40] + "\n" + cookie[40:],
			"space inside":     cookie[:40] + " " + cookie[40:],
			"percent-encoded":  "%" + hexOf(cookie[0]) + cookie[1:],
			"a byte before":    "A" + cookie,
			"a quantum more":   cookie + "AAAA",
			"NUL at the end":   cookie + "\x00",
			"a comma":          cookie + ",",
		}
		// What the last character has to spare: 4 bits after one byte, 2 after
		// two, none after three.
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		spare := map[int]int{2: 4, 3: 2}[len(cookie)%4]
		last := strings.IndexByte(alphabet, cookie[len(cookie)-1])
		for bits := 1; bits < 1<<spare; bits++ {
			spellings["trailing bits "+string(alphabet[bits])] = cookie[:len(cookie)-1] + string(alphabet[last|bits])
		}
		for name, spelling := range spellings {
			assert.Falsef(t, s.known(sent(spelling)), name)
			s.refuses(sent(spelling))
		}
	})
}

// TestEveryLengthOfCookieHasOneSpelling makes sure that cookies whose last
// character has bits to spare are among those tried.
func TestEveryLengthOfCookieHasOneSpelling(t *testing.T) {
	s := newSite(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	tried := 0
	for n := range 3 {
		cookie := sealRecord(s.m, liveRecord(time.Now(), func(r *record.Record) { r.Login = demo.Login + strings.Repeat(" ", n) }))
		last := strings.IndexByte(alphabet, cookie[len(cookie)-1])
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", sent(cookie))
		require.True(t, knows(s.m, r))
		for other := range alphabet {
			if other == last {
				continue
			}
			tried++
			r.Header.Set("Cookie", sent(cookie[:len(cookie)-1]+string(alphabet[other])))
			assert.False(t, knows(s.m, r))
		}
	}
	assert.Equal(t, 3*63, tried)
}

func hexOf(b byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[b>>4], digits[b&15]})
}
