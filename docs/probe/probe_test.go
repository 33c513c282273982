package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

var user = ecgridtest.User{ID: 4711, Login: "canary-login@example", Password: "canary-password-qX7", APIKey: "canary-api-key-zW3-0123456789"}

// description is of the endpoint pages.
const description = `{"openapi":"3.0.1","paths":{
	"/v2/auth/login":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Login"}}}}}},
	"/v2/auth/refresh":{"post":{"requestBody":{"content":{"application/json":{"schema":{"properties":{"token":{"type":"string"}}}}}}}},
	"/v2/auth/logout":{"post":{}},"/v2/auth/session":{"post":{}},"/v2/users/reset/{userId}":{"post":{}},"/v2/auth/version":{"get":{}}},
	"components":{"schemas":{"Login":{"allOf":[{"properties":{"login":{"type":"string"},"password":{"type":"string"}}}]}}}}`

// service is the fake, with a description beside it. It keeps what it has answered.
type service struct {
	*ecgridtest.API
	description string
	answered    bytes.Buffer
	url         string
}

func start(t *testing.T, description string) *service {
	t.Helper()
	s := &service{API: ecgridtest.NewAPI(), description: description}
	s.AddUser(user)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/openapi.json" && s.description != "" {
		io.WriteString(w, s.description)
		return
	}
	recorder := httptest.NewRecorder()
	s.API.ServeHTTP(recorder, r)
	s.answered.Write(recorder.Body.Bytes()) // the probe makes one call at a time
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorder.Code)
	w.Write(recorder.Body.Bytes())
}

// probed runs the program against the service and returns its exit status and all that it printed.
func (s *service) probed(t *testing.T, env map[string]string, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	status := run(t.Context(), append([]string{"-url", s.url}, args...), func(name string) string { return env[name] }, &out, &out)
	for _, secret := range []string{user.Password, user.APIKey} {
		assert.NotContains(t, out.String(), secret)
	}
	// Nor any text of the data that the service sent.
	for piece := range strings.SplitSeq(s.answered.String(), `"`) {
		if len(piece) >= 16 && !strings.ContainsAny(piece, ":, ") && strings.ContainsAny(piece, "0123456789") {
			assert.NotContains(t, out.String(), piece)
		}
	}
	assert.Zero(t, s.LiveTokens(user.ID), "no token stays behind")
	return status, out.String()
}

func credentials() map[string]string {
	return map[string]string{"ECGRID_LOGIN": user.Login, "ECGRID_PASSWORD": user.Password, "ECGRID_API_KEY": user.APIKey}
}

func TestNothingDiffersAtTheServiceThatIsAssumed(t *testing.T) {
	s := start(t, description)
	status, out := s.probed(t, credentials())
	assert.Zero(t, status, out)
	assert.NotContains(t, out, "DIFFERS")
	assert.NotContains(t, out, "taken")
	for _, part := range []string{"version 2.6", "found at /openapi.json", "the token lives for 15m", "the old token is dead", "POST /v2/auth/logout", "X-API-Key"} {
		assert.Contains(t, out, part)
	}
	assert.Len(t, s.Calls("/v2/auth/login"), 1)
	assert.Len(t, s.Calls("/v2/auth/refresh"), 1)
	assert.Len(t, s.Calls("/v2/auth/logout"), 1)
}

func TestEveryDialectIsTakenAndNamed(t *testing.T) {
	for name, c := range map[string]struct {
		dialect ecgridtest.Dialect
		field   string
		login   string
		taken   []string
	}{
		"guide":        {ecgridtest.DialectGuide, "email", user.Login, []string{"a refreshToken", "no userId"}},
		"support page": {ecgridtest.DialectSupport, "username", user.Login, []string{"a refreshToken"}},
		"code samples": {ecgridtest.DialectSamples, "apiKey", user.APIKey, []string{"sessionKey", "no userId", "no expiresAt", "WWW-Authenticate"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, "")
			s.SetDialect(c.dialect)
			env := credentials()
			env["ECGRID_LOGIN"] = c.login
			status, out := s.probed(t, env, "-login-field", c.field)
			assert.Zero(t, status, out)
			assert.NotContains(t, out, "DIFFERS")
			for _, taken := range c.taken {
				assert.Contains(t, out, taken)
			}
			assert.Contains(t, out, "OpenAPI description\nnote     not found")
		})
	}
}

func TestADifferenceIsNamedAndNoTokenStaysBehind(t *testing.T) {
	for name, c := range map[string]struct {
		fault ecgridtest.Fault
		want  string
	}{
		"no version":           {ecgridtest.Fault{Path: "/v2/auth/version", Status: 404}, "404, envelope with success false and errorCode ObjectNotFound"},
		"no envelope":          {ecgridtest.Fault{Path: "/v2/auth/version", Body: `{"version":"2.6"}`}, "a JSON object without success: version string"},
		"a page":               {ecgridtest.Fault{Path: "/v2/auth/version", Body: `<html>`}, "200, no JSON object"},
		"a refusal by 403":     {ecgridtest.Fault{Path: "/v2/auth/session", Times: 1, Status: 403}, "Sessions would not end"},
		"the login is refused": {ecgridtest.Fault{Path: "/v2/auth/login", Status: 401}, "try one other -login-field"},
		"no refresh":           {ecgridtest.Fault{Path: "/v2/auth/refresh", Status: 500}, "500, envelope"},
		"a code that may be a value": {ecgridtest.Fault{Path: "/v2/auth/login", Status: 400,
			Body: `{"success":false,"errorCode":"` + user.Password + `"}`}, "text of 19 bytes"},
		"a refresh without a token": {ecgridtest.Fault{Path: "/v2/auth/refresh", Body: `{"success":true,"data":{"token":7}}`}, "a token under token or sessionKey was assumed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, description)
			s.Inject(c.fault)
			status, out := s.probed(t, credentials())
			assert.Equal(t, 1, status)
			assert.Contains(t, out, "DIFFERS")
			assert.Contains(t, out, c.want)
		})
	}
}

func TestADescriptionThatDiffersIsNamed(t *testing.T) {
	for name, c := range map[string]struct{ from, to, kind, want string }{
		"a path is gone":    {"/v2/auth/logout", "/v2/auth/signout", "DIFFERS", "POST /v2/auth/logout is not in it"},
		"another method":    {`"/v2/auth/session":{"post"`, `"/v2/auth/session":{"get"`, "DIFFERS", "has no POST"},
		"another dialect":   {`{"login":`, `{"email":`, "taken", "takes email and password"},
		"other fields":      {`{"login":`, `{"name":`, "DIFFERS", "takes name, password"},
		"a refresh token":   {`{"token":`, `{"refreshToken":`, "taken", "takes refreshToken"},
		"a body not said":   {`"properties":{"token"`, `"x":{"token"`, "note", "not described"},
		"a schema in loops": {`{"allOf":[`, `{"allOf":[{"$ref":"#/components/schemas/Login"},`, "assumed", "POST /v2/auth/login"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, description, c.from)
			_, out := start(t, strings.ReplaceAll(description, c.from, c.to)).probed(t, nil)
			for line := range strings.Lines(out) {
				if strings.Contains(line, c.want) {
					assert.True(t, strings.HasPrefix(line, c.kind), line)
					return
				}
			}
			assert.Fail(t, "not named", out)
		})
	}
}

func TestWithoutCredentialsThereIsNoLogin(t *testing.T) {
	s := start(t, description)
	status, out := s.probed(t, nil)
	assert.Zero(t, status, out)
	assert.Empty(t, s.Calls("/v2/auth/login"))
	assert.Contains(t, out, "ECGRID_LOGIN and ECGRID_PASSWORD are not set")
}

func TestAnAddressThatWouldShowThePasswordIsRefused(t *testing.T) {
	for _, url := range []string{"http://rest.ecgrid.io", "rest.ecgrid.io", "https://u:p@rest.ecgrid.io", "ftp://127.0.0.1", "https://x/?q", ""} {
		var out bytes.Buffer
		assert.Equal(t, 2, run(t.Context(), []string{"-url", url}, func(string) string { return "" }, &out, &out), url)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var asked int
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(elsewhere.Close)
	s := start(t, "")
	s.Inject(ecgridtest.Fault{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {elsewhere.URL}}})
	status, out := s.probed(t, credentials())
	assert.Equal(t, 1, status, out)
	assert.Zero(t, asked)
}

func TestTheTokenIsEndedThoughTheRefreshIsCutOff(t *testing.T) {
	s := start(t, "")
	s.SetTokenTTL(time.Hour)
	s.Inject(ecgridtest.Fault{Path: "/v2/auth/refresh", Reset: true})
	status, _ := s.probed(t, credentials())
	assert.Equal(t, 1, status)
}
