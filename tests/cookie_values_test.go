package tests

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
)

func TestAnOverlongCookieIsRefusedBeforeItIsDecoded(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		cost := func(value string) uint64 {
			var before, after runtime.MemStats
			w := &discard{header: make(http.Header)}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", sent(value))
			h := s.m.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			runtime.ReadMemStats(&before)
			h.ServeHTTP(w, r)
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		// They begin like a good one, so nothing but their length speaks
		// against decoding them.
		for _, size := range []int{8 << 10, 1<<20 - 100, 1 << 20, 2 << 20} {
			long := cookie + strings.Repeat("A", size-len(cookie))
			s.refuses(sent(long))
			assert.Lessf(t, cost(long), uint64(100<<10), "%d bytes", size)
		}
		s.refuses("a=" + strings.Repeat("A", 1<<20) + "; " + sent(cookie)) // longer than any browser's line
		limit := 4096 - len("__Host-ecgrid")
		s.refuses(sent(cookie + strings.Repeat("A", limit-len(cookie))))
		s.refuses(sent(cookie + strings.Repeat("A", limit-len(cookie)+1)))
	})
}

// discard is a ResponseWriter that allocates nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func TestAnOverlongCookieIsAnonymousOverTheWire(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		good := b.cookie().Value
		bare := b.bare()
		got := bare.get("/", "Cookie", sent(good+strings.Repeat("A", 8<<10)))
		assert.Equal(t, "anonymous", got.body)
		assert.Empty(t, got.sessionCookies())
		assert.Equal(t, "user demo", b.get("/").body)
	})
}

func TestMoreCookiesThanNetHTTPTakesAreAnonymousAndNotAnError(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		good := sent(b.cookie().Value)
		bare := b.bare()
		for _, order := range []string{"last", "first"} {
			line := strings.Repeat("a=b; ", 3000) + good
			if order == "first" {
				line = good + strings.Repeat("; a=b", 3000)
			}
			got := bare.get("/", "Cookie", line)
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, "anonymous", got.body)
			assert.Empty(t, got.sessionCookies())
		}
		got := bare.get("/", "Cookie", strings.Repeat("a=b; ", 2999)+good)
		assert.Equal(t, "user demo", got.body, "3,000 are not too many")
		s.logsNothing()
	})
}

func TestCookiesAreCountedOverAllLines(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		half := strings.TrimSuffix(strings.Repeat("a=b; ", 1500), "; ")
		assert.True(t, s.known(half, sent(cookie), half[:len(half)-len("; a=b")]))
		s.refuses(half, sent(cookie), half)
	})
}

func TestOfCookiesOfOneNameTheOnlyOneThatOpensCounts(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		other := s.issue("bearer")
		bad := cookie[:len(cookie)-4] + "AAAA"
		for name, c := range map[string]struct {
			lines []string
			known bool
		}{
			"good and bad":               {[]string{sent(cookie) + "; " + sent(bad)}, true},
			"bad and good":               {[]string{sent(bad) + "; " + sent(cookie)}, true},
			"good and bad, two lines":    {[]string{sent(cookie), sent(bad)}, true},
			"bad and good, two lines":    {[]string{sent(bad), sent(cookie)}, true},
			"good among three bad":       {[]string{sent(bad) + "; " + sent("") + "; " + sent(cookie) + "; " + sent(bad)}, true},
			"overlong and good":          {[]string{sent(strings.Repeat("A", 8<<10)) + "; " + sent(cookie)}, true},
			"two good":                   {[]string{sent(cookie) + "; " + sent(other)}, false},
			"two good, two lines":        {[]string{sent(other), sent(cookie)}, false},
			"two good around a bad":      {[]string{sent(cookie) + "; " + sent(bad) + "; " + sent(other)}, false},
			"the same twice":             {[]string{sent(cookie) + "; " + sent(cookie)}, false},
			"three good":                 {[]string{sent(cookie) + "; " + sent(other) + "; " + sent(cookie)}, false},
			"two bad":                    {[]string{sent(bad) + "; " + sent("")}, false},
			"more than are tried":        {[]string{strings.Repeat(sent(bad)+"; ", 4) + sent(cookie)}, false},
			"more than are tried, after": {[]string{sent(cookie) + strings.Repeat("; "+sent(bad), 4)}, false},
		} {
			assert.Equal(t, c.known, s.known(c.lines...), name)
			if !c.known {
				s.refuses(c.lines...)
			}
		}
	})
}

func TestOfCookiesOfOneNameTheOnlyOneThatOpensCountsOverTheWire(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		good := b.cookie().Value
		bare := b.bare()
		assert.Equal(t, "user demo", bare.get("/", "Cookie", sent("tossed"), "Cookie", sent(good)).body)
		assert.Equal(t, "user demo", bare.get("/", "Cookie", sent(good)+"; "+sent("tossed")).body)
		assert.Equal(t, "anonymous", bare.get("/", "Cookie", sent(good), "Cookie", sent(good)).body)
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
		"$Version before":            {"$Version=1; " + sent(cookie), true},
		"$Path after":                {"$Version=1; " + sent(cookie) + "; $Path=/", true},
		"$Version with a comma":      {"$Version=1, " + sent(cookie), false},
		"lower-case prefix":          {"__host-ecgrid=" + cookie, false},
		"upper-case name":            {"__HOST-ECGRID=" + cookie, false},
		"U+2000 before":              {"\u2000" + sent(cookie), false},
		"U+00A0 before":              {"\u00a0" + sent(cookie), false},
		"byte order mark before":     {"\ufeff" + sent(cookie), false},
		"NUL before":                 {"\x00" + sent(cookie), false},
		"NUL after the name":         {"__Host-ecgrid\x00=" + cookie, false},
		"vertical tab before":        {"\v" + sent(cookie), false},
		"space before the equals":    {"__Host-ecgrid =" + cookie, false},
		"no name":                    {"=" + sent(cookie), false},
		"prefix in a nameless one":   {"=__Host-ecgrid=" + cookie, false},
		"another name in front":      {"x__Host-ecgrid=" + cookie, false},
		"longer name":                {"__Host-ecgrid2=" + cookie, false},
		"name without a value":       {"__Host-ecgrid", false},
		"two equals signs":           {"__Host-ecgrid==" + cookie, false},
		"in another cookie's value":  {"other=" + sent(cookie), false},
		"in another's quoted value":  {`other="a; ` + sent(cookie) + `"`, false},
		"wide space":                 {"a=b;  \t " + sent(cookie) + " \t", true},
		"no space":                   {"a=b;" + sent(cookie) + ";c=d", true},
		"empty pairs":                {";; ;" + sent(cookie) + ";;", true},
		"beside a lower-case prefix": {"__host-ecgrid=tossed; " + sent(cookie), true},
		"the name twice in a row":    {"__Host-ecgrid" + sent(cookie), false},
		"behind the name alone":      {"__Host-ecgrid; " + sent(cookie), true},
		"behind it as a value":       {"a=__Host-ecgrid; " + sent(cookie), true},
		"behind it as a longer name": {"__Host-ecgrid2=b; " + sent(cookie), true},
	}
}

func TestOtherNamesAndSpellingsAreNeverAnotherIdentity(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		for name, c := range spellingsOf(cookie) {
			assert.Equal(t, c.known, s.known(c.line), name)
		}
	})
}

func TestOtherNamesAndSpellingsAreNeverAnotherIdentityOverTheWire(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		for name, c := range spellingsOf(b.cookie().Value) {
			got, err := b.bare().try(t.Context(), http.MethodGet, "/", nil, "Cookie", c.line)
			if strings.ContainsAny(c.line, "\x00\v") {
				require.ErrorContains(t, err, "invalid header field value", name) // no client of Go's sends it
				continue
			}
			require.NoError(t, err, name)
			assert.Equal(t, map[bool]string{true: "user demo", false: "anonymous"}[c.known], got.body, name)
		}
		s.logsNothing()
	})
}

func TestACookieThatIsNotOursIsLeftAlone(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		for _, line := range []string{"", "other=1", "__host-ecgrid=" + cookie, "\u2000" + sent(cookie), "__Host-ecgrid2=" + cookie} {
			w := s.visit(click, line)
			assert.Equal(t, "anonymous", w.Body.String())
			assert.Empty(t, w.Header()["Set-Cookie"], "%.20q", line)
			assert.Empty(t, w.Header().Get("Cache-Control"), "%.20q", line)
		}
		assert.Empty(t, s.events.of(ecgridsession.CookieRejected))
	})
}

func TestNULInACookieIsRefusedByTheServerOrAnonymous(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		for _, line := range []string{sent(cookie + "\x00"), "\x00" + sent(cookie), "__Host-ecgrid\x00=" + cookie} {
			got := s.raw(t, "GET / HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nCookie: "+line+"\r\n\r\n")
			assert.Equal(t, http.StatusBadRequest, got.StatusCode)
			body, err := io.ReadAll(got.Body)
			require.NoError(t, err)
			assert.NotContains(t, string(body), "demo")
		}
	})
}

func TestCookiesOpenedAtOnceNeverMix(t *testing.T) {
	s := newSite(t)
	now := time.Now()
	var wg sync.WaitGroup
	for i := range byte(16) {
		cookie := sealRecord(s.m, liveRecord(now, func(r *record.Record) {
			r.ID[15], r.UserID = i, int64(i)
			r.Credential.Token = strings.Repeat(string('a'+rune(i)), 1000)
		}))
		wg.Go(func() {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", sent("tossed")+"; "+sent(cookie))
			want := strings.Repeat(string('a'+rune(i)), 1000)
			for range 200 {
				rec, opened := openCookie(s.m, r)
				assert.True(t, opened)
				assert.EqualValues(t, i, rec.UserID)
				assert.Equal(t, want, rec.Credential.Token)
			}
		})
	}
	wg.Wait()
}
