package cookies

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestAnOverlongCookieIsRefusedBeforeItIsDecoded(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		cost := func(value string) uint64 {
			var before, after runtime.MemStats
			w := &discard{header: make(http.Header)}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", site.Sent(value))
			h := s.Middleware.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			runtime.ReadMemStats(&before)
			h.ServeHTTP(w, r)
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		// They begin like a good one, so nothing but their length speaks
		// against decoding them.
		for _, size := range []int{8 << 10, 1<<20 - 100, 1 << 20, 2 << 20} {
			long := cookie + strings.Repeat("A", size-len(cookie))
			s.Refuses(site.Sent(long))
			assert.Lessf(t, cost(long), uint64(100<<10), "%d bytes", size)
		}
		s.Refuses("a=" + strings.Repeat("A", 1<<20) + "; " + site.Sent(cookie)) // longer than any browser's line
		limit := 4096 - len("__Host-ecgrid")
		s.Refuses(site.Sent(cookie + strings.Repeat("A", limit-len(cookie))))
		s.Refuses(site.Sent(cookie + strings.Repeat("A", limit-len(cookie)+1)))
	})
}

// discard is a ResponseWriter that allocates nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func TestAnOverlongCookieIsAnonymousOverTheWire(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		good := b.Cookie().Value
		bare := b.Bare()
		got := bare.Get("/", "Cookie", site.Sent(good+strings.Repeat("A", 8<<10)))
		assert.Equal(t, "anonymous", got.Text)
		assert.Empty(t, got.SessionCookies())
		assert.Equal(t, "user demo", b.Get("/").Text)
	})
}

func TestMoreCookiesThanNetHTTPTakesAreAnonymousAndNotAnError(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		good := site.Sent(b.Cookie().Value)
		bare := b.Bare()
		for _, order := range []string{"last", "first"} {
			line := strings.Repeat("a=b; ", 3000) + good
			if order == "first" {
				line = good + strings.Repeat("; a=b", 3000)
			}
			got := bare.Get("/", "Cookie", line)
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, "anonymous", got.Text)
			assert.Empty(t, got.SessionCookies())
		}
		got := bare.Get("/", "Cookie", strings.Repeat("a=b; ", 2999)+good)
		assert.Equal(t, "user demo", got.Text, "3,000 are not too many")
		s.LogsNothing()
	})
}

func TestCookiesAreCountedOverAllLines(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		half := strings.TrimSuffix(strings.Repeat("a=b; ", 1500), "; ")
		assert.True(t, s.Knows(half, site.Sent(cookie), half[:len(half)-len("; a=b")]))
		s.Refuses(half, site.Sent(cookie), half)
	})
}

func TestOfCookiesOfOneNameTheOnlyOneThatOpensCounts(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		other := s.CookieOf("bearer")
		bad := cookie[:len(cookie)-4] + "AAAA"
		for name, c := range map[string]struct {
			lines []string
			known bool
		}{
			"good and bad":               {[]string{site.Sent(cookie) + "; " + site.Sent(bad)}, true},
			"bad and good":               {[]string{site.Sent(bad) + "; " + site.Sent(cookie)}, true},
			"good and bad, two lines":    {[]string{site.Sent(cookie), site.Sent(bad)}, true},
			"bad and good, two lines":    {[]string{site.Sent(bad), site.Sent(cookie)}, true},
			"good among three bad":       {[]string{site.Sent(bad) + "; " + site.Sent("") + "; " + site.Sent(cookie) + "; " + site.Sent(bad)}, true},
			"overlong and good":          {[]string{site.Sent(strings.Repeat("A", 8<<10)) + "; " + site.Sent(cookie)}, true},
			"two good":                   {[]string{site.Sent(cookie) + "; " + site.Sent(other)}, false},
			"two good, two lines":        {[]string{site.Sent(other), site.Sent(cookie)}, false},
			"two good around a bad":      {[]string{site.Sent(cookie) + "; " + site.Sent(bad) + "; " + site.Sent(other)}, false},
			"the same twice":             {[]string{site.Sent(cookie) + "; " + site.Sent(cookie)}, true},
			"the same twice, two lines":  {[]string{site.Sent(cookie), site.Sent(cookie)}, true},
			"the same twice, and a bad":  {[]string{site.Sent(cookie), site.Sent(bad), site.Sent(cookie)}, true},
			"three good":                 {[]string{site.Sent(cookie) + "; " + site.Sent(other) + "; " + site.Sent(cookie)}, false},
			"two bad":                    {[]string{site.Sent(bad) + "; " + site.Sent("")}, false},
			"more than are tried":        {[]string{strings.Repeat(site.Sent(bad)+"; ", 4) + site.Sent(cookie)}, false},
			"more than are tried, after": {[]string{site.Sent(cookie) + strings.Repeat("; "+site.Sent(bad), 4)}, false},
		} {
			assert.Equal(t, c.known, s.Knows(c.lines...), name)
			if !c.known {
				s.Refuses(c.lines...)
			}
		}
	})
}

func TestOfCookiesOfOneNameTheOnlyOneThatOpensCountsOverTheWire(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		good := b.Cookie().Value
		bare := b.Bare()
		assert.Equal(t, "user demo", bare.Get("/", "Cookie", site.Sent("tossed"), "Cookie", site.Sent(good)).Text)
		assert.Equal(t, "user demo", bare.Get("/", "Cookie", site.Sent(good)+"; "+site.Sent("tossed")).Text)
		assert.Equal(t, "user demo", bare.Get("/", "Cookie", site.Sent(good), "Cookie", site.Sent(good)).Text)
	})
}

// spelling is a Cookie line with a good cookie somewhere in it, and whether that
// counts.
type spelling struct {
	line  string
	known bool
}

func spellingsOf(cookie string) map[string]spelling {
	return map[string]spelling{
		"quoted":                     {`__Host-ecgrid="` + cookie + `"`, false},
		"opening quote":              {`__Host-ecgrid="` + cookie, false},
		"$Version before":            {"$Version=1; " + site.Sent(cookie), true},
		"$Path after":                {"$Version=1; " + site.Sent(cookie) + "; $Path=/", true},
		"$Version with a comma":      {"$Version=1, " + site.Sent(cookie), false},
		"lower-case prefix":          {"__host-ecgrid=" + cookie, false},
		"upper-case name":            {"__HOST-ECGRID=" + cookie, false},
		"U+2000 before":              {"\u2000" + site.Sent(cookie), false},
		"U+00A0 before":              {"\u00a0" + site.Sent(cookie), false},
		"byte order mark before":     {"\ufeff" + site.Sent(cookie), false},
		"NUL before":                 {"\x00" + site.Sent(cookie), false},
		"NUL after the name":         {"__Host-ecgrid\x00=" + cookie, false},
		"vertical tab before":        {"\v" + site.Sent(cookie), false},
		"space before the equals":    {"__Host-ecgrid =" + cookie, false},
		"no name":                    {"=" + site.Sent(cookie), false},
		"prefix in a nameless one":   {"=__Host-ecgrid=" + cookie, false},
		"another name in front":      {"x__Host-ecgrid=" + cookie, false},
		"longer name":                {"__Host-ecgrid2=" + cookie, false},
		"name without a value":       {"__Host-ecgrid", false},
		"two equals signs":           {"__Host-ecgrid==" + cookie, false},
		"in another cookie's value":  {"other=" + site.Sent(cookie), false},
		"in another's quoted value":  {`other="a; ` + site.Sent(cookie) + `"`, false},
		"wide space":                 {"a=b;  \t " + site.Sent(cookie) + " \t", true},
		"no space":                   {"a=b;" + site.Sent(cookie) + ";c=d", true},
		"empty pairs":                {";; ;" + site.Sent(cookie) + ";;", true},
		"beside a lower-case prefix": {"__host-ecgrid=tossed; " + site.Sent(cookie), true},
		"the name twice in a row":    {"__Host-ecgrid" + site.Sent(cookie), false},
		"behind the name alone":      {"__Host-ecgrid; " + site.Sent(cookie), true},
		"behind it as a value":       {"a=__Host-ecgrid; " + site.Sent(cookie), true},
		"behind it as a longer name": {"__Host-ecgrid2=b; " + site.Sent(cookie), true},
	}
}

func TestOtherNamesAndSpellingsAreNeverAnotherIdentity(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		for name, c := range spellingsOf(cookie) {
			assert.Equal(t, c.known, s.Knows(c.line), name)
		}
	})
}

func TestOtherNamesAndSpellingsAreNeverAnotherIdentityOverTheWire(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for name, c := range spellingsOf(b.Cookie().Value) {
			got, err := b.Bare().Try(t.Context(), http.MethodGet, "/", nil, "Cookie", c.line)
			if strings.ContainsAny(c.line, "\x00\v") {
				require.ErrorContains(t, err, "invalid header field value", name) // no client of Go's sends it
				continue
			}
			require.NoError(t, err, name)
			assert.Equal(t, map[bool]string{true: "user demo", false: "anonymous"}[c.known], got.Text, name)
		}
		s.LogsNothing()
	})
}

func TestACookieThatIsNotOursIsLeftAlone(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		for _, line := range []string{"", "other=1", "__host-ecgrid=" + cookie, "\u2000" + site.Sent(cookie), "__Host-ecgrid2=" + cookie} {
			w := s.Visit(site.Click, line)
			assert.Equal(t, "anonymous", w.Body.String())
			assert.Empty(t, w.Header()["Set-Cookie"], "%.20q", line)
			assert.Empty(t, w.Header().Get("Cache-Control"), "%.20q", line)
		}
		assert.Empty(t, s.Events.Of(ecgridsession.CookieRejected))
	})
}

func TestNULInACookieIsRefusedByTheServerOrAnonymous(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		for _, line := range []string{site.Sent(cookie + "\x00"), "\x00" + site.Sent(cookie), "__Host-ecgrid\x00=" + cookie} {
			got := s.Raw(t, "GET / HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nCookie: "+line+"\r\n\r\n")
			assert.Equal(t, http.StatusBadRequest, got.StatusCode)
			body, err := io.ReadAll(got.Body)
			require.NoError(t, err)
			assert.NotContains(t, string(body), "demo")
		}
	})
}

func TestCookiesOpenedAtOnceNeverMix(t *testing.T) {
	s := site.New(t)
	cookies, now := s.Cookies(), time.Now()
	var wg sync.WaitGroup
	for i := range byte(16) {
		cookie := cookies.Seal(liveRecord(now, func(r *record.Record) {
			r.ID[15], r.UserID = i, int64(i)
			r.Credential.Token = strings.Repeat(string('a'+rune(i)), 1000)
		}))
		wg.Go(func() {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", site.Sent("tossed")+"; "+site.Sent(cookie))
			want := strings.Repeat(string('a'+rune(i)), 1000)
			for range 200 {
				rec, opened := cookies.Open(r)
				assert.True(t, opened)
				assert.EqualValues(t, i, rec.UserID)
				assert.Equal(t, want, rec.Credential.Token)
			}
		})
	}
	wg.Wait()
}
