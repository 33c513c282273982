package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASignedInPageAsksBeforeTheIdleEnd(t *testing.T) {
	_, b := serveApp(t)
	b.signIn()
	for _, path := range []string{"/", "/nowhere"} {
		body := b.get(path).body
		assert.Regexp(t, `<dialog [^>]*role="alertdialog"`, body, path)
		assert.Regexp(t, `data-clock="idleEndsAt" datetime="[^"]+Z">(29:5\d|30:00)<`, body, path)
		assert.Contains(t, body, `<button type="button" id="stay" autofocus>Stay signed in</button>`, path)
	}
	assert.NotContains(t, newBrowser(t, b.url).get("/").body, "<dialog", "a visitor is asked nothing")
}

func TestAUserWhoStaysIsSignedInForLonger(t *testing.T) {
	_, b := serveApp(t)
	b.signIn()
	end := func(got answer) time.Time {
		require.Equal(t, http.StatusOK, got.status)
		var session struct{ IdleEndsAt time.Time }
		require.NoError(t, json.Unmarshal([]byte(got.body), &session))
		return session.IdleEndsAt
	}
	first := end(b.get("/session"))
	// Times are in ms: the next one must be another.
	require.Eventually(t, func() bool { return end(b.post("/session", nil)).After(first) }, 10*time.Second, 5*time.Millisecond)
	assert.True(t, end(b.get("/session")).After(first))
}
