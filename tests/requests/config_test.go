package requests

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestSignInsDoNotGoThroughTheAppsDefaultTransport(t *testing.T) {
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	// An app may have put anything there, such as one that logs headers.
	http.DefaultTransport = site.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		t.Errorf("a call to %s went through it", r.URL.Path)
		return nil, site.ErrBackend
	})
	s := site.New(t)
	s.Browser().SignIn()
	assert.Len(t, s.Grid.Calls("/v2/auth/login"), 1)
}

// TestTheDefaultTimeoutsHold has an ECGrid that never answers.
func TestTheDefaultTimeoutsHold(t *testing.T) {
	hangs := site.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	for name, c := range map[string]struct {
		change func(*ecgridsession.Config)
		login  time.Duration
		logout time.Duration
	}{
		"default": {func(*ecgridsession.Config) {}, 5 * time.Second, 3 * time.Second},
		"given": {func(c *ecgridsession.Config) {
			c.AuthTimeout, c.LogoutTimeout = time.Second, 500*time.Millisecond
		}, time.Second, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := site.New(t, site.InProcess(), site.With(func(cfg *ecgridsession.Config) {
					cfg.BaseTransport = hangs
					c.change(cfg)
				}))
				b.Grid.SetTokenTTL(24 * time.Hour)
				began := time.Now()
				_, err := b.Middleware.Login(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil), site.Demo.Login, site.Demo.Password)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, c.login, time.Since(began))

				w := httptest.NewRecorder()
				_, err = b.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), b.Grid.Issue(site.Demo.ID))
				require.NoError(t, err)
				r := httptest.NewRequest(http.MethodPost, "/logout", nil)
				r.Header.Set("Cookie", site.Sent(site.CookieIn(t, w)))
				began = time.Now()
				outcome, err := b.Middleware.Logout(httptest.NewRecorder(), r)
				require.NoError(t, err)
				assert.Equal(t, ecgridsession.LogoutPending, outcome)
				assert.Equal(t, c.logout, time.Since(began))
				over, cancel := context.WithCancel(t.Context())
				cancel()
				require.ErrorIs(t, b.Middleware.Close(over), context.Canceled)
			})
		})
	}
}

func TestNewNamesEachFaultOfAConfig(t *testing.T) {
	good := site.NewKey(t)
	sample, err := base64.StdEncoding.DecodeString(seal.SampleKeyBase64)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*ecgridsession.Config)
		words  string
	}{
		"no keys":               {func(c *ecgridsession.Config) { c.Keys = nil }, "Keys: there are no keys"},
		"31 bytes":              {func(c *ecgridsession.Config) { c.Keys = [][]byte{good, good[:31]} }, "Keys: keys[1] is 31 bytes long, not 32"},
		"33 bytes":              {func(c *ecgridsession.Config) { c.Keys = [][]byte{append(good[:32:32], 1)} }, "Keys: keys[0] is 33 bytes long, not 32"},
		"empty key":             {func(c *ecgridsession.Config) { c.Keys = [][]byte{{}} }, "Keys: keys[0] is 0 bytes long, not 32"},
		"base64 of a key":       {func(c *ecgridsession.Config) { c.Keys = [][]byte{[]byte(strings.Repeat("QUJD", 11))} }, "is it still in base64?"},
		"hex of a key":          {func(c *ecgridsession.Config) { c.Keys = [][]byte{[]byte(strings.Repeat("0123abcd", 8))} }, "is it still in hex?"},
		"all zero":              {func(c *ecgridsession.Config) { c.Keys = [][]byte{make([]byte, 32)} }, "Keys: keys[0] is one byte repeated"},
		"the README's":          {func(c *ecgridsession.Config) { c.Keys = [][]byte{good, sample} }, "Keys: keys[1] is the sample from the README"},
		"the same twice":        {func(c *ecgridsession.Config) { c.Keys = [][]byte{good, good} }, "Keys: keys[1] is the same as keys[0]"},
		"upstream":              {func(c *ecgridsession.Config) { c.Upstream = "http://rest.ecgrid.io" }, "Upstream: must be https"},
		"no __Host-":            {func(c *ecgridsession.Config) { c.CookieName = "ecgrid" }, `CookieName: must begin with "__Host-"`},
		"__Secure-":             {func(c *ecgridsession.Config) { c.CookieName = "__Secure-ecgrid" }, `CookieName: must begin with "__Host-"`},
		"__host-":               {func(c *ecgridsession.Config) { c.CookieName = "__host-ecgrid" }, `CookieName: must begin with "__Host-"`},
		"space in the name":     {func(c *ecgridsession.Config) { c.CookieName = "__Host-a b" }, "CookieName: is not a cookie name"},
		"semicolon in the name": {func(c *ecgridsession.Config) { c.CookieName = "__Host-a;b" }, "CookieName: is not a cookie name"},
		"CR LF in the name":     {func(c *ecgridsession.Config) { c.CookieName = "__Host-a\r\nX: y" }, "CookieName: is not a cookie name"},
		"equals in the name":    {func(c *ecgridsession.Config) { c.CookieName = "__Host-a=b" }, "CookieName: is not a cookie name"},
		"insecure __Host-": {func(c *ecgridsession.Config) {
			c.InsecureCookie, c.CookieName = true, "__HOST-ecgrid"
		}, "CookieName: has a prefix that browsers refuse without Secure"},
		"insecure __Secure-": {func(c *ecgridsession.Config) {
			c.InsecureCookie, c.CookieName = true, "__secure-ecgrid"
		}, "CookieName: has a prefix that browsers refuse without Secure"},
		"SameSite=None":                {func(c *ecgridsession.Config) { c.SameSite = http.SameSiteNoneMode }, "SameSite: must be Lax or Strict"},
		"SameSite left out":            {func(c *ecgridsession.Config) { c.SameSite = http.SameSiteDefaultMode }, "SameSite: must be Lax or Strict"},
		"SameSite unheard of":          {func(c *ecgridsession.Config) { c.SameSite = 99 }, "SameSite: must be Lax or Strict"},
		"negative IdleTimeout":         {func(c *ecgridsession.Config) { c.IdleTimeout = -1 }, "IdleTimeout: must not be negative"},
		"negative Lifetime":            {func(c *ecgridsession.Config) { c.Lifetime = -1 }, "Lifetime: must not be negative"},
		"negative RefreshBefore":       {func(c *ecgridsession.Config) { c.RefreshBefore = -1 }, "RefreshBefore: must not be negative"},
		"negative AuthTimeout":         {func(c *ecgridsession.Config) { c.AuthTimeout = -1 }, "AuthTimeout: must not be negative"},
		"negative LogoutTimeout":       {func(c *ecgridsession.Config) { c.LogoutTimeout = -1 }, "LogoutTimeout: must not be negative"},
		"IdleTimeout in nanoseconds":   {func(c *ecgridsession.Config) { c.IdleTimeout = 30 * 60 * 1000 }, "IdleTimeout: 1.8ms is less than 1s"},
		"Lifetime in nanoseconds":      {func(c *ecgridsession.Config) { c.Lifetime = 8 }, "Lifetime: 8ns is less than 1s: a number without a unit counts nanoseconds"},
		"RefreshBefore in nanoseconds": {func(c *ecgridsession.Config) { c.RefreshBefore = 120 }, "RefreshBefore: 120ns is less than 1ms"},
		"AuthTimeout in nanoseconds":   {func(c *ecgridsession.Config) { c.AuthTimeout = 5 }, "AuthTimeout: 5ns is less than 1ms"},
		"LogoutTimeout in nanoseconds": {func(c *ecgridsession.Config) { c.LogoutTimeout = 3 }, "LogoutTimeout: 3ns is less than 1ms"},
		"LedgerTimeout in nanoseconds": {func(c *ecgridsession.Config) { c.LedgerTimeout = 200 }, "LedgerTimeout: 200ns is less than 1ms"},
		"negative LedgerTimeout":       {func(c *ecgridsession.Config) { c.LedgerTimeout = -1 }, "LedgerTimeout: must not be negative"},
		"endless Lifetime":             {func(c *ecgridsession.Config) { c.Lifetime = math.MaxInt64 }, "Lifetime: must not be over"},
		"endless IdleTimeout":          {func(c *ecgridsession.Config) { c.IdleTimeout = math.MaxInt64 }, "IdleTimeout: must not be over"},
		"LoginURL elsewhere":           {func(c *ecgridsession.Config) { c.LoginURL = "https://evil.example/" }, "LoginURL: must be a path on this site"},
		"LogoutURL elsewhere":          {func(c *ecgridsession.Config) { c.LogoutURL = "//evil.example" }, "LogoutURL: must be a path on this site"},
		"AfterLogin elsewhere":         {func(c *ecgridsession.Config) { c.AfterLogin = `/\evil.example` }, "AfterLogin: must be a path on this site"},
		"AfterLogout elsewhere":        {func(c *ecgridsession.Config) { c.AfterLogout = "javascript:alert(1)" }, "AfterLogout: must be a path on this site"},
		"CR LF in AfterLogout":         {func(c *ecgridsession.Config) { c.AfterLogout = "/\r\nSet-Cookie: a=b" }, "AfterLogout: must be a path on this site"},
		"LoginField password":          {func(c *ecgridsession.Config) { c.LoginField = "password" }, "LoginField: must be the name"},
		"LoginField blank":             {func(c *ecgridsession.Config) { c.LoginField = " " }, "LoginField: must be the name"},
		"trusted path":                 {func(c *ecgridsession.Config) { c.TrustedOrigins = []string{"https://a.example/x"} }, "TrustedOrigins: "},
		"trusted host alone":           {func(c *ecgridsession.Config) { c.TrustedOrigins = []string{"a.example"} }, "TrustedOrigins: "},
		"everything trusted":           {func(c *ecgridsession.Config) { c.TrustedOrigins = []string{"*"} }, "TrustedOrigins: "},
	} {
		cfg := ecgridsession.Config{Keys: [][]byte{good}}
		c.change(&cfg)
		m, err := ecgridsession.New(cfg)
		require.Error(t, err, name)
		assert.Nil(t, m, name)
		assert.ErrorContains(t, err, "ecgridsession: Config.", name)
		assert.ErrorContains(t, err, c.words, name)
		assert.Len(t, allOf(err), 1, name)
		for _, key := range cfg.Keys {
			if len(key) >= 31 {
				site.ShowsNothingOf(t, err.Error(), key[16:]) // the sample begins with the name of the package
			}
		}
	}
}

// allOf are the errors that errors.Join put together.
func allOf(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func TestNewNamesAllFaultsOfAConfigAtOnce(t *testing.T) {
	_, err := ecgridsession.New(ecgridsession.Config{
		Keys:           [][]byte{make([]byte, 32), []byte("canary-short-key")},
		Upstream:       "ftp://rest.ecgrid.io",
		CookieName:     "ecgrid",
		SameSite:       http.SameSiteNoneMode,
		IdleTimeout:    -1,
		Lifetime:       -1,
		RefreshBefore:  -1,
		AuthTimeout:    -1,
		LogoutTimeout:  -1,
		LedgerTimeout:  -1,
		LoginURL:       "login",
		LogoutURL:      "logout",
		AfterLogin:     "//e",
		AfterLogout:    "https://e",
		LoginField:     "password",
		TrustedOrigins: []string{"a.example", "https://good.example", "https://b.example/"},
	})
	require.Error(t, err)
	var fields []string
	for _, fault := range allOf(err) {
		field, found := strings.CutPrefix(fault.Error(), "ecgridsession: Config.")
		require.True(t, found, fault)
		field, _, _ = strings.Cut(field, ":")
		fields = append(fields, field)
	}
	assert.Equal(t, []string{
		"Upstream", "Keys", "Keys", "CookieName", "SameSite", "IdleTimeout", "Lifetime", "RefreshBefore",
		"AuthTimeout", "LogoutTimeout", "LedgerTimeout", "LoginURL", "LogoutURL", "AfterLogin", "AfterLogout",
		"LoginField", "TrustedOrigins", "TrustedOrigins",
	}, fields)
	site.ShowsNothingOf(t, err.Error(), []byte("canary-short-key"))
	assert.False(t, errors.Is(err, ecgridsession.ErrNoSession))
}

func TestAConfigIsCopied(t *testing.T) {
	s := site.New(t)
	key := append([]byte(nil), s.Key...)
	origins := []string{"https://partner.example"}
	cfg := ecgridsession.Config{Upstream: s.Grid.URL, Keys: [][]byte{key}, TrustedOrigins: origins}
	m := site.NewMiddleware(t, cfg)
	clear(key)
	cfg.Keys[0], origins[0] = nil, "https://evil.example"
	cookie := s.CookieOf("bearer")
	r := httptest.NewRequest(http.MethodPost, "https://app.example/logout", nil)
	r.Header.Set("Cookie", site.Sent(cookie))
	require.True(t, site.Knows(m, r), "the key that New was given")
	r.Header.Set("Origin", "https://partner.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	m.LogoutHandler().ServeHTTP(w, r)
	assert.Equal(t, http.StatusSeeOther, w.Code)
	r.Header.Set("Origin", "https://evil.example")
	w = httptest.NewRecorder()
	m.LogoutHandler().ServeHTTP(w, r)
	assert.Equal(t, http.StatusForbidden, w.Code)
}
