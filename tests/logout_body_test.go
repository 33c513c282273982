package tests

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// endless is a body that a client would go on sending for ever.
type endless struct{ sent atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.sent.Add(int64(len(p)))
	return len(p), nil
}

func TestTheBodyOfASignOutIsNotRead(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		body := &endless{}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.app.URL+"/logout", io.LimitReader(body, 1<<30))
		require.NoError(t, err)
		req.ContentLength = 1 << 30
		resp, err := b.http.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
		requireDeletion(t, answer{Response: resp})
		assert.Less(t, body.sent.Load(), int64(32<<20), "what net/http and the network buffer, and no more")
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
}

func TestABodyThatStandsStillDoesNotHoldUpTheAnswer(t *testing.T) {
	for name, framing := range map[string]string{
		"chunked": "Transfer-Encoding: chunked\r\n\r\n7\r\nlogout=\r\n",
		"counted": "Content-Length: 1000\r\n\r\nlogout=",
	} {
		t.Run("HTTP/1.1, "+name, func(t *testing.T) {
			bothKinds(t, func(t *testing.T, s *site, cookie string) {
				got := s.raw(t, "POST /logout HTTP/1.1\r\nHost: app.example\r\nCookie: "+sent(cookie)+"\r\n"+framing)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				requireDeletion(t, got)
				assert.False(t, s.known(sent(cookie)))
				assert.Zero(t, s.grid.LiveTokens(demo.ID))
			})
		})
	}
	t.Run("HTTP/2", func(t *testing.T) {
		bothKinds(t, func(t *testing.T, s *site, cookie string) {
			stalled, feed := io.Pipe()
			defer feed.Close()
			go io.WriteString(feed, "logout=")
			got := s.browser().do(http.MethodPost, "/logout", stalled, "Cookie", sent(cookie))
			assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			requireDeletion(t, got)
			assert.False(t, s.known(sent(cookie)))
			assert.Zero(t, s.grid.LiveTokens(demo.ID))
		})
	})
}

// raw sends bytes over a TLS connection of HTTP/1 and reads the answer's head.
// The connection stays as it is until the test ends.
func (s *site) raw(t *testing.T, request string) answer {
	t.Helper()
	conn, err := tls.Dial("tcp", s.app.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	return answer{Response: resp}
}
