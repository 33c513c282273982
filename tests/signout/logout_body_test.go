package signout

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestTheBodyOfASignOutIsNotRead(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		body := &site.Endless{}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.App.URL+"/logout", io.LimitReader(body, 1<<30))
		require.NoError(t, err)
		req.ContentLength = 1 << 30
		resp, err := b.HTTP.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
		site.RequireDeletion(t, site.Answer{Response: resp})
		assert.Less(t, body.Sent.Load(), int64(32<<20), "what net/http and the network buffer, and no more")
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestABodyThatStandsStillDoesNotHoldUpTheAnswer(t *testing.T) {
	for name, framing := range map[string]string{
		"chunked": "Transfer-Encoding: chunked\r\n\r\n7\r\nlogout=\r\n",
		"counted": "Content-Length: 1000\r\n\r\nlogout=",
	} {
		t.Run("HTTP/1.1, "+name, func(t *testing.T) {
			site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
				got := s.Raw(t, "POST /logout HTTP/1.1\r\nHost: app.example\r\nCookie: "+site.Sent(cookie)+"\r\n"+framing)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				site.RequireDeletion(t, got)
				assert.False(t, s.Knows(site.Sent(cookie)))
				assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
			})
		})
	}
	t.Run("HTTP/2", func(t *testing.T) {
		site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
			stalled, feed := io.Pipe()
			defer feed.Close()
			go io.WriteString(feed, "logout=")
			got := s.Browser().Do(http.MethodPost, "/logout", stalled, "Cookie", site.Sent(cookie))
			assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			site.RequireDeletion(t, got)
			assert.False(t, s.Knows(site.Sent(cookie)))
			assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		})
	})
}
