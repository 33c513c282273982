package migrating_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// signedInBefore is a browser that signed in and chose a theme before the move,
// in the app that it returns.
func (m *move) signedInBefore() (b *browser, before string) {
	m.t.Helper()
	before = m.start("gorilla/before", m.secret)
	b = newBrowser(m.t)
	require.Equal(m.t, http.StatusSeeOther, b.signIn(before).status)
	b.post(before+"/theme", url.Values{"theme": {"dark"}})
	require.Contains(m.t, b.get(before+"/").body, "theme: dark")
	return b, before
}

func TestWithReadAlsoTheAppsOwnValuesStayAndTheUserSignsInOnce(t *testing.T) {
	m := newMove(t)
	b, before := m.signedInBefore()
	after := m.start("gorilla/after", m.secret)

	assert.False(t, b.isSignedIn(after), "the token of before is not taken over")
	assert.Equal(t, http.StatusSeeOther, b.signIn(after).status)
	got := b.get(after + "/")
	assert.Equal(t, http.StatusOK, got.status)
	assert.Contains(t, got.body, "theme: dark")
	assert.True(t, b.isSignedIn(before), "going back costs nobody a sign-in")

	// Sealed anew, without the old token; the old secret is not needed any more.
	b.post(after+"/theme", url.Values{"theme": {"light"}})
	later := m.start("gorilla/after", "")
	assert.Contains(t, b.get(later+"/").body, "theme: light")
}

func TestWithoutReadAlsoTheAppsOwnValuesAreLost(t *testing.T) {
	m := newMove(t)
	b, _ := m.signedInBefore()
	after := m.start("gorilla/after", "")

	assert.False(t, b.isSignedIn(after))
	assert.Equal(t, http.StatusSeeOther, b.signIn(after).status)
	assert.Contains(t, b.get(after+"/").body, "theme: <nil>")
}

func TestASignInIsCarriedOverUntilItsTokenHasEnded(t *testing.T) {
	m := newMove(t)
	b, _ := m.signedInBefore()
	thief := b.copied()
	carried := m.start("gorilla/carried", m.secret)

	got := b.get(carried + "/")
	assert.Equal(t, http.StatusOK, got.status)
	assert.Contains(t, got.body, "theme: dark")
	assert.True(t, b.isSignedIn(carried))
	assert.Len(t, m.ecgrid.Calls("/v2/auth/login"), 1, "nobody has typed a password again")
	assert.Len(t, m.ecgrid.Calls("/v2/auth/session"), 1, "ECGrid was asked whose the token is, once")

	assert.Equal(t, http.StatusSeeOther, b.post(carried+"/logout", url.Values{}).status)
	assert.Zero(t, m.ecgrid.LiveTokens(alice.ID))
	assert.False(t, thief.isSignedIn(carried), "the old cookie holds a token that is dead")
}

// What the two programs do with the same request, before and after.
func TestWhatTheMoveFromGorillaChanges(t *testing.T) {
	for _, c := range []struct {
		name          string
		story         func(t *testing.T, m *move, app string) bool
		before, after bool
	}{
		{"a copy of the cookie opens the session after sign-out", copyOpens, true, false},
		{"the token lives at ECGrid after sign-out", tokenLives, true, false},
		{"a slow request brings the session back", slowRequestRevives, true, false},
		{"a link on another site signs out", linkSignsOut, true, false},
		{"a token of 2400 bytes makes a session", longTokenFits, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMove(t)
			assert.Equal(t, c.before, c.story(t, m, m.start("gorilla/before", m.secret)), "before")
			m = newMove(t)
			assert.Equal(t, c.after, c.story(t, m, m.start("gorilla/after", m.secret)), "after")
		})
	}
}

func copyOpens(t *testing.T, _ *move, app string) bool {
	b := newBrowser(t)
	b.signIn(app)
	thief := b.copied()
	require.True(t, thief.isSignedIn(app))
	b.post(app+"/logout", url.Values{})
	require.False(t, b.isSignedIn(app))
	return thief.isSignedIn(app)
}

func tokenLives(t *testing.T, m *move, app string) bool {
	b := newBrowser(t)
	b.signIn(app)
	require.Equal(t, 1, m.ecgrid.LiveTokens(alice.ID))
	b.post(app+"/logout", url.Values{})
	return m.ecgrid.LiveTokens(alice.ID) > 0
}

// The request left the browser before the sign-out, and its answer comes after.
func slowRequestRevives(t *testing.T, _ *move, app string) bool {
	b := newBrowser(t)
	b.signIn(app)
	slow := b.copied()
	b.post(app+"/logout", url.Values{})
	slow.post(app+"/theme", url.Values{"theme": {"dark"}})
	return slow.isSignedIn(app)
}

func linkSignsOut(t *testing.T, _ *move, app string) bool {
	b := newBrowser(t)
	b.signIn(app)
	require.True(t, b.isSignedIn(app))
	b.get(app+"/logout", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate",
		"Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1")
	return !b.isSignedIn(app)
}

func longTokenFits(t *testing.T, m *move, app string) bool {
	m.ecgrid.SetTokenSize(2400)
	b := newBrowser(t)
	b.signIn(app)
	return b.isSignedIn(app)
}
