package ecgridtest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoginAnswersWithATokenThatWorks(t *testing.T) {
	api := newAPI(alice)
	got := login(t, api, alice)
	assert.True(t, works(api, bearer(got.Token)))
}

func TestLoginAnswersWithTheUserAndTheExpiryInUTC(t *testing.T) {
	api := newAPI(alice, bob)
	api.SetTokenTTL(time.Hour)
	got := login(t, api, alice)
	assert.Equal(t, alice.ID, got.UserID)
	assert.True(t, strings.HasSuffix(got.ExpiresAt, "Z"), got.ExpiresAt)
	expires, err := time.Parse(time.RFC3339, got.ExpiresAt)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(time.Hour), expires, 30*time.Second)
}

func TestLoginHasNoRefreshTokenByDefault(t *testing.T) {
	api := newAPI(alice)
	body := object(t, map[string]any{"login": alice.Login, "password": alice.Password})
	got := call(t, api, http.MethodPost, loginPath, nil, body)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(got.Data, &fields))
	assert.NotContains(t, fields, "refreshToken")
	assert.Len(t, fields, 3)
}

func TestLoginTakesTheLoginAsEmail(t *testing.T) {
	api := newAPI(alice)
	body := object(t, map[string]any{"email": alice.Login, "password": alice.Password})
	got := call(t, api, http.MethodPost, loginPath, nil, body).issued(t)
	assert.Equal(t, alice.ID, got.UserID)
}

func TestLoginIsRefused(t *testing.T) {
	keyOnly := bob
	keyOnly.Login, keyOnly.Password, keyOnly.APIKey = "", "", "key-of-bob"
	noPassword := bob
	noPassword.ID, noPassword.Login, noPassword.Password = 3, "carol", ""
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"wrong password":         {`{"login":"alice@example.com","password":"wrong"}`, 401, "InvalidSession"},
		"unknown login":          {`{"login":"mallory","password":"correct horse"}`, 401, "InvalidSession"},
		"another case":           {`{"login":"Alice@example.com","password":"correct horse"}`, 401, "InvalidSession"},
		"user without password":  {`{"login":"carol","password":""}`, 400, "InvalidParameter"},
		"no login":               {`{"password":"correct horse"}`, 400, "InvalidParameter"},
		"login and email":        {`{"login":"alice@example.com","email":"alice@example.com","password":"correct horse"}`, 400, "InvalidParameter"},
		"login and email halved": {`{"login":"alice","email":"@example.com","password":"correct horse"}`, 400, "InvalidParameter"},
		"no password":            {`{"login":"alice@example.com"}`, 400, "InvalidParameter"},
		"wrong type":             {`{"login":7,"password":"correct horse"}`, 400, "InvalidParameter"},
		"no body":                {``, 400, "InvalidParameter"},
		"null":                   {`null`, 400, "InvalidParameter"},
		"an array":               {`[]`, 400, "InvalidParameter"},
		"not JSON":               {`login=alice`, 400, "InvalidParameter"},
		"something after it":     {`{"login":"alice@example.com","password":"correct horse"}{}`, 400, "InvalidParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(alice, keyOnly, noPassword)
			got := call(t, api, http.MethodPost, loginPath, nil, c.body)
			assert.Equal(t, c.status, got.Status)
			assert.Equal(t, c.code, got.code())
			assert.Equal(t, "null", string(got.Data))
			assert.Zero(t, api.LiveTokens(alice.ID))
		})
	}
}

func TestEveryLoginGivesAnotherToken(t *testing.T) {
	api := newAPI(alice)
	first, second := login(t, api, alice), login(t, api, alice)
	assert.NotEqual(t, first.Token, second.Token)
	assert.True(t, works(api, bearer(first.Token)), "a login must not end an earlier session")
}

func TestATokenIsDeadAfterItsRefresh(t *testing.T) {
	api := newAPI(alice)
	old := login(t, api, alice)
	call(t, api, http.MethodPost, refreshPath, nil, refreshBody(t, old.Token)).issued(t)
	got := call(t, api, http.MethodPost, sessionPath, bearer(old.Token), "")
	assert.Equal(t, http.StatusUnauthorized, got.Status)
	assert.Equal(t, "InvalidSession", got.code())
}

func TestARefreshGivesATokenThatWorks(t *testing.T) {
	api := newAPI(alice, bob)
	old := login(t, api, alice)
	got := call(t, api, http.MethodPost, refreshPath, nil, refreshBody(t, old.Token)).issued(t)
	assert.Equal(t, alice.ID, got.UserID)
	assert.True(t, works(api, bearer(got.Token)))
}

func TestARefreshedTokenHasAFullLife(t *testing.T) {
	api := newAPI(alice)
	api.SetTokenTTL(time.Minute)
	old := login(t, api, alice)
	api.SetTokenTTL(2 * time.Hour)
	got := call(t, api, http.MethodPost, refreshPath, nil, refreshBody(t, old.Token)).issued(t)
	expires, err := time.Parse(time.RFC3339, got.ExpiresAt)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), expires, 30*time.Second)
}

func TestARefreshNeedsNoHeaderAndLooksAtNone(t *testing.T) {
	api := newAPI(alice)
	old := login(t, api, alice)
	got := call(t, api, http.MethodPost, refreshPath, bearer("not a token"), refreshBody(t, old.Token))
	assert.Equal(t, http.StatusOK, got.Status)
}

func TestARefreshIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body   func(token, refreshToken string) map[string]any
		status int
		code   string
	}{
		"unknown token":         {func(_, _ string) map[string]any { return map[string]any{"token": "eyJ.eyJ.x"} }, 401, "InvalidSession"},
		"API key as token":      {func(_, _ string) map[string]any { return map[string]any{"token": alice.APIKey} }, 401, "InvalidSession"},
		"unknown refresh token": {func(_, _ string) map[string]any { return map[string]any{"refreshToken": "x"} }, 401, "InvalidSession"},
		"token as refreshToken": {func(token, _ string) map[string]any { return map[string]any{"refreshToken": token} }, 401, "InvalidSession"},
		"refreshToken as token": {func(_, r string) map[string]any { return map[string]any{"token": r} }, 401, "InvalidSession"},
		"both":                  {func(token, r string) map[string]any { return map[string]any{"token": token, "refreshToken": r} }, 400, "InvalidParameter"},
		"neither":               {func(_, _ string) map[string]any { return map[string]any{} }, 400, "InvalidParameter"},
		"wrong type":            {func(_, _ string) map[string]any { return map[string]any{"token": 1} }, 400, "InvalidParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(alice)
			api.SetRefreshTokens(true)
			in := login(t, api, alice)
			got := call(t, api, http.MethodPost, refreshPath, nil, object(t, c.body(in.Token, in.RefreshToken)))
			assert.Equal(t, c.status, got.Status)
			assert.Equal(t, c.code, got.code())
			assert.True(t, works(api, bearer(in.Token)), "a refused refresh must end nothing")
		})
	}
}

func TestOfManyRefreshesOfOneTokenExactlyOneSucceeds(t *testing.T) {
	api := newAPI(alice)
	body := refreshBody(t, login(t, api, alice).Token)
	api.SetTokenSize(1 << 20) // takes its time to sign, so that the calls meet
	var succeeded atomic.Int32
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 50 {
		wg.Go(func() {
			<-start
			if status(api, http.MethodPost, refreshPath, nil, body) == http.StatusOK {
				succeeded.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	assert.EqualValues(t, 1, succeeded.Load())
	assert.Equal(t, 1, api.LiveTokens(alice.ID))
}

func TestARefreshTokenIsAnsweredWhereItIsSwitchedOn(t *testing.T) {
	api := newAPI(alice)
	api.SetRefreshTokens(true)
	assert.NotEmpty(t, login(t, api, alice).RefreshToken)
	assert.NotEmpty(t, api.Issue(alice.ID).RefreshToken)
}

func TestARefreshTokenWorksOnce(t *testing.T) {
	api := newAPI(alice)
	api.SetRefreshTokens(true)
	body := object(t, map[string]any{"refreshToken": login(t, api, alice).RefreshToken})
	got := call(t, api, http.MethodPost, refreshPath, nil, body).issued(t)
	assert.True(t, works(api, bearer(got.Token)))
	assert.Equal(t, http.StatusUnauthorized, status(api, http.MethodPost, refreshPath, nil, body))
}

func TestARefreshTokenEndsTheTokenThatItCameWith(t *testing.T) {
	api := newAPI(alice)
	api.SetRefreshTokens(true)
	old := login(t, api, alice)
	call(t, api, http.MethodPost, refreshPath, nil, object(t, map[string]any{"refreshToken": old.RefreshToken})).issued(t)
	assert.False(t, works(api, bearer(old.Token)))
}

func TestARefreshTokenIsDeadOnceItsSessionHasEnded(t *testing.T) {
	api := newAPI(alice, bob)
	api.SetRefreshTokens(true)
	for name, end := range map[string]func(issued) int{
		"logout": func(i issued) int {
			return status(api, http.MethodPost, logoutPath, bearer(i.Token), "")
		},
		"refresh with the token": func(i issued) int {
			return status(api, http.MethodPost, refreshPath, nil, refreshBody(t, i.Token))
		},
		"reset": func(issued) int {
			return status(api, http.MethodPost, "/v2/users/reset/1042", bearer(api.Issue(bob.ID).Token), "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := login(t, api, alice)
			require.Equal(t, http.StatusOK, end(in))
			body := object(t, map[string]any{"refreshToken": in.RefreshToken})
			assert.Equal(t, http.StatusUnauthorized, status(api, http.MethodPost, refreshPath, nil, body))
		})
	}
}

func TestARefreshTokenOutlivesItsToken(t *testing.T) {
	api := newAPI(alice)
	api.SetRefreshTokens(true)
	api.SetTokenTTL(-time.Second)
	in := login(t, api, alice)
	body := object(t, map[string]any{"refreshToken": in.RefreshToken})
	assert.Equal(t, http.StatusOK, status(api, http.MethodPost, refreshPath, nil, body))
}

func TestATokenIsDeadAfterLogout(t *testing.T) {
	api := newAPI(alice)
	token := login(t, api, alice).Token
	require.Equal(t, http.StatusOK, status(api, http.MethodPost, logoutPath, bearer(token), ""))
	for path, method := range map[string]string{
		sessionPath: http.MethodPost, logoutPath: http.MethodPost, inboxPath: http.MethodPost, passwordPath: http.MethodPut,
	} {
		t.Run(path, func(t *testing.T) {
			got := call(t, api, method, path, bearer(token), "{}")
			assert.Equal(t, http.StatusUnauthorized, got.Status)
			assert.Equal(t, "InvalidSession", got.code())
		})
	}
}

func TestATokenCannotBeRefreshedAfterLogout(t *testing.T) {
	api := newAPI(alice)
	token := login(t, api, alice).Token
	require.Equal(t, http.StatusOK, status(api, http.MethodPost, logoutPath, bearer(token), ""))
	assert.Equal(t, http.StatusUnauthorized, status(api, http.MethodPost, refreshPath, nil, refreshBody(t, token)))
}

func TestLogoutSaysThatTheSessionIsTerminated(t *testing.T) {
	api := newAPI(alice)
	got := call(t, api, http.MethodPost, logoutPath, bearer(login(t, api, alice).Token), "")
	assert.Equal(t, "null", string(got.Data))
	require.NotNil(t, got.Message)
	assert.Equal(t, "Session terminated.", *got.Message)
}

func TestLogoutEndsNoOtherSession(t *testing.T) {
	api := newAPI(alice)
	one, other := login(t, api, alice), login(t, api, alice)
	require.Equal(t, http.StatusOK, status(api, http.MethodPost, logoutPath, bearer(one.Token), ""))
	assert.True(t, works(api, bearer(other.Token)))
}

func TestAnAPIKeySurvivesItsLogout(t *testing.T) {
	api := newAPI(alice)
	got := call(t, api, http.MethodPost, logoutPath, apiKey(alice.APIKey), "")
	require.Equal(t, http.StatusOK, got.Status)
	assert.Equal(t, "Session terminated.", *got.Message)
	assert.True(t, works(api, apiKey(alice.APIKey)))
}

func TestAnExpiredTokenIsRefused(t *testing.T) {
	api := newAPI(alice)
	api.SetTokenTTL(-time.Second)
	token := login(t, api, alice).Token
	got := call(t, api, http.MethodPost, sessionPath, bearer(token), "")
	assert.Equal(t, http.StatusUnauthorized, got.Status)
	assert.Equal(t, "InvalidSession", got.code())
}

func TestAnExpiredTokenCannotBeRefreshed(t *testing.T) {
	api := newAPI(alice)
	api.SetTokenTTL(-time.Second)
	token := login(t, api, alice).Token
	assert.Equal(t, http.StatusUnauthorized, status(api, http.MethodPost, refreshPath, nil, refreshBody(t, token)))
}

func TestTheSessionNamesTheUserOfATokenAndItsExpiry(t *testing.T) {
	api := newAPI(alice, bob)
	in := login(t, api, bob)
	got := call(t, api, http.MethodPost, sessionPath, bearer(in.Token), "")
	assert.JSONEq(t, `{"userId":2077,"login":"bob","networkId":7,"mailboxId":77,"authLevel":"Root","expiresAt":"`+in.ExpiresAt+`"}`,
		string(got.Data))
}

func TestTheSessionOfAnAPIKeyHasNoExpiry(t *testing.T) {
	api := newAPI(alice)
	got := call(t, api, http.MethodPost, sessionPath, apiKey(alice.APIKey), "")
	assert.JSONEq(t, `{"userId":1042,"login":"alice@example.com","networkId":41,"mailboxId":4101,"authLevel":"MailboxUser","expiresAt":null}`,
		string(got.Data))
}

func TestAChangeOfPasswordEndsNoSession(t *testing.T) {
	api := newAPI(alice)
	one, other := login(t, api, alice), login(t, api, alice)
	body := `{"currentPassword":"correct horse","newPassword":"new"}`
	got := call(t, api, http.MethodPut, passwordPath, bearer(one.Token), body)
	require.Equal(t, http.StatusOK, got.Status)
	assert.Equal(t, "null", string(got.Data))
	assert.True(t, works(api, bearer(one.Token)))
	assert.True(t, works(api, bearer(other.Token)))
}

func TestOnlyTheNewPasswordSignsInAfterAChange(t *testing.T) {
	api := newAPI(alice)
	body := `{"currentPassword":"correct horse","newPassword":"new"}`
	require.Equal(t, http.StatusOK, status(api, http.MethodPut, passwordPath, apiKey(alice.APIKey), body))
	assert.Equal(t, http.StatusUnauthorized,
		status(api, http.MethodPost, loginPath, nil, `{"login":"alice@example.com","password":"correct horse"}`))
	assert.Equal(t, http.StatusOK,
		status(api, http.MethodPost, loginPath, nil, `{"login":"alice@example.com","password":"new"}`))
}

func TestAChangeOfPasswordIsRefused(t *testing.T) {
	for name, body := range map[string]string{
		"wrong current password": `{"currentPassword":"wrong","newPassword":"new"}`,
		"no current password":    `{"newPassword":"new"}`,
		"empty new password":     `{"currentPassword":"correct horse","newPassword":""}`,
		"no body":                ``,
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(alice)
			got := call(t, api, http.MethodPut, passwordPath, apiKey(alice.APIKey), body)
			assert.Equal(t, http.StatusBadRequest, got.Status)
			assert.Equal(t, "InvalidParameter", got.code())
			login(t, api, alice)
		})
	}
}

func TestAUserWithoutAPasswordCannotSetOneByAnEmptyCurrentPassword(t *testing.T) {
	carol := alice
	carol.Password = ""
	api := newAPI(carol)
	got := call(t, api, http.MethodPut, passwordPath, apiKey(carol.APIKey), `{"currentPassword":"","newPassword":"new"}`)
	assert.Equal(t, http.StatusBadRequest, got.Status)
}

func TestTheVersionNeedsNoCredential(t *testing.T) {
	got := call(t, newAPI(), http.MethodGet, versionPath, nil, "")
	assert.Equal(t, http.StatusOK, got.Status)
	assert.JSONEq(t, `{"version":"2.6"}`, string(got.Data))
}
