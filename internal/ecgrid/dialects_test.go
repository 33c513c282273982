package ecgrid_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

// byPath answers each call by the last word of its path; a body may begin with a status that is not 200.
func byPath(t *testing.T, answers map[string]string) *ecgrid.Client {
	t.Helper()
	return ecgrid.New(base(t, "https://rest.example"), roundTrip(func(r *http.Request) (*http.Response, error) {
		body := answers[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
		w := httptest.NewRecorder()
		if rest, ok := strings.CutPrefix(body, "401 "); ok {
			w.WriteHeader(http.StatusUnauthorized)
			body = rest
		} else if body == "" {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, body)
		return w.Result(), nil
	}), "")
}

func data(s string) string { return `{"success":true,"data":` + s + `}` }

func TestWhatALoginLeavesOutIsAskedForWithTheNewToken(t *testing.T) {
	at := time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	expires := `"expiresAt":"` + at.Format(time.RFC3339) + `"`
	session := data(`{"userId":7,"login":"ann",` + expires + `}`)
	for name, c := range map[string]struct {
		login, session string
		want           ecgrid.Grant
		fails          bool
	}{
		"sessionKey alone":               {`{"sessionKey":"a"}`, session, ecgrid.Grant{Token: "a", ExpiresAt: at, UserID: 7}, false},
		"token beside a sessionKey":      {`{"sessionKey":3,"token":"a","userId":7,` + expires + `}`, "", ecgrid.Grant{Token: "a", ExpiresAt: at, UserID: 7}, false},
		"no userId":                      {`{"token":"a","refreshToken":"r",` + expires + `}`, session, ecgrid.Grant{Token: "a", RefreshToken: "r", ExpiresAt: at, UserID: 7}, false},
		"userId null":                    {`{"token":"a","userId":null,` + expires + `}`, session, ecgrid.Grant{Token: "a", ExpiresAt: at, UserID: 7}, false},
		"no expiresAt":                   {`{"token":"a","userId":7}`, session, ecgrid.Grant{Token: "a", ExpiresAt: at, UserID: 7}, false},
		"expiresAt null":                 {`{"token":"a","userId":7,"expiresAt":null}`, session, ecgrid.Grant{Token: "a", ExpiresAt: at, UserID: 7}, false},
		"no expiresAt anywhere":          {`{"token":"a","userId":7}`, data(`{"userId":7}`), ecgrid.Grant{Token: "a", UserID: 7}, false},
		"no expiresAt, and no answer":    {`{"token":"a","userId":7}`, "", ecgrid.Grant{Token: "a", UserID: 7}, false},
		"no userId, and no answer":       {`{"token":"a"}`, "", ecgrid.Grant{Token: "a"}, true},
		"no userId there either":         {`{"token":"a"}`, data(`{"login":"ann"}`), ecgrid.Grant{Token: "a"}, true},
		"another user":                   {`{"token":"a","userId":8}`, session, ecgrid.Grant{Token: "a", UserID: 8}, true},
		"refused as soon as it has come": {`{"token":"a","userId":7}`, "401 " + noSession, ecgrid.Grant{Token: "a", UserID: 7}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := byPath(t, map[string]string{"login": data(c.login), "session": c.session}).Login(t.Context(), "u", "p")
			if !c.fails && strings.Contains(c.session, "ann") {
				c.want.Login = "ann"
			}
			assert.True(t, c.want == g)
			if !c.fails {
				require.NoError(t, err)
				return
			}
			e := failure(t, err)
			assert.False(t, e.Rejected(), "the password was accepted")
		})
	}
}

func TestWhatARefreshLeavesOut(t *testing.T) {
	at := time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	expires := `"expiresAt":"` + at.Format(time.RFC3339) + `"`
	session := data(`{"userId":7,` + expires + `}`)
	for name, c := range map[string]struct {
		refresh, session string
		want             ecgrid.Grant
	}{
		"no userId":                   {`{"token":"a",` + expires + `}`, "", ecgrid.Grant{Token: "a", ExpiresAt: at}},
		"sessionKey alone":            {`{"sessionKey":"a"}`, session, ecgrid.Grant{Token: "a", ExpiresAt: at, UserID: 7}},
		"no expiresAt, and no answer": {`{"token":"a","userId":7}`, "", ecgrid.Grant{Token: "a", UserID: 7}},
		"another user's, it turns out": {`{"token":"a","userId":8}`, session,
			ecgrid.Grant{Token: "a", ExpiresAt: at, UserID: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := byPath(t, map[string]string{"refresh": data(c.refresh), "session": c.session}).Refresh(t.Context(), "old", "")
			require.NoError(t, err)
			assert.True(t, c.want == g)
		})
	}
}

func TestALoginWithoutAPasswordSendsTheKeyAlone(t *testing.T) {
	var s sent
	_, err := ecgrid.New(base(t, "https://rest.example"), &s, "apiKey").Login(t.Context(), "some-key", "")
	require.Error(t, err)
	assert.JSONEq(t, `{"apiKey":"some-key"}`, s.body)
}

func TestProblemDetailsRefuseASignInAndEndNoSession(t *testing.T) {
	for name, c := range map[string]struct {
		kind, body string
		problem    bool
	}{
		"with a trace":           {"application/json", `{"title":"Unauthorized","traceId":"00-1"}`, true},
		"with a detail":          {"", `{"title":"Unauthorized","detail":"no","status":401}`, true},
		"by its type":            {"application/problem+json; charset=utf-8", `{}`, true},
		"a title alone":          {"application/json", `{"title":"Unauthorized"}`, false},
		"title a number":         {"application/json", `{"title":1,"detail":"no"}`, false},
		"title twice":            {"application/json", `{"title":"a","title":"b","detail":"no"}`, false},
		"a broken envelope":      {"application/problem+json", `{"success":1,"title":"a","detail":"no"}`, false},
		"the type, and no JSON":  {"application/problem+json", `<html>`, false},
		"the type, and an array": {"application/problem+json", `[]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			client := answering(t, 401, c.body, "Content-Type", c.kind)
			_, err := client.Login(t.Context(), "u", "p")
			e := failure(t, err)
			assert.Equal(t, c.problem, e.Problem())
			assert.Equal(t, c.problem, e.Rejected())
			assert.NotContains(t, err.Error(), "Unauthorized")
			e = failure(t, client.Logout(t.Context(), bearer))
			assert.False(t, e.Rejected(), "a gateway may write the same")
			assert.True(t, e.Retryable())
		})
	}
}

func TestAChallengeForTheTokenIsAVerdict(t *testing.T) {
	for line, want := range map[string]bool{
		`Bearer error="invalid_token"`:                                         true,
		`bearer ERROR="invalid_token"`:                                         true,
		`Bearer error=invalid_token`:                                           true,
		`Bearer realm="a, b", error = "invalid_token" , error_description="x"`: true,
		`Basic realm="a", Bearer error="invalid_token"`:                        true,
		`Negotiate oYG2==, Bearer realm="x", error="invalid_token"`:            true,
		`Bearer, Basic realm="x"`:                                              false,
		`Bearer`:                                                               false,
		``:                                                                     false,
		`Bearer realm="x"`:                                                     false,
		`Bearer error="insufficient_scope"`:                                    false,
		`Bearer error="invalid_token`:                                          false,
		`Bearer error="invalid_token" x`:                                       false,
		`Bearer error="invalid_token", error="invalid_request"`:                false,
		`Bearer error="invalid_token\`:                                         false,
		`Bearer realm="error=\"invalid_token\""`:                               false,
		`Bearer realm="Bearer error=invalid_token"`:                            false,
		`Basic realm="a", error="invalid_token"`:                               false,
		`Bearer realm="a", Basic error="invalid_token"`:                        false,
		`DPoP error="invalid_token"`:                                           false,
		`error="invalid_token"`:                                                false,
		`Bearer error_description="invalid_token"`:                             false,
		`Bearer error="Invalid_Token"`:                                         false,
	} {
		t.Run(line, func(t *testing.T) {
			e := failure(t, answering(t, 401, "<html>", "WWW-Authenticate", "Basic", "WWW-Authenticate", line).Logout(t.Context(), bearer))
			assert.Equal(t, want, e.Rejected())
			resp, _ := response(401, strings.NewReader("<html>"), "")
			resp.Header["www-authenticate"] = []string{"Basic", line}
			assert.Equal(t, want, ecgrid.Rejection(resp))
			e = failure(t, answering(t, 403, "<html>", "WWW-Authenticate", line).Logout(t.Context(), bearer))
			assert.False(t, e.Rejected(), "not with another status")
		})
	}
}

func TestTheChallengeCountsThoughTheBodyBreaksOff(t *testing.T) {
	rt := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: 401, Header: http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}},
			Body: io.NopCloser(&once{err: errors.New("broken")}),
		}, nil
	})
	assert.True(t, failure(t, ecgrid.New(base(t, "https://rest.example"), rt, "").Logout(t.Context(), bearer)).Rejected())
}

// panicking panics in one of its three methods.
type panicking struct{ in string }

func (p panicking) at(method string) {
	if p.in == method {
		panic("a secret")
	}
}

func (p panicking) RoundTrip(*http.Request) (*http.Response, error) {
	p.at("RoundTrip")
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: p}, nil
}

func (p panicking) Read([]byte) (int, error) {
	p.at("Read")
	return 0, io.EOF
}

func (p panicking) Close() error {
	p.at("Close")
	return nil
}

func TestAPanicOfTheTransportFailsTheCallAndIsLogged(t *testing.T) {
	for _, method := range []string{"RoundTrip", "Read", "Close"} {
		t.Run(method, func(t *testing.T) {
			var log bytes.Buffer
			rt := ecgrid.Contained(panicking{method}, slog.New(slog.NewTextHandler(&log, nil)))
			err := ecgrid.New(base(t, "https://rest.example"), rt, "").Logout(t.Context(), bearer)
			assert.True(t, failure(t, err).Retryable())
			assert.Contains(t, log.String(), "BaseTransport panicked")
			assert.NotContains(t, log.String(), "a secret")
		})
	}
}
