package signin

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// sizes are those around every limit, and some of the rest.
func sizes() []int {
	all := []int{1, 2, 3, 4, 100, site.MaxToken - 1, site.MaxToken}
	for n := 251; n < site.MaxToken; n += 251 {
		all = append(all, n)
	}
	for n := 2900; n < 4200; n += 7 {
		all = append(all, n)
	}
	return all
}

func TestATokenOfAnySizeMakesASession(t *testing.T) {
	// One of base64url, which is kept packed, and one of other characters.
	packed := func(n int) string {
		random := make([]byte, n)
		rand.Read(random)
		return base64.RawURLEncoding.EncodeToString(random)[:n]
	}
	plain := func(n int) string { return strings.Repeat("~", n) }
	for name, token := range map[string]func(int) string{"base64url": packed, "opaque": plain} {
		t.Run(name, func(t *testing.T) {
			s := site.New(t)
			inCookie, inLedger := 0, 0
			for _, n := range sizes() {
				given := ecgridsession.Credential{Token: token(n), UserID: site.Demo.ID}
				w := httptest.NewRecorder()
				_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), given)
				require.NoError(t, err, n)
				pair, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
				require.LessOrEqual(t, len(pair)-1, 4096, "name and value of a token of %d bytes", n)

				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Cookie", pair)
				require.Equal(t, given, credentialFor(t, s.Middleware, r), n)
				rec, ok := s.Cookies().Open(r)
				require.True(t, ok)
				if rec.InLedger {
					inLedger++
				} else {
					inCookie++
				}
			}
			assert.NotZero(t, inCookie)
			assert.NotZero(t, inLedger)
		})
	}
}

// credentialFor is the credential that the handler of a request gets.
func credentialFor(t *testing.T, m *ecgridsession.Middleware, r *http.Request) (c ecgridsession.Credential) {
	t.Helper()
	m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var err error
		c, err = m.Credential(r.Context())
		require.NoError(t, err)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return c
}

func TestATokenOfAnySizeWorksFromSignInToSignOut(t *testing.T) {
	for _, size := range []int{400, 2900, 3100, 4096, 8 << 10, site.MaxToken} {
		s := site.New(t)
		s.Grid.SetTokenSize(size)
		for _, b := range []*site.Browser{s.Browser(), s.HTTP1()} {
			b.SignIn()
			assert.Equal(t, "user demo", b.Get("/").Text, size)
			assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode, size)
			copied := b.WithCookie(s)
			assert.Equal(t, http.StatusSeeOther, b.Post("/logout", nil).StatusCode, size)
			assert.False(t, copied.SignedIn(), size)
			assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID), size)
		}
	}
}

func TestAnAPIKeyOfTheLargestSizeMakesASession(t *testing.T) {
	s := site.New(t)
	user := ecgridtest.User{ID: 4712, Login: "large", Password: "canary-password-large", APIKey: strings.Repeat("K", site.MaxToken)}
	s.Grid.AddUser(user)
	b := s.Browser()
	require.Equal(t, http.StatusSeeOther, b.Post("/login", url.Values{"api_key": {user.APIKey}}).StatusCode)
	assert.Equal(t, "user large", b.Get("/").Text)
	assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode)
}

func TestACredentialOverTheLimitIsRefusedAtSignIn(t *testing.T) {
	s := site.New(t)
	over := strings.Repeat("t", site.MaxToken+1)
	for name, c := range map[string]ecgridsession.Credential{
		"token":         {Token: over, UserID: site.Demo.ID},
		"refresh token": {Token: "t", RefreshToken: over, UserID: site.Demo.ID},
		"API key":       {APIKey: over},
		"a megabyte":    {Token: strings.Repeat("t", 1<<20), UserID: site.Demo.ID},
	} {
		w := httptest.NewRecorder()
		_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), c)
		require.ErrorIs(t, err, ecgridsession.ErrSessionTooLarge, name)
		assert.NotContains(t, err.Error(), "tttt")
		assert.Empty(t, w.Header()["Set-Cookie"], name)
	}
	assert.Empty(t, s.Grid.Calls(""), "ECGrid was not asked")
	assert.Empty(t, s.Events.Of(ecgridsession.SessionStarted))
}

func TestBothTokensOfTheLargestSizeMakeASession(t *testing.T) {
	s := site.New(t)
	given := ecgridsession.Credential{Token: strings.Repeat("t", site.MaxToken), RefreshToken: strings.Repeat("r", site.MaxToken), UserID: site.Demo.ID}
	w := httptest.NewRecorder()
	_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), given)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", site.Sent(site.CookieIn(t, w)))
	assert.Equal(t, given, credentialFor(t, s.Middleware, r))
}

func TestASessionThatFitsNowhereIsRefusedWithoutACookie(t *testing.T) {
	s := site.New(t)
	name := ecgridtest.User{ID: 4713, Login: strings.Repeat("L", 4000), Password: "canary-password-long", APIKey: "canary-key-of-the-long-name-0123"}
	s.Grid.AddUser(name)
	w := httptest.NewRecorder()
	_, err := s.Middleware.Login(w, httptest.NewRequest(http.MethodPost, "/login", nil), name.Login, name.Password)
	require.ErrorIs(t, err, ecgridsession.ErrSessionTooLarge)
	assert.Empty(t, w.Header()["Set-Cookie"])
	require.Eventually(t, func() bool { return s.Grid.LiveTokens(name.ID) == 0 }, 10*time.Second, 5*time.Millisecond,
		"nobody will ever hold the token, so it is revoked")
	got := s.Browser().Post("/login", url.Values{"login": {name.Login}, "password": {name.Password}})
	assert.Equal(t, http.StatusBadRequest, got.StatusCode)
	assert.Empty(t, got.SessionCookies())
}

func TestATokenFromLoginThatIsOverTheLimitIsTooLarge(t *testing.T) {
	s := site.New(t)
	s.Grid.SetTokenSize(17 << 10)
	w := httptest.NewRecorder()
	_, err := s.Middleware.Login(w, httptest.NewRequest(http.MethodPost, "/login", nil), site.Demo.Login, site.Demo.Password)
	require.ErrorIs(t, err, ecgridsession.ErrSessionTooLarge)
	assert.Empty(t, w.Header()["Set-Cookie"])
}
