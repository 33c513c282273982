package stores

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// cookieWith is the value that a store sets for one value of the app.
func cookieWith(t *testing.T, store sessions.Store, theme string) string {
	t.Helper()
	session := sessions.NewSession(store, "app")
	session.Options, session.Values["theme"] = &sessions.Options{MaxAge: 60}, theme
	w := httptest.NewRecorder()
	require.NoError(t, store.Save(httptest.NewRequest(http.MethodGet, "/", nil), w, session))
	return w.Result().Cookies()[0].Value
}

func TestAMoveFromGorillaLeavesItsCookieBehindOurs(t *testing.T) {
	old := site.NewKey(t)
	gorilla := sessions.NewCookieStore(old)
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{ReadAlso: securecookie.CodecsFromPairs(old)})
	// gorilla's has a Domain or another Path, so ours does not replace it.
	theirs, theirsToo, ours := cookieWith(t, gorilla, "old"), cookieWith(t, gorilla, "older"), cookieWith(t, store, "new")
	oursToo := cookieWith(t, store, "newer")
	for name, c := range map[string]struct {
		sent string
		want any // nil for none
	}{
		"gorilla's first":           {"app=" + theirs + "; app=" + ours, "new"},
		"ours first":                {"app=" + ours + "; app=" + theirs, "new"},
		"two of gorilla's and ours": {"app=" + theirs + "; app=" + theirsToo + "; app=" + ours, "new"},
		"gorilla's alone":           {"app=" + theirs, "old"},
		"two of gorilla's":          {"app=" + theirs + "; app=" + theirsToo, nil},
		"two of ours":               {"app=" + ours + "; app=" + oursToo, nil},
		"two of ours, one twice":    {"app=" + ours + "; app=" + oursToo + "; app=" + ours, nil},
		"two of ours and gorilla's": {"app=" + ours + "; app=" + theirs + "; app=" + oursToo, nil},
		"ours twice":                {"app=" + ours + "; app=" + ours, "new"},
		"gorilla's twice":           {"app=" + theirs + "; app=" + theirs, "old"},
		"ours twice and garbage":    {"app=" + ours + "; app=x; app=" + ours, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", c.sent)
			session, err := store.New(r, "app")
			assert.Equal(t, c.want, session.Values["theme"])
			assert.Equal(t, c.want == nil, session.IsNew)
			assert.Equal(t, c.want == nil, err != nil)
		})
	}
}
