package signout

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// lapsed is a session whose token has expired at ECGrid while its refresh token lives.
type lapsed struct {
	*site.Site
	visitor *site.Visitor
	given   ecgridsession.Credential
	noted   bool // the library knows that the token has expired
}

// eachLapsed runs a property in a bubble for a token whose expiry the library knows, and for one that dies before it.
func eachLapsed(t *testing.T, property func(t *testing.T, s *lapsed)) {
	t.Helper()
	for name, noted := range map[string]time.Duration{"expired": 0, "expired before its time": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &lapsed{Site: site.New(t, site.InProcess()), visitor: &site.Visitor{}, noted: noted == 0}
				s.Grid.SetRefreshTokens(true)
				s.Grid.SetTokenTTL(15 * time.Minute)
				s.given = s.Grid.Issue(site.Demo.ID)
				started := s.given
				started.ExpiresAt = started.ExpiresAt.Add(noted)
				w := httptest.NewRecorder()
				_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), started)
				require.NoError(t, err)
				s.visitor.Cookie = w.Result().Cookies()[0].Value
				time.Sleep(20 * time.Minute)
				require.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
				property(t, s)
			})
		})
	}
}

// refreshTokenLives asks ECGrid whether the refresh token can still be exchanged.
func (s *lapsed) refreshTokenLives() bool {
	s.T.Helper()
	req, err := http.NewRequest(http.MethodPost, s.Grid.URL+site.RefreshCall, strings.NewReader(`{"refreshToken":"`+s.given.RefreshToken+`"}`))
	require.NoError(s.T, err)
	resp, err := site.HandlerTransport{Handler: s.Grid.API}.RoundTrip(req)
	require.NoError(s.T, err)
	io.Copy(io.Discard, resp.Body)
	require.NoError(s.T, resp.Body.Close())
	return resp.StatusCode == http.StatusOK
}

func (s *lapsed) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, s.Middleware.Close(ctx))
}

func TestSigningOutEndsTheRefreshTokenOfAnExpiredToken(t *testing.T) {
	eachLapsed(t, func(t *testing.T, s *lapsed) {
		s.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 4 * time.Second})
		s.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 1, Delay: time.Second})
		began := time.Now()
		assert.Equal(t, http.StatusSeeOther, s.visitor.Post(s.Site, "/logout").StatusCode)
		if s.noted {
			assert.Zero(t, time.Since(began), "the user does not wait")
		}
		require.Len(t, s.Events.Of(ecgridsession.LoggedOut), 1)
		assert.Equal(t, ecgridsession.LogoutPending, s.Events.Of(ecgridsession.LoggedOut)[0].Outcome)
		s.close(t)
		require.Len(t, s.Events.Of(ecgridsession.RevocationDone), 1)
		assert.Equal(t, ecgridsession.LogoutConfirmed, s.Events.Of(ecgridsession.RevocationDone)[0].Outcome)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID), "what the refresh brought is ended")
		assert.False(t, s.refreshTokenLives())
	})
}

func TestTheRefreshTokenIsEndedAfterAnOutage(t *testing.T) {
	eachLapsed(t, func(t *testing.T, s *lapsed) {
		s.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Times: 2, Reset: true})
		assert.Equal(t, http.StatusSeeOther, s.visitor.Post(s.Site, "/logout").StatusCode)
		time.Sleep(time.Hour)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		assert.False(t, s.refreshTokenLives())
	})
}

// The refresh token works once: a logout that fails after it is repeated with what the refresh brought.
func TestTheRefreshedTokenIsEndedThoughItsLogoutFailsAtFirst(t *testing.T) {
	eachLapsed(t, func(t *testing.T, s *lapsed) {
		// The logout within the request is the first for a token that is thought to live.
		assert.Equal(t, http.StatusSeeOther, s.visitor.Post(s.Site, "/logout").StatusCode)
		s.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 2, Status: http.StatusServiceUnavailable})
		time.Sleep(14 * time.Minute)
		assert.Len(t, s.Grid.Calls(site.RefreshCall), 1)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		require.Len(t, s.Events.Of(ecgridsession.RevocationDone), 1)
	})
}

func TestARefreshTokenThatIsDeadAlreadyIsNoFailure(t *testing.T) {
	eachLapsed(t, func(t *testing.T, s *lapsed) {
		require.True(t, s.refreshTokenLives()) // and is used up by it
		before := s.Grid.LiveTokens(site.Demo.ID)
		assert.Equal(t, http.StatusSeeOther, s.visitor.Post(s.Site, "/logout").StatusCode)
		s.close(t)
		require.Len(t, s.Events.Of(ecgridsession.RevocationDone), 1)
		assert.Equal(t, ecgridsession.LogoutAlreadyInvalid, s.Events.Of(ecgridsession.RevocationDone)[0].Outcome)
		assert.Equal(t, before, s.Grid.LiveTokens(site.Demo.ID), "the token of another session lives on")
	})
}

func TestASignInEndsTheRefreshTokenOfTheSessionBefore(t *testing.T) {
	eachLapsed(t, func(t *testing.T, s *lapsed) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/login", nil)
		r.Header.Set("Cookie", site.Sent(s.visitor.Cookie))
		_, err := s.Middleware.Start(w, r, s.Grid.Issue(site.Demo.ID))
		require.NoError(t, err)
		s.close(t)
		assert.Equal(t, 1, s.Grid.LiveTokens(site.Demo.ID), "the new one")
		assert.False(t, s.refreshTokenLives())
	})
}
