package site

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// RequireAnonymous wants the site to treat the browser's cookie as nothing,
// and to find that out by itself.
func RequireAnonymous(t *testing.T, s *Site, b *Browser) {
	t.Helper()
	before := len(s.Grid.Calls(""))
	require.Equal(t, "anonymous", b.Get("/", FetchCall...).Text)
	require.Equal(t, http.StatusUnauthorized, b.Get("/inbox", FetchCall...).StatusCode)
	require.Equal(t, http.StatusUnauthorized, b.Get("/private", FetchCall...).StatusCode)
	require.Equal(t, http.StatusUnauthorized, b.Get("/session", FetchCall...).StatusCode)
	require.Len(t, s.Grid.Calls(""), before, "known before any call to ECGrid")
}

// Outcomes are those of the sign-outs so far.
func (s *Site) Outcomes() []string {
	var all []string
	for _, e := range s.Events.Of(ecgridsession.LoggedOut) {
		all = append(all, e.Outcome.String())
	}
	return all
}

// RequireDeletion wants an answer that deletes the session cookie and sets no
// other, and that no cache keeps.
func RequireDeletion(t *testing.T, got Answer) {
	t.Helper()
	require.Equal(t, []string{Deletion}, got.Header["Set-Cookie"])
	require.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
}

// RequireNoCookie wants an answer that leaves the browser's cookies alone, and
// that no cache keeps.
func RequireNoCookie(t *testing.T, got Answer) {
	t.Helper()
	require.NotContains(t, got.Header, "Set-Cookie")
	require.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
}
