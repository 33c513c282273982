package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serveApp starts the site with the fake, without the program around it.
func serveApp(t *testing.T) (*app, *browser) {
	t.Helper()
	opts, err := parseOptions(nil, environment(""), io.Discard)
	require.NoError(t, err)
	a, err := newApp(opts, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	server := httptest.NewServer(a.handler())
	t.Cleanup(func() {
		a.endStreams()
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, a.close(ctx))
	})
	return a, newBrowser(t, server.URL)
}

// browser is a client with a cookie jar that says of itself what curl says:
// nothing. It does not follow redirects.
type browser struct {
	t    *testing.T
	url  string
	http *http.Client
}

func newBrowser(t *testing.T, url string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, url: url, http: &http.Client{
		Jar:           jar,
		Transport:     transport,
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil)
}

func (b *browser) post(path string, form url.Values) answer {
	b.t.Helper()
	return b.do(http.MethodPost, path, form)
}

func (b *browser) do(method, path string, form url.Values) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.http.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// signIn signs in as demo with the form's fields.
func (b *browser) signIn() *browser {
	b.t.Helper()
	got := b.post("/login", url.Values{"login": {demo.Login}, "password": {demo.Password}})
	require.Equal(b.t, http.StatusSeeOther, got.status, got.body)
	return b
}

// signInByKey signs in as demo with the API key.
func (b *browser) signInByKey() *browser {
	b.t.Helper()
	got := b.post("/login", url.Values{"api_key": {demo.APIKey}})
	require.Equal(b.t, http.StatusSeeOther, got.status, got.body)
	return b
}

// cookies are those that the browser sends to the site.
func (b *browser) cookies() []*http.Cookie {
	b.t.Helper()
	site, err := url.Parse(b.url)
	require.NoError(b.t, err)
	return b.http.Jar.Cookies(site)
}

// thief is another browser with a copy of the session cookie.
func (b *browser) thief() *browser {
	b.t.Helper()
	copied := newBrowser(b.t, b.url)
	site, err := url.Parse(b.url)
	require.NoError(b.t, err)
	cookies := b.cookies()
	require.Len(b.t, cookies, 1)
	copied.http.Jar.SetCookies(site, cookies)
	return copied
}
