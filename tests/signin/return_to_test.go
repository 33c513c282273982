package signin

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// home is where a browser goes whose return_to is not followed.
func home(cfg *ecgridsession.Config) { cfg.AfterLogin = "/home" }

// signInReturning signs in with a return_to in the form, and one in the query.
func signInReturning(t *testing.T, b *site.Browser, query string, inForm ...string) site.Answer {
	t.Helper()
	form := url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}}
	if len(inForm) > 0 {
		form["return_to"] = inForm
	}
	got := b.Post("/login"+query, form)
	require.Equal(t, http.StatusSeeOther, got.StatusCode)
	require.Len(t, got.Header["Location"], 1, "one Location header")
	return got
}

func TestAPathOnThisSiteIsReturnedTo(t *testing.T) {
	s := site.New(t, site.With(home))
	b := s.Browser()
	for _, target := range []string{
		"/", "/inbox", "/inbox/", "/a/b/c", "/inbox?page=2&sort=-date", "/inbox?next=https://evil.example/", "/inbox?a=//evil.example",
		"/a%20b", "/caf%C3%A9", "/inbox#top", "/login/help", "/logout-help", "/x:y", "/@user", "/inbox?q=%2f%2fevil",
	} {
		t.Run(target, func(t *testing.T) {
			in := "?return_to=" + url.QueryEscape(target)
			assert.Equal(t, target, signInReturning(t, b, "", target).Header.Get("Location"), "from the form")
			assert.Equal(t, target, signInReturning(t, b, in).Header.Get("Location"), "from the query")
			assert.Equal(t, target, signInReturning(t, b, in, target).Header.Get("Location"), "from both")
			htmx := b.Post("/login"+in, site.Forms["password"], "HX-Request", "true")
			assert.Equal(t, []string{target}, htmx.Header["Hx-Redirect"])
			assert.NotContains(t, htmx.Header, "Location")
		})
	}
}

// offThisSite are targets that lead, or that some browser, proxy or router
// takes to lead, elsewhere or in a circle.
var offThisSite = []string{
	"//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\\evil.example`, `\/evil.example`, `/\/evil.example`,
	"/./\\evil.example", "/.//evil.example", "/a/..//evil.example", "/../evil", "/a/../../evil", "/..", "/.", "/a/./b",
	"/\tevil", "/\t/evil.example", "\t//evil.example", "/\n/evil.example", "/\r\n/evil.example", "/a\r\nSet-Cookie: evil=1", "/a\nX-Evil: 1",
	"/\x00/evil", "/a\x7f", " /evil", "/ /evil", "//evil.example/%2f..", "/a b",
	"/é", "/／evil.example", "／／evil.example", "/\u2028evil", "/\u00a0", "\ufeff/evil", "/\xff",
	"https:evil.example", "https:/evil.example", "https://evil.example", "http://evil.example", "HTTPS://evil.example", "ftp://evil.example",
	"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,evil", "vbscript:evil", "mailto:evil@evil.example", "blob:https://evil.example/1",
	"/%2fevil.example", "/%2Fevil.example", "/%5cevil.example", "/%5Cevil.example", "/%09/evil.example", "/%0d%0aevil", "/%00", "/%2e%2e/evil", "/%2e/evil", "/%252fevil.example", "/%zz", "/%",
	"/%c0%afevil.example", "/%ff",
	"//user:pass@evil.example/", "https://127.0.0.1@evil.example/", "/\\@evil.example", "//evil.example:443/", "https://evil.example:443",
	"//127.0.0.1", "//2130706433", "//[::1]", "//0x7f.1", "//[::ffff:127.0.0.1]/",
	"", "inbox", "./inbox", "../inbox", "?x=1", "#top", ".", "*",
	"/\"><script>alert(1)</script>", "/<b>", "/inbox#%zz",
	"/login", "/login/", "/LOGIN", "/login?return_to=/login", "/login#x", "/%6cogin", "/logout", "/logout/", "/Logout?x", "/logou%74",
}

func TestATargetOffThisSiteIsNotReturnedTo(t *testing.T) {
	s := site.New(t, site.With(home))
	b := s.Browser()
	for _, target := range append(offThisSite, "/"+strings.Repeat("a", 60<<10), "/"+strings.Repeat("%61", 1000)) {
		t.Run(fmt.Sprintf("%.40q", target), func(t *testing.T) {
			fromForm := signInReturning(t, b, "", target)
			assert.Equal(t, "/home", fromForm.Header.Get("Location"), "from the form")
			in := "?return_to=" + url.QueryEscape(target)
			if len(target) < 1<<10 {
				fromQuery := signInReturning(t, b, in)
				assert.Equal(t, "/home", fromQuery.Header.Get("Location"), "from the query")
				htmx := b.Post("/login"+in, site.Forms["password"], "HX-Request", "true")
				assert.Equal(t, []string{"/home"}, htmx.Header["Hx-Redirect"])
			}
			for name := range fromForm.Header {
				assert.Contains(t, []string{"Location", "Set-Cookie", "Cache-Control", "Vary", "Content-Length", "Date"}, name, "no other header grown")
			}
			assert.Len(t, fromForm.Header["Set-Cookie"], 1)
		})
	}
}

func TestAQueryOf100KBIsNotReturnedTo(t *testing.T) {
	s := site.New(t, site.With(home))
	got := signInReturning(t, s.Browser(), "?return_to=/"+strings.Repeat("a", 100<<10))
	assert.Equal(t, "/home", got.Header.Get("Location"))
}

func TestATargetGivenTwiceIsNotReturnedTo(t *testing.T) {
	s := site.New(t, site.With(home))
	b := s.Browser()
	for name, got := range map[string]site.Answer{
		"twice in the form":            signInReturning(t, b, "", "/inbox", "/inbox"),
		"twice in the query":           signInReturning(t, b, "?return_to=/inbox&return_to=/inbox"),
		"once in the form, twice in":   signInReturning(t, b, "?return_to=/inbox&return_to=/inbox", "/inbox"),
		"once in the query, twice out": signInReturning(t, b, "?return_to=/inbox", "/inbox", "/evil"),
		"in an encoding of the name":   signInReturning(t, b, "?return_to=/inbox&return%5fto=/evil"),
		"an empty one first":           signInReturning(t, b, "?return_to=&return_to=/inbox"),
	} {
		assert.Equal(t, "/home", got.Header.Get("Location"), name)
	}
	// A form that names one is the nearer word; a bad one does not fall back
	// to the other.
	assert.Equal(t, "/form", signInReturning(t, b, "?return_to=/query", "/form").Header.Get("Location"))
	assert.Equal(t, "/home", signInReturning(t, b, "?return_to=/query", "//evil").Header.Get("Location"))
}

func TestTheTargetOfTheAppsOwnURLsIsRefusedAsWell(t *testing.T) {
	s := site.New(t, site.With(home, func(cfg *ecgridsession.Config) { cfg.LoginURL, cfg.LogoutURL = "/auth/in", "/auth/out?x=1" }))
	b := s.Browser()
	for _, target := range []string{"/auth/in", "/auth/in/", "/auth/in?return_to=/", "/auth/out", "/AUTH/OUT#x"} {
		assert.Equal(t, "/home", signInReturning(t, b, "", target).Header.Get("Location"), target)
	}
	assert.Equal(t, "/login", signInReturning(t, b, "", "/login").Header.Get("Location"))
}

func TestNoHeaderOfTheRequestMovesTheRedirect(t *testing.T) {
	s := site.New(t, site.With(home))
	for _, target := range []string{"", "/inbox"} {
		for _, proto := range []*site.Browser{s.Browser(), s.HTTP1()} {
			req, err := http.NewRequest(http.MethodPost, s.App.URL+"/login?return_to="+target, strings.NewReader(site.Forms["password"].Encode()))
			require.NoError(t, err)
			req.Host = "evil.example"
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, name := range []string{
				"X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Original-Url", "X-Rewrite-Url", "Forwarded", "Referer", "X-Return-To",
			} {
				req.Header.Set(name, "//evil.example/")
			}
			resp, err := proto.HTTP.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			want := target
			if want == "" {
				want = "/home"
			}
			assert.Equal(t, []string{want}, resp.Header["Location"])
		}
	}
}

func TestAFailedSignInKeepsTheTargetForTheNextTry(t *testing.T) {
	s := site.New(t, site.With(home))
	got := s.Browser().Post("/login?return_to=/inbox", url.Values{"login": {site.Demo.Login}, "password": {"wrong"}})
	assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
	assert.Contains(t, got.Text, `<form method="post">`, "without an action it posts to the same address, query and all")
	assert.NotContains(t, got.Header, "Location")
}

func TestSignOutFollowsNoTargetOfTheRequest(t *testing.T) {
	s := site.New(t)
	b := s.Browser().SignIn()
	got := b.Post("/logout?return_to=/inbox&next=/inbox", url.Values{"return_to": {"/inbox"}, "next": {"/inbox"}})
	assert.Equal(t, "/", got.Header.Get("Location"))
}
