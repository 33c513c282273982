package site

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Browser is an HTTP client with a cookie jar that does not follow redirects.
// Like a script or curl it sends no Fetch Metadata unless told to.
type Browser struct {
	T    *testing.T
	Site *Site
	HTTP *http.Client
	open func(*Site) *Browser // another one that speaks the same version of HTTP
}

// Browser returns a new one that speaks HTTP/2.
func (s *Site) Browser() *Browser {
	b := s.BrowserOver(s.App.Client().Transport)
	b.open = (*Site).Browser
	return b
}

// HTTP1 returns a new one that speaks HTTP/1.1.
func (s *Site) HTTP1() *Browser {
	transport := s.App.Client().Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = false
	transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	s.T.Cleanup(transport.CloseIdleConnections)
	b := s.BrowserOver(transport)
	b.open = (*Site).HTTP1
	return b
}

// BrowserOver returns a browser that reaches the site by a transport.
func (s *Site) BrowserOver(transport http.RoundTripper) *Browser {
	jar, err := cookiejar.New(nil)
	require.NoError(s.T, err)
	return &Browser{T: s.T, Site: s, HTTP: &http.Client{
		Transport:     transport,
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Bare returns a browser over the same connections that has no jar: it sends
// the cookies that a test names and no others.
func (b *Browser) Bare() *Browser {
	return &Browser{T: b.T, Site: b.Site, open: b.open, HTTP: &http.Client{Transport: b.HTTP.Transport, CheckRedirect: b.HTTP.CheckRedirect}}
}

// Answer is a response that has been read.
type Answer struct {
	*http.Response
	Text string
}

// Do sends a request to a path of the site; header is a list of names and
// values.
func (b *Browser) Do(method, path string, body io.Reader, header ...string) Answer {
	b.T.Helper()
	got, err := b.Try(context.Background(), method, path, body, header...)
	require.NoError(b.T, err)
	return got
}

// Try is Do for use in goroutines, and where the request may fail.
func (b *Browser) Try(ctx context.Context, method, path string, body io.Reader, header ...string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.Site.App.URL+path, body)
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := b.HTTP.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return Answer{resp, string(text)}, err
}

// Get sends a GET.
func (b *Browser) Get(path string, header ...string) Answer {
	b.T.Helper()
	return b.Do(http.MethodGet, path, nil, header...)
}

// Post sends a form.
func (b *Browser) Post(path string, form url.Values, header ...string) Answer {
	b.T.Helper()
	header = append(header, "Content-Type", "application/x-www-form-urlencoded")
	return b.Do(http.MethodPost, path, strings.NewReader(form.Encode()), header...)
}

// SignIn signs in as Demo by password.
func (b *Browser) SignIn() *Browser {
	b.T.Helper()
	got := b.Post("/login", url.Values{"login": {Demo.Login}, "password": {Demo.Password}})
	require.Equal(b.T, http.StatusSeeOther, got.StatusCode, got.Text)
	return b
}

// SignInByKey signs in as Demo by API key.
func (b *Browser) SignInByKey() *Browser {
	b.T.Helper()
	got := b.Post("/login", url.Values{"api_key": {Demo.APIKey}})
	require.Equal(b.T, http.StatusSeeOther, got.StatusCode, got.Text)
	return b
}

// SignedIn reports whether the site knows the browser's user.
func (b *Browser) SignedIn() bool {
	b.T.Helper()
	return b.Get("/session").StatusCode == http.StatusOK
}

// Cookie is the session cookie as the jar holds it, or nil.
func (b *Browser) Cookie() *http.Cookie {
	u, err := url.Parse(b.Site.App.URL)
	require.NoError(b.T, err)
	for _, c := range b.HTTP.Jar.Cookies(u) {
		if c.Name == "__Host-ecgrid" {
			return c
		}
	}
	return nil
}

// WithCookie returns another browser that holds a copy of the cookie: a thief's,
// or the same user's on a replica.
func (b *Browser) WithCookie(s *Site) *Browser {
	b.T.Helper()
	copied := b.open(s)
	u, err := url.Parse(s.App.URL)
	require.NoError(b.T, err)
	c := b.Cookie()
	require.NotNil(b.T, c, "there is no cookie to copy")
	copied.HTTP.Jar.SetCookies(u, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
	return copied
}

// SessionCookies are the Set-Cookie lines of the session in an answer.
func (a Answer) SessionCookies() []string {
	var lines []string
	for _, line := range a.Header["Set-Cookie"] {
		if strings.HasPrefix(line, "__Host-ecgrid=") {
			lines = append(lines, line)
		}
	}
	return lines
}

// How long what must come is waited for, and how often it is looked for.
const (
	Patience = 10 * time.Second
	Tick     = 5 * time.Millisecond
)

// numbered numbers the routes of During.
var numbered atomic.Int64

// During runs code within a GET of the browser, behind Wrap, and returns the
// answer.
func (b *Browser) During(run http.HandlerFunc, header ...string) Answer {
	b.T.Helper()
	path := fmt.Sprintf("/during/%d", numbered.Add(1))
	b.Site.Mux.HandleFunc(path, run)
	return b.Get(path, header...)
}

// Outbound makes a request to elsewhere within the request in.
func Outbound(t testing.TB, in *http.Request, method, url, body string) *http.Request {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(in.Context(), method, url, reader)
	require.NoError(t, err)
	return req
}
