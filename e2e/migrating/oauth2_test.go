package migrating_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestLeavingXOAuth2EverybodySignsInOnce(t *testing.T) {
	m := newMove(t)
	b := newBrowser(t)
	before := m.start("oauth2/before", "")
	b.signIn(before)
	require.True(t, b.isSignedIn(before))

	after := m.start("oauth2/after", "")
	assert.False(t, b.isSignedIn(after), "what the old process had in memory is gone with it")
	assert.Equal(t, http.StatusSeeOther, b.signIn(after).status)
	assert.True(t, b.isSignedIn(after))

	// From now on a restart signs nobody out.
	again := m.start("oauth2/after", "")
	assert.True(t, b.isSignedIn(again))
}

// What the two programs do with the same request, before and after.
func TestWhatTheMoveFromXOAuth2Changes(t *testing.T) {
	for _, c := range []struct {
		name          string
		story         func(t *testing.T, m *move, app string) bool
		before, after bool
	}{
		{"the token lives at ECGrid after sign-out", tokenLives, true, false},
		{"a link on another site signs out", linkSignsOut, true, false},
		{"a redirect takes the token to another host", redirectLeaks, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMove(t)
			assert.Equal(t, c.before, c.story(t, m, m.start("oauth2/before", "")), "before")
			m = newMove(t)
			assert.Equal(t, c.after, c.story(t, m, m.start("oauth2/after", "")), "after")
		})
	}
}

func redirectLeaks(t *testing.T, m *move, app string) bool {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(r.Header.Get("Authorization") != "")
	}))
	defer other.Close()
	elsewhere, err := url.Parse(other.URL)
	require.NoError(t, err)
	elsewhere.Host = "localhost:" + elsewhere.Port() // another host than ECGrid's, by name

	b := newBrowser(t)
	b.signIn(app)
	m.ecgrid.Inject(ecgridtest.Fault{
		Path: "/v2/parcels/inbox-list", Status: http.StatusTemporaryRedirect,
		Header: http.Header{"Location": {elsewhere.String()}},
	})
	b.get(app + "/")
	return leaked.Load()
}
