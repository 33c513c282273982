//go:build unix

package nginx_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// visit takes a browser through a visit and writes down what it is answered:
// status, headers and body, but for what is new with every answer. Each request
// carries header besides what browsers send.
func visit(t *testing.T, b *browser, form url.Values, header []string) string {
	t.Helper()
	var said strings.Builder
	note := func(what string, got answer) {
		fmt.Fprintf(&said, "%s: %d\n", what, got.StatusCode)
		var names []string
		for name := range got.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			for _, line := range got.Header[name] {
				if value, attributes, ok := strings.Cut(line, "; "); ok && name == "Set-Cookie" {
					if value != cookieName+"=" {
						value = cookieName + "=…"
					}
					line = value + "; " + attributes
				}
				if name != "Date" {
					fmt.Fprintf(&said, "\t%s: %s\n", name, line)
				}
			}
		}
		fmt.Fprintf(&said, "%s\n\n", got.body)
	}
	navigation := append([]string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, header...)
	post := append(slices.Clone(fromHere), header...)
	away := append(slices.Clone(fromAwayOld), header...)

	note("anonymous page", b.get("/inbox?status=new", navigation...))
	note("anonymous script", b.get("/inbox", header...))
	note("sign-in page", b.get("/login?return_to=/inbox", navigation...))
	note("sign-in from another site", b.post("/login", form, away...))
	note("wrong sign-in", b.post("/login", url.Values{"login": {"demo"}, "password": {"wrong"}}, post...))
	note("sign-in", b.post("/login?return_to=/inbox", form, post...))
	require.NotEmpty(t, b.sessionCookie(), said.String())
	note("page", b.get("/inbox", navigation...))
	note("sign-out page", b.get("/logout", navigation...))
	note("sign-out from another site", b.post("/logout", nil, away...))
	note("other method", b.do(http.MethodDelete, "/logout", nil, header...))
	note("sign-out", b.post("/logout", nil, post...))
	return said.String()
}

func TestForwardedHeadersChangeNothing(t *testing.T) {
	spoofed := [][]string{
		{"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https"},
		{"X-Forwarded-Proto", "http", "X-Forwarded-Ssl", "off", "Front-End-Https", "off"},
		{"X-Forwarded-For", "127.0.0.1", "X-Real-Ip", "127.0.0.1", "X-Client-Ip", "127.0.0.1"},
		{"X-Forwarded-Port", "80", "X-Forwarded-Prefix", "/evil", "X-Forwarded-Server", "evil.example"},
		{"Forwarded", "for=127.0.0.1;host=evil.example;proto=http"},
		{"X-Original-Url", "/logout", "X-Rewrite-Url", "/logout"},
		{"X-Http-Method-Override", "POST", "X-Method-Override", "POST"},
		{"X-Forwarded-User", "root", "X-Remote-User", "root"},
	}
	setByNginx := `proxy_set_header X-Forwarded-Host evil.example; proxy_set_header X-Forwarded-Proto http;
		proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`
	for _, http2 := range []bool{false, true} {
		for kind, form := range map[string]url.Values{"bearer": byPassword, "API key": byKey} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", kind, http2), func(t *testing.T) {
				s := newSite(t, bare)
				plain := visit(t, s.browser(http2), form, nil)
				require.Contains(t, plain, "Location: /login?return_to=")
				require.Contains(t, plain, "Set-Cookie: __Host-ecgrid=…; Path=/; HttpOnly; Secure; SameSite=Lax")
				require.Contains(t, plain, "parcelId")
				for _, header := range spoofed {
					assert.Equal(t, plain, visit(t, s.browser(http2), form, header), header)
				}
				for name, locations := range map[string]string{
					"the host kept": with(hostKept), "another host": with("proxy_set_header Host other.example;"), "set by nginx": with(setByNginx),
				} {
					assert.Equal(t, plain, visit(t, newSite(t, locations).browser(http2), form, nil), name)
				}
			})
		}
	}
}

// Nothing that an app could trust says whether the browser's connection is
// encrypted. On a machine of its own nginx would be noticed; here it is not.
func TestInsecureCookieIsNotNoticedBehindAProxyOnTheSameMachine(t *testing.T) {
	s := newSite(t, bare, func(cfg *ecgridsession.Config) { cfg.InsecureCookie = true })
	got := s.browser(true).post("/login", byPassword, "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "http")
	assert.Equal(t, http.StatusSeeOther, got.StatusCode)
	require.Len(t, got.Header["Set-Cookie"], 1)
	assert.True(t, strings.HasPrefix(got.Header["Set-Cookie"][0], "ecgrid-dev="))
	assert.NotContains(t, got.Header["Set-Cookie"][0], "Secure")
}
