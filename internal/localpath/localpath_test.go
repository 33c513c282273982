package localpath_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/internal/localpath"
)

func TestAPathOnThisSiteIsValid(t *testing.T) {
	for _, target := range []string{
		"/", "/a", "/a/", "/a/b.c", "/a.b/..c/d..", "/.well-known/x", "/...", "/~ann", "/@ann", "/a:b", "/a;b=c/d", "/a[0]|b",
		"/?", "/?a=b&c=d", "/a?next=//e.example", "/a?next=https%3A%2F%2Fe.example%5C%0A%00%252f", "/a?100%", "/a?b/../c//d?e",
		"/#", "/a#b", "/a?b#c", "/#/orders/7", "/a#b%20c?d#e//f",
		"/my%20file", "/caf%C3%A9", "/%E2%82%AC", "/a%2Bb%3Fc%23d", "/%61",
		"/a//b", "/a//", "/a/b//c//", "/a%2fb", "/a%2Fb%2fc", "/a%2f%2fb", "/100%25", "/50%25/c", "/100%2525", "/a%20%25b", "/a%25zz",
		`/a?file=C:\data`, `/a?b\c`, `/a?\\server\share#x`,
		"/" + strings.Repeat("x", 2047),
	} {
		assert.True(t, localpath.Valid(target), target)
	}
}

func TestWhatCouldLeaveThisSiteIsNotValid(t *testing.T) {
	for _, target := range []string{
		"", "a", "a/b", "?a", "#a", ".", "./a", "..", "../a", " /a", "*",
		"//e", "///e", "////e", "//", "//e.example/a", "//user@e.example", "//e.example:443", "//127.0.0.1", "//[::1]/", "//2130706433",
		`/\e`, `\\e`, `\/e`, `\e`, `/\/e`, `//\e`, `/a\b`, `/a#b\c`, `/./\e`, `/..\e`,
		"/./e", "/../e", "/.", "/..", "/a/.", "/a/..", "/a/./b", "/a/../b", "/a/..//e", "/.//e", "/..//e", "/a%2f..%2f%2fe", "/a%252f..%252f%252fe",
		"/%2e/e", "/%2E%2e/e", "/.%2e/e", "/a/%2e%2e//e", "/a/%2e%2e", "/%2e",
		"/%2fe", "/%2Fe", "/%2f%2fe", "/%5ce", "/%5Ce", "/a%5cb", "/%2e%2f/e",
		"/%252fe", "/%25%32%66e", "/%255ce", "/%25252f", "/%2509", "/%252e%252e/e", "/%2525252525252fe", "/%25zz%252f/%252e", "/%252f%zz",
		"/%09/e", "/%0a/e", "/%0d/e", "/%00", "/%1f", "/%7f", "/a%0d%0aSet-Cookie:x", "/%C2%85",
		"/%c0%afe", "/%e0%80%afe", "/%ff", "/%80",
		"/%", "/%2", "/%zz", "/a%2", "/%u002f", "/a#%", "/a#%zz",
		"/\te", "/\t/e", "/a\nb", "/a\rb", "/a\r\nLocation:x", "/a\x00b", "/a b", "/a ", "/a\x7f", "/a?b c", "/a?b\nc", "/a#b\tc", "\t/a", "/\n/e",
		"/é", "/a?é", "/a#é", "/\u2028", "\ufeff/a", "/\uff0fe", "/\xff",
		`/a"b`, "/<script>", "/a?<b>", "/a>",
		"https:e", "https:/e", "https://e.example", "https:///e", "http:/e", "HTTPS://e", "javascript:alert(1)", "javascript:/e", "data:text/html,x", "x:y",
		"user@e.example", "e.example:443", "127.0.0.1", "[::1]", "0x7f000001", "localhost",
		"/" + strings.Repeat("x", 2048), "/" + strings.Repeat("x", 100<<10), strings.Repeat("/a", 50<<10), "/?" + strings.Repeat("x", 2048),
	} {
		assert.False(t, localpath.Valid(target), "%.60q", target)
	}
}

func TestJudgingAPlainTargetAllocatesNothing(t *testing.T) {
	assert.Zero(t, testing.AllocsPerRun(100, func() { localpath.Valid("/parcels/inbox?page=2&q=%2f#top") }))
}

func TestSamePathSeesThroughSpellings(t *testing.T) {
	for _, target := range []string{
		"/login", "/login/", "/LOGIN", "/Login?a=b", "/login#a", "/login?return_to=/x#y", "/%6cogin", "/l%4Fgin/", "/./login", "/x/../login",
		"//login", "/login//", "/login/.", "login",
	} {
		assert.True(t, localpath.SamePath(target, "/login"), target)
	}
	for _, target := range []string{"/", "", "/loginx", "/login/x", "/x/login", "/log", "/?/login", "/#/login", "/login%2", "/%6cogi"} {
		assert.False(t, localpath.SamePath(target, "/login"), target)
	}
	assert.True(t, localpath.SamePath("/Sign%20In/", "/sign in"))
	assert.True(t, localpath.SamePath("/sign%20in", "/sign%20in?x=y"))
	assert.True(t, localpath.SamePath("/", ""))
	assert.True(t, localpath.SamePath("/?a", "/"))
}

// browse resolves target against https://site.example/x/y as the WHATWG URL standard tells browsers to, as far as that
// decides the host: they strip spaces and control characters at both ends and tabs and newlines anywhere, and read a
// backslash as a slash. It returns the origin it ends up at.
func browse(target string) string {
	target = strings.TrimFunc(target, func(r rune) bool { return r <= ' ' })
	target = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(target)
	if i := strings.IndexAny(target, ":/\\?#"); i > 0 && target[i] == ':' {
		scheme := strings.ToLower(target[:i])
		if strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == "" && scheme[0] >= 'a' {
			rest := strings.TrimLeft(target[i+1:], `/\`)
			return scheme + "://" + rest
		}
	}
	if len(target) >= 2 && strings.ContainsRune(`/\`, rune(target[0])) && strings.ContainsRune(`/\`, rune(target[1])) {
		authority := strings.TrimLeft(target, `/\`)
		if i := strings.IndexAny(authority, `/\?#`); i >= 0 {
			authority = authority[:i]
		}
		return "https://" + authority
	}
	return "https://site.example"
}

// FuzzValid holds that whatever is accepted stays on the site: for net/url, for a browser, and for both after somebody on
// the way has decoded or cleaned it.
func FuzzValid(f *testing.F) {
	for _, seed := range []string{
		"/", "/a?b#c", "//e", `/\e`, `\\e`, "/\t/e", "https:e", "javascript:x", "/%2fe", "/%5ce", "/%252fe", "/a/..//e", "/%09/e", "/.%2e//e", "/%2e%2e/%2fe",
	} {
		f.Add(seed)
	}
	at, err := url.Parse("https://site.example/x/y")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		_ = localpath.SamePath(target, "/login")
		if !localpath.Valid(target) {
			return
		}
		if len(target) > 2048 || strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q does not fit a header as it is", target)
		}
		stays := func(form string) {
			t.Helper()
			if got := browse(form); got != "https://site.example" {
				t.Fatalf("%q takes a browser to %q as %q", target, got, form)
			}
		}
		u, err := at.Parse(target)
		if err != nil {
			t.Fatalf("%q is no reference: %v", target, err)
		}
		if u.Scheme != "https" || u.Host != "site.example" || u.User != nil || u.Opaque != "" {
			t.Fatalf("%q resolves to %q", target, u)
		}
		form, query, _ := strings.Cut(beforeFragment(target), "?")
		// Resolved, the path is what it was: nothing in it was there to be cleaned.
		if plain, err := url.PathUnescape(form); err != nil || u.Path != plain || u.RawQuery != query {
			t.Fatalf("%q was rewritten to %q", target, u)
		}
		stays(target)
		for range 4 {
			stays(form)
			stays((&url.URL{Path: form}).JoinPath().Path)
			decoded, err := url.PathUnescape(form)
			if err != nil {
				break // a percent sign for itself
			}
			form = decoded
		}
	})
}

func beforeFragment(s string) string {
	s, _, _ = strings.Cut(s, "#")
	return s
}
