package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestInAnOutageOfECGridTheUserStaysSignedInAndCanSignOut(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(ecgridtest.User{ID: 7, Login: "alice"})
	keys := [][]byte{[]byte("32 bytes that guard nothing here")}
	app, err := newApp(options{upstream: ecgrid.URL, keys: keys}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	server := httptest.NewServer(app.handler())
	defer server.Close()
	client, page := server.Client(), func(answer *http.Response, err error) string {
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return string(body)
	}
	ecgridtest.SignIn(t, app.m, client, server.URL, ecgrid.Issue(7))
	ecgrid.Inject(ecgridtest.Fault{Times: 2, Status: http.StatusServiceUnavailable})

	assert.Contains(t, page(client.Get(server.URL)), "The inbox cannot be shown right now")
	assert.Contains(t, page(client.Get(server.URL+"/session")), `"authenticated":true`)
	assert.Contains(t, page(client.PostForm(server.URL+"/logout", nil)), "Sign in")
	require.NoError(t, app.close(t.Context()), "which brings ECGrid the sign-out that it missed")
	assert.Zero(t, ecgrid.LiveTokens(7))
}
