package cookies

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// Frames of HTTP/2 (RFC 9113, 6) that a test reads or writes by hand.
const (
	frameData     = 0
	frameHeaders  = 1
	frameReset    = 3
	frameSettings = 4
	frameGoAway   = 7
)

func frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
	head = append(head, kind, flags)
	return string(binary.BigEndian.AppendUint32(head, stream)) + payload
}

// headerField is one as HPACK has it without compression (RFC 7541, 6.2.2), for
// values of any bytes: no client sends them.
func headerField(name, value string) string {
	length := string([]byte{byte(len(value))})
	if n := len(value) - 127; n >= 0 {
		length = "\x7f" + string(binary.AppendUvarint(nil, uint64(n)))
	}
	return "\x00" + string([]byte{byte(len(name))}) + name + length + value
}

// getOverFrames sends a GET of the site's page with a Cookie line as it is, and
// gives what comes back: the body, or whether the server refused the request.
func getOverFrames(s *site.Site, t *testing.T, line string) (body string, refused bool) {
	t.Helper()
	conn, err := tls.Dial("tcp", s.App.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(site.Patience)))
	fields := headerField(":method", "GET") + headerField(":scheme", "https") + headerField(":authority", "app.example") +
		headerField(":path", "/") + headerField("cookie", line)
	const endStream, endHeaders = 1, 4
	_, err = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+frame(frameSettings, 0, 0, "")+
		frame(frameHeaders, endStream|endHeaders, 1, fields))
	require.NoError(t, err)
	for {
		var head [9]byte
		_, err := io.ReadFull(conn, head[:])
		require.NoError(t, err)
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		_, err = io.ReadFull(conn, payload)
		require.NoError(t, err)
		switch kind, flags := head[3], head[4]; {
		case kind == frameReset || kind == frameGoAway:
			return body, true
		case kind == frameData:
			body += string(payload)
			if flags&endStream != 0 {
				return body, false
			}
		}
	}
}

func TestNULInACookieOverHTTP2IsRefusedByTheServer(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		body, refused := getOverFrames(s, t, site.Sent(cookie))
		require.False(t, refused, "without NUL it is a request as any other")
		require.Equal(t, "user demo", body)
		for name, c := range spellingsOf(cookie) {
			if strings.Contains(c.line, "\x00") {
				_, refused := getOverFrames(s, t, c.line)
				assert.True(t, refused, name)
			}
		}
		_, refused = getOverFrames(s, t, site.Sent(cookie)+"\x00")
		assert.True(t, refused, "NUL at the end")
	})
}
