//go:build unix

package nginx_test

import (
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// documented is the configuration that docs/proxies.md shows.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/proxies.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindAllSubmatch(page, -1)
	require.Len(t, blocks, 1)
	return string(blocks[0][1])
}

func TestTheDocumentedConfigurationServesEveryBrowser(t *testing.T) {
	eachWay(t, documented(t), func(t *testing.T, s *site, b *browser) {
		say, ended := s.events(unbuffered...)
		arrived := b.watch(t.Context())
		assert.Equal(t, "data: demo", next(t, arrived))
		say("one")
		assert.Equal(t, "data: one", next(t, arrived))

		assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)
		assert.Equal(t, http.StatusForbidden, b.post("/logout", nil, fromAway...).StatusCode)
		assert.Equal(t, http.StatusForbidden, b.post("/logout", nil, fromAwayOld...).StatusCode)
		assert.Equal(t, http.StatusSeeOther, b.post("/logout", nil, fromHereOld...).StatusCode)
		assert.False(t, b.signedIn())
		assert.ErrorContains(t, endedWith(t, ended), "session has ended")
	})
}

func TestTheDocumentedConfigurationTakesEveryTokenAndWebSockets(t *testing.T) {
	for _, size := range []int{400, 3 << 10, 3900, 3980, 4 << 10, 8 << 10} {
		s := newSite(t, documented(t))
		s.chat()
		s.headers("/page", 1200)
		s.grid.SetTokenSize(size)
		b := s.browser(false).signIn(byPassword)
		assert.Equal(t, "signed in", b.get("/page").body, size)

		conn, _, err := b.openChat(appURL)
		require.NoError(t, err, size)
		require.Equal(t, http.StatusSeeOther, b.post("/logout", nil).StatusCode)
		_, _, err = conn.Read(t.Context())
		assert.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err), err)
		assert.Empty(t, s.proxy.errors(t))
	}
}
