package site

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Endless is a body that a client would go on sending for ever.
type Endless struct{ Sent atomic.Int64 }

// Read implements [io.Reader].
func (e *Endless) Read(p []byte) (int, error) {
	e.Sent.Add(int64(len(p)))
	return len(p), nil
}

// Raw sends bytes over a TLS connection of HTTP/1 and reads the answer's head.
// The connection stays as it is until the test ends.
func (s *Site) Raw(t *testing.T, request string) Answer {
	t.Helper()
	conn, err := tls.Dial("tcp", s.App.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	return Answer{Response: resp}
}

// Overdue makes the next request one on which Wrap sets the cookie anew, and
// proves it.
func (s *Site) Overdue(b *Browser) {
	s.T.Helper()
	b.Age(5 * time.Minute)
	copied := b.WithCookie(s)
	require.Len(s.T, copied.Get("/").SessionCookies(), 1, "Wrap sets the cookie anew by now")
}
