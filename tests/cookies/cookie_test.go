package cookies

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestACookieWithAnyBitFlippedIsAnonymous(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		require.True(t, s.Knows(site.Sent(cookie)))
		for i := range len(cookie) {
			for bit := range 8 {
				changed := []byte(cookie)
				changed[i] ^= 1 << bit
				s.Refuses(site.Sent(string(changed)))
			}
		}
		require.True(t, s.Knows(site.Sent(cookie)), "the good one still opens")
	})
}

func TestACookieCutAtAnyLengthIsAnonymous(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		for n := range len(cookie) {
			s.Refuses(site.Sent(cookie[:n])) // 0 is the empty cookie
			s.Refuses(site.Sent(cookie[n+1:]))
		}
	})
}

func TestACookieIsBoundToItsNameItsKeysAndItsUpstream(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		base := ecgridsession.Config{Upstream: s.Grid.URL, Keys: [][]byte{s.Key}, Ledger: s.Ledger.Memory}
		for name, change := range map[string]func(*ecgridsession.Config){
			"other name":          func(c *ecgridsession.Config) { c.CookieName = "__Host-ecgrid-2" },
			"name in other case":  func(c *ecgridsession.Config) { c.CookieName = "__Host-ECGrid" },
			"other keys":          func(c *ecgridsession.Config) { c.Keys = [][]byte{site.NewKey(t)} },
			"other upstream host": func(c *ecgridsession.Config) { c.Upstream = "https://test.ecgrid.example" },
			"other upstream path": func(c *ecgridsession.Config) { c.Upstream = s.Grid.URL + "/test" },
		} {
			cfg := base
			change(&cfg)
			other := site.NewMiddleware(t, cfg)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", cmp.Or(cfg.CookieName, "__Host-ecgrid")+"="+cookie)
			assert.Falsef(t, site.Knows(other, r), name)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", site.Sent(cookie))
		assert.True(t, site.Knows(site.NewMiddleware(t, base), r), "a replica with the same Config opens it")
	})
}

func TestABadCookieIsForgottenAndTheUserSignsInAgain(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		good := b.Cookie().Value
		bare := b.Bare()
		for name, value := range map[string]string{
			"flipped": good[:len(good)-1] + string(good[len(good)-1]^1),
			"cut":     good[:len(good)/2],
			"empty":   "",
			"padded":  good + "=",
		} {
			header := append(site.Click[:len(site.Click):len(site.Click)], "Cookie", site.Sent(value))
			assert.Equal(t, "anonymous", bare.Get("/", header...).Text, name)
			got := bare.Get("/private", header...)
			assert.Equal(t, []string{site.Deletion}, got.SessionCookies(), name)
			assert.Equal(t, "no-store", got.Header.Get("Cache-Control"), name)
		}
		s.LogsNothing()
		again := s.BrowserOver(b.HTTP.Transport)
		again.SignIn()
		assert.Equal(t, "user demo", again.Get("/").Text)
	})
}

func TestACookieByAnOlderKeyIsTakenAndSetAnewByTheFirst(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		first := site.NewKey(t)
		cfg := ecgridsession.Config{Upstream: s.Grid.URL, Ledger: s.Ledger.Memory}
		cfg.Keys = [][]byte{first, s.Key}
		rotated := site.NewMiddleware(t, cfg)
		cfg.Keys = [][]byte{first}
		finished := site.NewMiddleware(t, cfg)

		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", site.Sent(cookie))
		require.True(t, site.Knows(rotated, r))
		require.False(t, site.Knows(finished, r), "the key is gone")

		w := httptest.NewRecorder()
		rotated.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		lines := w.Header()["Set-Cookie"]
		require.Len(t, lines, 1)
		value, _, _ := strings.Cut(strings.TrimPrefix(lines[0], "__Host-ecgrid="), ";")

		r.Header.Set("Cookie", site.Sent(value))
		assert.True(t, site.Knows(site.NewMiddleware(t, ecgridsession.Config{
			Upstream: s.Grid.URL, Ledger: s.Ledger.Memory, Keys: [][]byte{first, s.Key},
		}), r))
		w = httptest.NewRecorder()
		rotated.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		assert.Empty(t, w.Header()["Set-Cookie"], "once is enough")
		rec, ok := site.NewCookies(t, s.Grid.URL, first).Open(r)
		assert.True(t, ok, "the older key may go now")
		assert.EqualValues(t, site.Demo.ID, rec.UserID)
	})
}

func TestACookieHasOneSpelling(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
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
			assert.Falsef(t, s.Knows(site.Sent(spelling)), name)
			s.Refuses(site.Sent(spelling))
		}
	})
}

// TestEveryLengthOfCookieHasOneSpelling makes sure that cookies whose last
// character has bits to spare are among those tried.
func TestEveryLengthOfCookieHasOneSpelling(t *testing.T) {
	s := site.New(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	tried := 0
	for n := range 3 {
		cookie := s.Cookies().Seal(liveRecord(time.Now(), func(r *record.Record) { r.Login = site.Demo.Login + strings.Repeat(" ", n) }))
		last := strings.IndexByte(alphabet, cookie[len(cookie)-1])
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", site.Sent(cookie))
		require.True(t, site.Knows(s.Middleware, r))
		for other := range alphabet {
			if other == last {
				continue
			}
			tried++
			r.Header.Set("Cookie", site.Sent(cookie[:len(cookie)-1]+string(alphabet[other])))
			assert.False(t, site.Knows(s.Middleware, r))
		}
	}
	assert.Equal(t, 3*63, tried)
}

func hexOf(b byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[b>>4], digits[b&15]})
}
