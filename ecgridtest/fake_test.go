package ecgridtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// The users that most tests need. Their ids do not follow one another, so that
// no id is right by chance.
var (
	alice = ecgridtest.User{ID: 1042, Login: "alice@example.com", Password: "correct horse", APIKey: "key-of-alice"}
	bob   = ecgridtest.User{ID: 2077, Login: "bob", Password: "battery staple", AuthLevel: "Root", NetworkID: 7, MailboxID: 77}
)

const (
	loginPath    = "/v2/auth/login"
	refreshPath  = "/v2/auth/refresh"
	logoutPath   = "/v2/auth/logout"
	sessionPath  = "/v2/auth/session"
	passwordPath = "/v2/auth/password"
	versionPath  = "/v2/auth/version"
	inboxPath    = "/v2/parcels/inbox-list"
)

func newAPI(users ...ecgridtest.User) *ecgridtest.API {
	api := ecgridtest.NewAPI()
	for _, u := range users {
		api.AddUser(u)
	}
	return api
}

// A reply is an answer of the API, taken apart.
type reply struct {
	Status    int
	Header    http.Header
	Body      string
	Success   *bool
	Data      json.RawMessage
	ErrorCode *string
	Message   *string
}

func (r reply) code() string {
	if r.ErrorCode == nil {
		return ""
	}
	return *r.ErrorCode
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func apiKey(key string) http.Header { return http.Header{"X-Api-Key": {key}} }

// call sends one call without a network and wants an envelope back.
func call(t testing.TB, api http.Handler, method, path string, header http.Header, body string) reply {
	t.Helper()
	w := send(api, method, path, header, body)
	r := reply{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &fields), "body: %s", r.Body)
	require.Len(t, fields, 4, "an envelope has four fields: %s", r.Body)
	for name, target := range map[string]any{
		"success": &r.Success, "data": &r.Data, "errorCode": &r.ErrorCode, "message": &r.Message,
	} {
		require.Contains(t, fields, name)
		require.NoError(t, json.Unmarshal(fields[name], target))
	}
	require.NotNil(t, r.Success)
	assert.Equal(t, r.Status == http.StatusOK, *r.Success, "success and the status must agree")
	assert.Equal(t, "application/json; charset=utf-8", r.Header.Get("Content-Type"))
	return r
}

func send(api http.Handler, method, path string, header http.Header, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	api.ServeHTTP(w, r)
	return w
}

// status sends one call and returns the status alone.
func status(api http.Handler, method, path string, header http.Header, body string) int {
	return send(api, method, path, header, body).Code
}

// works tells whether the API accepts a credential.
func works(api http.Handler, header http.Header) bool {
	return status(api, http.MethodPost, sessionPath, header, "") == http.StatusOK
}

// An issued is the data of login and refresh.
type issued struct {
	Token        string
	RefreshToken string
	ExpiresAt    string
	UserID       int64
}

func (r reply) issued(t testing.TB) issued {
	t.Helper()
	require.Equal(t, http.StatusOK, r.Status, "body: %s", r.Body)
	var i issued
	require.NoError(t, json.Unmarshal(r.Data, &i))
	return i
}

func object(t testing.TB, fields map[string]any) string {
	t.Helper()
	b, err := json.Marshal(fields)
	require.NoError(t, err)
	return string(b)
}

func login(t testing.TB, api http.Handler, u ecgridtest.User) issued {
	t.Helper()
	body := object(t, map[string]any{"login": u.Login, "password": u.Password})
	return call(t, api, http.MethodPost, loginPath, nil, body).issued(t)
}

func refreshBody(t testing.TB, token string) string {
	return object(t, map[string]any{"token": token})
}

// statuses are the statuses in the call log, in order.
func statuses(api *ecgridtest.API, path string) []int {
	var all []int
	for _, c := range api.Calls(path) {
		all = append(all, c.Status)
	}
	return all
}

// A handlerTransport calls a handler as if it were a server, without a
// network and in the caller's goroutine.
type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		switch cut := recover(); cut {
		case nil:
		case http.ErrAbortHandler:
			resp, err = nil, io.ErrUnexpectedEOF
			if r.Context().Err() != nil {
				err = r.Context().Err()
			}
		default:
			panic(cut)
		}
	}()
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	return w.Result(), nil
}
