package ecgridtest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func newMiddleware(t testing.TB, upstream string, insecureCookie bool) *ecgridsession.Middleware {
	t.Helper()
	m, err := ecgridsession.New(ecgridsession.Config{
		Upstream:       upstream,
		Keys:           [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")},
		InsecureCookie: insecureCookie,
		Logger:         slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		assert.NoError(t, m.Close(ctx))
	})
	return m
}

// whoami is an app with one page, which names its user.
func whoami(m *ecgridsession.Middleware) http.Handler {
	return m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, ok := m.Session(r.Context())
		fmt.Fprint(w, ok, " ", session.UserID)
	}))
}

func get(t testing.TB, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

// A failingTB stands in for a test that is expected to fail.
type failingTB struct {
	testing.TB
	message bytes.Buffer
}

func (f *failingTB) Fatalf(format string, args ...any) {
	fmt.Fprintf(&f.message, format, args...)
	panic(f) // a goroutine of its own for runtime.Goexit would hide more than it shows
}

// failure returns the message with which SignIn fails a test.
func failure(t *testing.T, signIn func(testing.TB)) (message string) {
	t.Helper()
	f := &failingTB{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(f) {
			panic(p)
		}
		message = f.message.String()
		require.NotEmpty(t, message, "SignIn must fail the test")
	}()
	signIn(f)
	return ""
}

func TestSignInSignsAClientInAtTheApp(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(alice)
	m := newMiddleware(t, ecgrid.URL, false)
	app := httptest.NewTLSServer(whoami(m))
	t.Cleanup(app.Close)
	for name, cred := range map[string]ecgridsession.Credential{
		"bearer":                 {},
		"bearer without user id": {Token: ecgrid.Issue(alice.ID).Token},
		"API key":                {APIKey: alice.APIKey},
	} {
		t.Run(name, func(t *testing.T) {
			if cred == (ecgridsession.Credential{}) {
				cred = ecgrid.Issue(alice.ID)
			}
			client := &http.Client{Transport: app.Client().Transport}
			require.Equal(t, "false 0", get(t, client, app.URL))
			session := ecgridtest.SignIn(t, m, client, app.URL, cred)
			assert.Equal(t, alice.ID, session.UserID)
			assert.Equal(t, cred.APIKey != "", session.APIKey)
			assert.Equal(t, "true 1042", get(t, client, app.URL+"/any/page"))
		})
	}
}

func TestSignInKeepsTheClientsJar(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(alice)
	m := newMiddleware(t, ecgrid.URL, false)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	app, err := url.Parse("https://app.example")
	require.NoError(t, err)
	jar.SetCookies(app, []*http.Cookie{{Name: "theme", Value: "dark", Path: "/"}})
	client := &http.Client{Jar: jar}
	ecgridtest.SignIn(t, m, client, app.String(), ecgrid.Issue(alice.ID))
	assert.Same(t, jar, client.Jar)
	assert.Len(t, jar.Cookies(app), 2)
}

func TestSignInWorksOverPlainHTTPWithAnInsecureCookie(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(alice)
	m := newMiddleware(t, ecgrid.URL, true)
	app := httptest.NewServer(whoami(m))
	t.Cleanup(app.Close)
	client := &http.Client{}
	ecgridtest.SignIn(t, m, client, app.URL, ecgrid.Issue(alice.ID))
	assert.Equal(t, "true 1042", get(t, client, app.URL))
}

func TestSignInAsAnotherUserReplacesTheFirst(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(alice)
	ecgrid.AddUser(bob)
	m := newMiddleware(t, ecgrid.URL, false)
	app := httptest.NewTLSServer(whoami(m))
	t.Cleanup(app.Close)
	client := &http.Client{Transport: app.Client().Transport}
	ecgridtest.SignIn(t, m, client, app.URL, ecgrid.Issue(alice.ID))
	ecgridtest.SignIn(t, m, client, app.URL, ecgrid.Issue(bob.ID))
	assert.Equal(t, "true 2077", get(t, client, app.URL))
	assert.Eventually(t, func() bool { return ecgrid.LiveTokens(alice.ID) == 0 }, 20*time.Second, time.Millisecond,
		"the session that was there must have ended")
}

func TestSignInFailsTheTestWhereNoClientWouldSendTheSecureCookie(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(alice)
	m := newMiddleware(t, ecgrid.URL, false)
	cred := ecgrid.Issue(alice.ID)
	message := failure(t, func(tb testing.TB) {
		ecgridtest.SignIn(tb, m, &http.Client{}, "http://app.example", cred)
	})
	assert.Contains(t, message, "httptest.NewTLSServer")
	assert.Contains(t, message, "Config.InsecureCookie")
	assert.NotContains(t, message, cred.Token)
}

func TestSignInFailsTheTestWhereTheJarDropsTheCookie(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(alice)
	m := newMiddleware(t, ecgrid.URL, false)
	message := failure(t, func(tb testing.TB) {
		ecgridtest.SignIn(tb, m, &http.Client{Jar: emptyJar{}}, "https://app.example", ecgrid.Issue(alice.ID))
	})
	assert.Contains(t, message, "does not send the cookie")
}

func TestSignInFailsTheTestWhereStartFails(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	m := newMiddleware(t, ecgrid.URL, false)
	const key = "unknown-key-0123456789"
	message := failure(t, func(tb testing.TB) {
		ecgridtest.SignIn(tb, m, &http.Client{}, "https://app.example", ecgridsession.Credential{APIKey: key})
	})
	assert.True(t, strings.HasPrefix(message, "ecgridtest: SignIn: Start: "), message)
	assert.NotContains(t, message, key)
}

func TestSignInFailsTheTestOnAURLThatNamesNoApp(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(alice)
	m := newMiddleware(t, ecgrid.URL, false)
	for _, appURL := range []string{"", "/", "app.example", "127.0.0.1:8080", "ftp://app.example", "https://", "https://a b", "http://[::1"} {
		t.Run(appURL, func(t *testing.T) {
			message := failure(t, func(tb testing.TB) {
				ecgridtest.SignIn(tb, m, &http.Client{}, appURL, ecgrid.Issue(alice.ID))
			})
			assert.Contains(t, message, "is not an absolute http or https URL")
		})
	}
}

// An emptyJar forgets what it is given.
type emptyJar struct{}

func (emptyJar) SetCookies(*url.URL, []*http.Cookie) {}
func (emptyJar) Cookies(*url.URL) []*http.Cookie     { return nil }
