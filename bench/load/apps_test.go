package load_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

var demo = ecgridtest.User{ID: 4711, Login: "demo", Password: "demo", MailboxID: 100001}

// tokenSize is another than the one that Measure has, so that no page can have
// the figure from anywhere but the token.
const tokenSize = 555

// apps are all of them, each served on a port of its own.
type apps struct {
	grid *ecgridtest.Server
	urls map[string]string
}

func start(t *testing.T) apps {
	t.Helper()
	a := apps{grid: ecgridtest.NewServer(t), urls: make(map[string]string)}
	a.grid.AddUser(demo)
	a.grid.SetTokenSize(tokenSize)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, load.StaticFile), []byte(load.StaticContent), 0o600))
	handlers, closeApps, err := load.NewApps(load.AppsConfig{
		ECGrid: a.grid.URL, Login: demo.Login, Token: a.grid.Issue(demo.ID).Token, Static: dir, LogoutTimeout: time.Minute,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, closeApps(context.Background())) })
	for name, h := range handlers {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		a.urls[name] = server.URL
	}
	return a
}

// get is a GET with the cookie of a session, or none.
func (a apps) get(t *testing.T, app, path, cookie string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, a.urls[app]+path, nil)
	require.NoError(t, err)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, string(body))
	return string(body)
}

func (a apps) signIn(t *testing.T, app string) (cookie string) {
	t.Helper()
	cookie, err := load.SignIn(strings.TrimPrefix(a.urls[app], "http://"), demo.Login, demo.Password)
	require.NoError(t, err)
	return cookie
}

func TestThePageNamesTheUserOfTheSessionAndReadsTheToken(t *testing.T) {
	a := start(t)
	for _, app := range []string{load.AppMiddleware, load.AppGorilla} {
		got := a.get(t, app, "/", a.signIn(t, app))
		assert.Contains(t, got, "Signed in as demo, with a token of 555 bytes.", app)
	}
}

func TestThePageWithoutASessionNamesNobody(t *testing.T) {
	a := start(t)
	for _, app := range []string{load.AppMiddleware, load.AppGorilla} {
		got := a.get(t, app, "/", "")
		assert.NotContains(t, got, "Signed in", app)
		assert.Contains(t, got, "Sign in", app)
	}
}

func TestNoAppTakesTheCookieOfAnother(t *testing.T) {
	a := start(t)
	assert.Contains(t, a.get(t, load.AppMiddleware, "/", a.signIn(t, load.AppGorilla)), "Sign in")
	assert.Contains(t, a.get(t, load.AppGorilla, "/", a.signIn(t, load.AppMiddleware)), "Sign in")
}

func TestTheBareAppsSendTheSamePagesWithoutASession(t *testing.T) {
	a := start(t)
	assert.Equal(t, a.get(t, load.AppMiddleware, "/", a.signIn(t, load.AppMiddleware)), a.get(t, load.AppBare, "/", ""))
	assert.Equal(t, a.get(t, load.AppMiddleware, "/", ""), a.get(t, load.AppBareNobody, "/", ""))
}

func TestTheInboxIsThatOfTheUser(t *testing.T) {
	a := start(t)
	wrapped := a.get(t, load.AppMiddleware, "/inbox", a.signIn(t, load.AppMiddleware))
	assert.Contains(t, wrapped, `"success":true`)
	assert.Len(t, a.get(t, load.AppBare, "/inbox", ""), len(wrapped))
	calls := a.grid.Calls("/v2/parcels/inbox-list")
	require.Len(t, calls, 2)
	for _, call := range calls {
		assert.Equal(t, "bearer", call.Kind)
		assert.Equal(t, http.StatusOK, call.Status)
	}
}

func TestTheStaticFileIsTheSameBehindWrap(t *testing.T) {
	a := start(t)
	cookie := a.signIn(t, load.AppMiddleware)
	for _, app := range []string{load.AppMiddleware, load.AppBare} {
		assert.Equal(t, load.StaticContent, a.get(t, app, "/static/"+load.StaticFile, cookie), app)
	}
}
