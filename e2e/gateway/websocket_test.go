package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// chat puts a WebSocket at /v2/chat of the upstream that echoes, and says goodbye
// by itself when it is told to; ended gets why it ended.
func (s *site) chat() (ended <-chan error) {
	why := make(chan error, 1)
	s.route("/v2/chat", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{"edi"}, OriginPatterns: []string{"*"}, // it sees its own Host, and the browser's Origin
		})
		if err != nil {
			why <- err
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(4 << 20)
		ctx := context.Background() // the connection is the handler's own
		for {
			kind, message, err := conn.Read(ctx)
			if err != nil {
				why <- err
				return
			}
			if string(message) == "goodbye" {
				why <- conn.Close(4001, "as you wish")
				return
			}
			if err := conn.Write(ctx, kind, message); err != nil {
				why <- err
				return
			}
		}
	})
	return why
}

func (b *browser) openChat(path string) (*websocket.Conn, *http.Response, error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	return websocket.Dial(ctx, b.site.app.URL+path, &websocket.DialOptions{
		HTTPClient: b.http, HTTPHeader: http.Header{"Origin": {b.site.app.URL}}, Subprotocols: []string{"edi"},
	})
}

// eachKind runs a property for both kinds of credential: browsers open WebSockets
// over HTTP/1.1.
func eachKind(t *testing.T, property func(t *testing.T, s *site, b *browser)) {
	t.Helper()
	for kind, form := range map[string]url.Values{"bearer": byPassword, "API key": byKey} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			property(t, s, s.browser(false).signIn(form))
		})
	}
}

func TestAWebSocketGoesThroughTheGatewayWithTheCredential(t *testing.T) {
	eachKind(t, func(t *testing.T, s *site, b *browser) {
		ended := s.chat()
		b.addCookie("theme", "dark")
		conn, _, err := b.openChat("/v2/chat")
		require.NoError(t, err)
		defer conn.CloseNow()
		conn.SetReadLimit(4 << 20)
		assert.Equal(t, "edi", conn.Subprotocol())

		require.Len(t, s.passedOn(), 1)
		assert.Len(t, credentialsOf(s.passedOn()[0]), 1)
		assert.Equal(t, []string{"theme=dark"}, s.passedOn()[0]["Cookie"])

		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for _, said := range []string{"hello", strings.Repeat("x", 2<<20), ""} {
			for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
				require.NoError(t, conn.Write(ctx, kind, []byte(said)))
				heardAs, heard, err := conn.Read(ctx)
				require.NoError(t, err)
				assert.Equal(t, kind, heardAs)
				assert.True(t, said == string(heard), "%d of %d bytes", len(heard), len(said))
			}
		}
		require.NoError(t, conn.Write(ctx, websocket.MessageText, []byte("goodbye")))
		_, _, err = conn.Read(ctx)
		var closed websocket.CloseError
		require.ErrorAs(t, err, &closed)
		assert.Equal(t, websocket.CloseError{Code: 4001, Reason: "as you wish"}, closed)
		assert.NoError(t, within(t, ended))
		assert.True(t, b.signedIn())
	})
}

func TestASignOutEndsTheGatewaysWebSocketHereAndAtTheUpstream(t *testing.T) {
	eachKind(t, func(t *testing.T, s *site, b *browser) {
		ended := s.chat()
		conn, _, err := b.openChat("/live/v2/chat")
		require.NoError(t, err)
		defer conn.CloseNow()
		heard := make(chan error, 1)
		go func() {
			_, _, err := conn.Read(t.Context())
			heard <- err
		}()
		b.signOut()
		assert.Error(t, within(t, ended))
		assert.Error(t, within(t, heard))
	})
}

func TestABrowserThatLeavesItsWebSocketEndsItAtTheUpstream(t *testing.T) {
	eachKind(t, func(t *testing.T, s *site, b *browser) {
		ended := s.chat()
		conn, _, err := b.openChat("/v2/chat")
		require.NoError(t, err)
		require.NoError(t, conn.CloseNow())
		assert.Error(t, within(t, ended))
		assert.True(t, b.signedIn())
	})
}

func TestNoAnonymousWebSocketReachesECGrid(t *testing.T) {
	s := newSite(t)
	s.chat()
	signedOut := s.browser(false).signIn(byPassword)
	copied := signedOut.cookie().Value
	signedOut.signOut()
	thief := s.browser(false)
	thief.addCookie(cookieName, copied)
	for name, b := range map[string]*browser{"no cookie": s.browser(false), "signed out": signedOut, "a copy": thief} {
		for _, path := range []string{"/v2/chat", "/live/v2/chat"} {
			_, refused, err := b.openChat(path)
			require.Error(t, err, name)
			require.False(t, errors.Is(err, context.DeadlineExceeded), name)
			assert.Equal(t, http.StatusUnauthorized, refused.StatusCode, name)
		}
	}
	assert.Empty(t, s.passedOn())
}

func TestAnUpgradeThatECGridRefusesComesBackAsItIs(t *testing.T) {
	eachKind(t, func(t *testing.T, s *site, b *browser) {
		s.route("/v2/chat", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not here", http.StatusForbidden) })
		_, refused, err := b.openChat("/v2/chat")
		require.Error(t, err)
		assert.Equal(t, http.StatusForbidden, refused.StatusCode)
		assert.True(t, b.signedIn())
	})
}
