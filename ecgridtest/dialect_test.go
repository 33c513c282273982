package ecgridtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// eachDialect is what each dialect takes and answers.
var eachDialect = map[ecgridtest.Dialect]struct {
	logins  []string // login bodies that it takes
	grant   []string // the fields of its grants
	refresh string   // the field that it refreshes by
	token   string   // the field of the token
}{
	ecgridtest.DialectEndpoints: {
		[]string{"login", "email", "username"}, []string{"expiresAt", "token", "userId"}, "token", "token"},
	ecgridtest.DialectGuide:   {[]string{"email"}, []string{"expiresAt", "refreshToken", "token"}, "refreshToken", "token"},
	ecgridtest.DialectSupport: {[]string{"username"}, []string{"expiresAt", "refreshToken", "token", "userId"}, "refreshToken", "token"},
	ecgridtest.DialectSamples: {[]string{"apiKey"}, []string{"sessionKey"}, "token", "sessionKey"},
}

func fields(t *testing.T, data json.RawMessage) map[string]any {
	t.Helper()
	var all map[string]any
	require.NoError(t, json.Unmarshal(data, &all))
	return all
}

func TestEachDialectTakesItsLoginAloneAndAnswersItsFields(t *testing.T) {
	for dialect, c := range eachDialect {
		for _, field := range []string{"login", "email", "username", "apiKey"} {
			t.Run(fmt.Sprint(dialect, " ", field), func(t *testing.T) {
				api := newAPI(alice)
				api.SetDialect(dialect)
				body := fmt.Sprintf(`{%q:%q,"password":%q}`, field, alice.Login, alice.Password)
				if field == "apiKey" {
					body = fmt.Sprintf(`{"apiKey":%q}`, alice.APIKey)
				}
				w := send(api, http.MethodPost, loginPath, nil, body)
				if !slices.Contains(c.logins, field) {
					assert.Equal(t, http.StatusBadRequest, w.Code)
					assert.Zero(t, api.LiveTokens(alice.ID))
					return
				}
				require.Equal(t, http.StatusOK, w.Code, w.Body.String())
				granted := call(t, api, http.MethodPost, loginPath, nil, body)
				var names []string
				for name := range fields(t, granted.Data) {
					names = append(names, name)
				}
				slices.Sort(names)
				assert.Equal(t, c.grant, names)
			})
		}
	}
}

func TestEachDialectRefreshesByItsOwnTokenAndEndsTheOldOne(t *testing.T) {
	for dialect, c := range eachDialect {
		t.Run(fmt.Sprint(dialect), func(t *testing.T) {
			api := newAPI(alice)
			api.SetDialect(dialect)
			issued := api.Issue(alice.ID)
			by := map[string]string{"token": issued.Token, "refreshToken": issued.RefreshToken}
			for field, value := range by {
				if field != c.refresh {
					w := send(api, http.MethodPost, refreshPath, nil, fmt.Sprintf(`{%q:%q}`, field, value))
					assert.Equal(t, http.StatusBadRequest, w.Code)
				}
			}
			fresh := fields(t, call(t, api, http.MethodPost, refreshPath, nil, fmt.Sprintf(`{%q:%q}`, c.refresh, by[c.refresh])).Data)
			assert.Equal(t, 1, api.LiveTokens(alice.ID))
			token, _ := fresh[c.token].(string)
			assert.Equal(t, http.StatusOK, send(api, http.MethodPost, logoutPath, bearer(token), "").Code)
			assert.Zero(t, api.LiveTokens(alice.ID))
		})
	}
}

func TestTheSamplesFailWithProblemDetails(t *testing.T) {
	api := newAPI(alice)
	api.SetDialect(ecgridtest.DialectSamples)
	expired := func() string {
		api.SetTokenTTL(-time.Second)
		defer api.SetTokenTTL(0)
		return api.Issue(alice.ID).Token
	}()
	api.Inject(ecgridtest.Fault{Path: inboxPath, Status: http.StatusServiceUnavailable})
	for name, c := range map[string]struct {
		path      string
		header    http.Header
		status    int
		challenge bool
	}{
		"an expired token": {sessionPath, bearer(expired), http.StatusUnauthorized, true},
		"no credential":    {sessionPath, nil, http.StatusUnauthorized, true},
		"an unknown key":   {sessionPath, apiKey("unknown"), http.StatusUnauthorized, false},
		"a wrong login":    {loginPath, nil, http.StatusBadRequest, false},
		"no such call":     {"/v2/none", nil, http.StatusNotFound, false},
		"an outage":        {inboxPath, nil, http.StatusServiceUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := send(api, http.MethodPost, c.path, c.header, `{}`)
			assert.Equal(t, c.status, w.Code)
			assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			all := fields(t, w.Body.Bytes())
			for _, name := range []string{"title", "detail", "traceId"} {
				assert.NotEmpty(t, all[name], name)
			}
			assert.NotContains(t, all, "success")
			assert.Equal(t, c.challenge, w.Header().Get("WWW-Authenticate") == `Bearer error="invalid_token"`)
		})
	}
}

func TestTheKeyIsFoundInEverySpellingOfItsHeader(t *testing.T) {
	for _, name := range []string{"X-API-Key", "X-Api-Key", "x-api-key"} {
		w := send(newAPI(alice), http.MethodPost, sessionPath, http.Header{name: {alice.APIKey}}, "")
		assert.Equal(t, http.StatusOK, w.Code, name)
	}
}

func TestADialectThatThereIsNotIsAPanic(t *testing.T) {
	for _, d := range []ecgridtest.Dialect{-1, 4} {
		assert.Panics(t, func() { newAPI().SetDialect(d) })
	}
}
