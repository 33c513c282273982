package ecgridtest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestACredentialThatECGridDoesNotKnowIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		code   string
	}{
		"none":                 {nil, "InvalidSession"},
		"empty Authorization":  {http.Header{"Authorization": {""}}, "InvalidSession"},
		"empty bearer token":   {bearer(""), "InvalidSession"},
		"unknown bearer token": {bearer("eyJ.eyJ.x"), "InvalidSession"},
		"API key as bearer":    {bearer(alice.APIKey), "InvalidSession"},
		"another scheme":       {http.Header{"Authorization": {"Basic YTpi"}}, "InvalidSession"},
		"empty API key":        {apiKey(""), "InvalidAPIKey"},
		"unknown API key":      {apiKey("key-of-mallory"), "InvalidAPIKey"},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(alice, bob)
			for path, method := range map[string]string{
				logoutPath: http.MethodPost, sessionPath: http.MethodPost, passwordPath: http.MethodPut,
				inboxPath: http.MethodPost, "/v2/users/reset/1042": http.MethodPost,
			} {
				got := call(t, api, method, path, c.header, "{}")
				assert.Equal(t, http.StatusUnauthorized, got.Status, path)
				assert.Equal(t, c.code, got.code(), path)
				assert.Equal(t, "null", string(got.Data), path)
			}
		})
	}
}

func TestATokenUnderAnotherSchemeIsRefused(t *testing.T) {
	api := newAPI(alice)
	token := login(t, api, alice).Token
	assert.False(t, works(api, http.Header{"Authorization": {"Token " + token}}))
	assert.False(t, works(api, http.Header{"Authorization": {token}}))
}

func TestTheBearerSchemeHasNoCase(t *testing.T) {
	api := newAPI(alice)
	assert.True(t, works(api, http.Header{"Authorization": {"bearer " + login(t, api, alice).Token}}))
}

func TestATokenAsAnAPIKeyIsRefused(t *testing.T) {
	api := newAPI(alice)
	assert.False(t, works(api, apiKey(login(t, api, alice).Token)))
}

func TestATokenOfOneAPIIsNothingToAnother(t *testing.T) {
	one, other := newAPI(alice), newAPI(alice)
	assert.False(t, works(other, bearer(login(t, one, alice).Token)))
}

func TestATokenWithOneByteChangedIsRefused(t *testing.T) {
	api := newAPI(alice)
	token := login(t, api, alice).Token
	for i := range token {
		changed := []byte(token)
		changed[i] ^= 1
		assert.False(t, works(api, bearer(string(changed))), "byte %d", i)
	}
}

func TestTwoCredentialsOnOneCallAreRefused(t *testing.T) {
	api := newAPI(alice)
	token := login(t, api, alice).Token
	for name, header := range map[string]http.Header{
		"one of each":        {"Authorization": {"Bearer " + token}, "X-Api-Key": {alice.APIKey}},
		"two Authorizations": {"Authorization": {"Bearer " + token, "Bearer " + token}},
		"two API keys":       {"X-Api-Key": {alice.APIKey, alice.APIKey}},
	} {
		t.Run(name, func(t *testing.T) {
			for path, method := range map[string]string{logoutPath: http.MethodPost, versionPath: http.MethodGet} {
				got := call(t, api, method, path, header, "")
				assert.Equal(t, http.StatusBadRequest, got.Status, path)
				assert.Equal(t, "InvalidParameter", got.code(), path)
			}
			assert.Equal(t, 1, api.LiveTokens(alice.ID), "the refused logout must end nothing")
		})
	}
}

func TestAnUnknownPathIsNotFound(t *testing.T) {
	for _, path := range []string{
		"/", "/v2", "/v2/auth/login/", "/V2/auth/login", "/v2//auth/login", "/v2/auth/../auth/version",
		"/v2/users/reset", "/v2/users/reset/", "/v2/users/reset/1/2",
	} {
		t.Run(path, func(t *testing.T) {
			got := call(t, newAPI(), http.MethodPost, path, nil, "{}")
			assert.Equal(t, http.StatusNotFound, got.Status)
			assert.Equal(t, "ObjectNotFound", got.code())
		})
	}
}

func TestAnotherMethodIsRefusedWithAllow(t *testing.T) {
	allowed := map[string]string{
		loginPath: "POST", refreshPath: "POST", logoutPath: "POST", sessionPath: "POST", passwordPath: "PUT",
		versionPath: "GET", inboxPath: "POST", "/v2/users/reset/1042": "POST",
	}
	for path, allow := range allowed {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if method == allow {
				continue
			}
			t.Run(method+path, func(t *testing.T) {
				got := call(t, newAPI(alice), method, path, apiKey(alice.APIKey), "")
				assert.Equal(t, http.StatusMethodNotAllowed, got.Status)
				assert.Equal(t, allow, got.Header.Get("Allow"))
			})
		}
	}
}

func TestABodyOverOneMebibyteIsRefused(t *testing.T) {
	body := `{"login":"alice@example.com","password":"correct horse"}` + strings.Repeat(" ", 1<<20)
	got := call(t, newAPI(alice), http.MethodPost, loginPath, nil, body)
	assert.Equal(t, http.StatusBadRequest, got.Status)
	assert.Equal(t, "InvalidParameter", got.code())
}

func TestUnknownFieldsOfABodyAreFine(t *testing.T) {
	body := `{"login":"alice@example.com","password":"correct horse","device":{"os":"any"}}`
	assert.Equal(t, http.StatusOK, status(newAPI(alice), http.MethodPost, loginPath, nil, body))
}
