package tests

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
)

const maxToken = 16 << 10

// sizes are those around every limit, and some of the rest.
func sizes() []int {
	all := []int{1, 2, 3, 4, 100, maxToken - 1, maxToken}
	for n := 251; n < maxToken; n += 251 {
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
			s := newSite(t)
			inCookie, inLedger := 0, 0
			for _, n := range sizes() {
				given := ecgridsession.Credential{Token: token(n), UserID: demo.ID}
				w := httptest.NewRecorder()
				_, err := s.m.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), given)
				require.NoError(t, err, n)
				pair, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
				require.LessOrEqual(t, len(pair)-1, 4096, "name and value of a token of %d bytes", n)

				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Cookie", pair)
				require.Equal(t, given, credentialFor(t, s.m, r), n)
				rec, ok := openCookie(s.m, r)
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
	for _, size := range []int{400, 2900, 3100, 4096, 8 << 10, maxToken} {
		s := newSite(t)
		s.grid.SetTokenSize(size)
		for _, b := range []*browser{s.browser(), s.http1()} {
			b.signIn()
			assert.Equal(t, "user demo", b.get("/").body, size)
			assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode, size)
			copied := b.withCookie(s)
			assert.Equal(t, http.StatusSeeOther, b.post("/logout", nil).StatusCode, size)
			assert.False(t, copied.signedIn(), size)
			assert.Zero(t, s.grid.LiveTokens(demo.ID), size)
		}
	}
}

func TestAnAPIKeyOfTheLargestSizeMakesASession(t *testing.T) {
	s := newSite(t)
	user := ecgridtest.User{ID: 4712, Login: "large", Password: "canary-password-large", APIKey: strings.Repeat("K", maxToken)}
	s.grid.AddUser(user)
	b := s.browser()
	require.Equal(t, http.StatusSeeOther, b.post("/login", url.Values{"api_key": {user.APIKey}}).StatusCode)
	assert.Equal(t, "user large", b.get("/").body)
	assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)
}

func TestACredentialOverTheLimitIsRefusedAtSignIn(t *testing.T) {
	s := newSite(t)
	over := strings.Repeat("t", maxToken+1)
	for name, c := range map[string]ecgridsession.Credential{
		"token":         {Token: over, UserID: demo.ID},
		"refresh token": {Token: "t", RefreshToken: over, UserID: demo.ID},
		"API key":       {APIKey: over},
		"a megabyte":    {Token: strings.Repeat("t", 1<<20), UserID: demo.ID},
	} {
		w := httptest.NewRecorder()
		_, err := s.m.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), c)
		require.ErrorIs(t, err, ecgridsession.ErrSessionTooLarge, name)
		assert.NotContains(t, err.Error(), "tttt")
		assert.Empty(t, w.Header()["Set-Cookie"], name)
	}
	assert.Empty(t, s.grid.Calls(""), "ECGrid was not asked")
	assert.Empty(t, s.events.of(ecgridsession.SessionStarted))
}

func TestBothTokensOfTheLargestSizeMakeASession(t *testing.T) {
	s := newSite(t)
	given := ecgridsession.Credential{Token: strings.Repeat("t", maxToken), RefreshToken: strings.Repeat("r", maxToken), UserID: demo.ID}
	w := httptest.NewRecorder()
	_, err := s.m.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), given)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", sent(cookieIn(t, w)))
	assert.Equal(t, given, credentialFor(t, s.m, r))
}

func TestASessionThatFitsNowhereIsRefusedWithoutACookie(t *testing.T) {
	s := newSite(t)
	name := ecgridtest.User{ID: 4713, Login: strings.Repeat("L", 4000), Password: "canary-password-long", APIKey: "canary-key-of-the-long-name-0123"}
	s.grid.AddUser(name)
	w := httptest.NewRecorder()
	_, err := s.m.Login(w, httptest.NewRequest(http.MethodPost, "/login", nil), name.Login, name.Password)
	require.ErrorIs(t, err, ecgridsession.ErrSessionTooLarge)
	assert.Empty(t, w.Header()["Set-Cookie"])
	require.Eventually(t, func() bool { return s.grid.LiveTokens(name.ID) == 0 }, 10*time.Second, 5*time.Millisecond,
		"nobody will ever hold the token, so it is revoked")
	got := s.browser().post("/login", url.Values{"login": {name.Login}, "password": {name.Password}})
	assert.Equal(t, http.StatusBadRequest, got.StatusCode)
	assert.Empty(t, got.sessionCookies())
}

func TestATokenFromLoginThatIsOverTheLimitIsTooLarge(t *testing.T) {
	s := newSite(t)
	s.grid.SetTokenSize(17 << 10)
	w := httptest.NewRecorder()
	_, err := s.m.Login(w, httptest.NewRequest(http.MethodPost, "/login", nil), demo.Login, demo.Password)
	require.ErrorIs(t, err, ecgridsession.ErrSessionTooLarge)
	assert.Empty(t, w.Header()["Set-Cookie"])
}
