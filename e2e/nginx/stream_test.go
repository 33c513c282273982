//go:build unix

package nginx_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// events puts server-sent events at /events, behind Require: the user's name and
// then whatever is sent to say, until the session ends or the reader leaves; ended
// gets why.
func (s *site) events(header ...string) (say func(word string), ended <-chan error) {
	words, why := make(chan string), make(chan error, 1)
	s.mux.Handle("/events", s.m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := s.m.EndWithSession(r.Context())
		defer cancel()
		defer func() { why <- context.Cause(ctx) }()
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		session, _ := s.m.Session(ctx)
		word := session.Login
		for {
			fmt.Fprintf(w, "data: %s\n\n", word)
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case word = <-words:
			case <-ctx.Done():
				return
			}
		}
	})))
	say = func(word string) {
		s.t.Helper()
		select {
		case words <- word:
		case <-time.After(patience):
			require.FailNow(s.t, "nobody is there to say it")
		}
	}
	return say, why
}

var unbuffered = []string{"X-Accel-Buffering", "no"}

// watch opens the events and returns them as they arrive.
func (b *browser) watch(ctx context.Context) <-chan string {
	b.t.Helper()
	resp, err := b.try(ctx, http.MethodGet, "/events", nil)
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, resp.StatusCode)
	b.t.Cleanup(func() { resp.Body.Close() })
	return lines(resp.Body)
}

func endedWith(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		require.FailNow(t, "the handler goes on")
		return nil
	}
}

func TestServerSentEventsArriveAtOnceBehindNginx(t *testing.T) {
	eachWay(t, bare, func(t *testing.T, s *site, b *browser) {
		say, _ := s.events(unbuffered...)
		arrived := b.watch(t.Context())
		assert.Equal(t, "data: demo", next(t, arrived))
		for _, word := range []string{"one", "two", "three"} {
			say(word) // only when the one before has arrived
			assert.Equal(t, "data: "+word, next(t, arrived))
		}
	})
}

func TestEventsAreHeldBackUnlessTheAppOrNginxSaysOtherwise(t *testing.T) {
	for name, c := range map[string]struct {
		locations string
		header    []string
		held      bool
	}{
		"nginx's default":                           {bare, nil, true},
		"the app's header":                          {bare, unbuffered, false},
		"proxy_buffering off":                       {with("proxy_buffering off;"), nil, false},
		"HTTP/1.1 to the app, and the app's header": {with("proxy_http_version 1.1;"), unbuffered, false},
		"X-Accel-Buffering yes":                     {with("proxy_buffering off;"), []string{"X-Accel-Buffering", "yes"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some wait for what does not come
			s := newSite(t, c.locations)
			say, _ := s.events(c.header...)
			b := s.browser(true).signIn(byPassword)
			if !c.held {
				assert.Equal(t, "data: demo", next(t, b.watch(t.Context())))
				return
			}
			arrived := make(chan string, 1)
			go func() {
				defer close(arrived)
				// The header, too, is held back.
				resp, err := b.try(t.Context(), http.MethodGet, "/events", nil)
				if !assert.NoError(t, err) {
					return
				}
				defer resp.Body.Close()
				line, err := bufio.NewReader(resp.Body).ReadString('\n')
				assert.NoError(t, err)
				arrived <- line
			}()
			select {
			case line := <-arrived:
				assert.Fail(t, "not held back", line)
			case <-time.After(time.Second):
			}
			say(strings.Repeat("x", 1<<20)) // more than the buffers hold
			assert.Equal(t, "data: demo\n", next(t, arrived), "then all of it comes")
		})
	}
}

func TestASignOutEndsTheStreamBehindNginx(t *testing.T) {
	eachWay(t, bare, func(t *testing.T, s *site, b *browser) {
		_, ended := s.events(unbuffered...)
		arrived := b.watch(t.Context())
		next(t, arrived)
		require.Equal(t, http.StatusSeeOther, b.post("/logout", nil, fromHere...).StatusCode)
		assert.ErrorContains(t, endedWith(t, ended), "session has ended")
		for line := range arrived { // until the browser sees the end
			assert.Fail(t, "an event after the sign-out", line)
		}
	})
}

func TestTheHandlerOfAStreamEndsWithItsReaderBehindNginx(t *testing.T) {
	eachWay(t, bare, func(t *testing.T, s *site, b *browser) {
		_, ended := s.events(unbuffered...)
		ctx, leave := context.WithCancel(t.Context())
		next(t, b.watch(ctx))
		leave()
		assert.ErrorIs(t, endedWith(t, ended), context.Canceled)
		assert.True(t, b.signedIn())
	})
}

// chat puts a WebSocket at /ws, behind Require, that echoes until the session
// ends.
func (s *site) chat() {
	s.mux.Handle("/ws", s.m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := s.m.EndWithSession(r.Context())
		defer cancel()
		conn, err := websocket.Accept(w, r, nil) // which compares Origin with Host
		if err != nil {
			return
		}
		defer conn.CloseNow()
		defer context.AfterFunc(ctx, func() { conn.Close(websocket.StatusPolicyViolation, "signed out") })()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	})))
}

const upgrading = hostKept + `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;`

func (b *browser) openChat(origin string) (*websocket.Conn, *http.Response, error) {
	client := *b.http
	client.Timeout = 0
	return websocket.Dial(b.t.Context(), b.at+"/ws", &websocket.DialOptions{
		HTTPClient: &client, HTTPHeader: http.Header{"Origin": {origin}},
	})
}

func TestAWebSocketBehindNginxEndsWithItsSession(t *testing.T) {
	for kind, form := range map[string]map[string][]string{"bearer": byPassword, "API key": byKey} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, with(upgrading))
			s.chat()
			b := s.browser(false) // browsers open a connection of HTTP/1.1 for it
			_, refused, err := b.openChat(appURL)
			require.Error(t, err)
			assert.Equal(t, http.StatusUnauthorized, refused.StatusCode, "anonymous")

			b.signIn(form)
			conn, _, err := b.openChat(appURL)
			require.NoError(t, err)
			defer conn.CloseNow()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for _, size := range []int{5, 20 << 10} {
				said := strings.Repeat("x", size)
				require.NoError(t, conn.Write(ctx, websocket.MessageText, []byte(said)))
				_, heard, err := conn.Read(ctx)
				require.NoError(t, err)
				assert.Equal(t, said, string(heard))
			}
			require.Equal(t, http.StatusSeeOther, b.post("/logout", nil, fromHere...).StatusCode)
			_, _, err = conn.Read(ctx)
			assert.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err), err)
		})
	}
}

// The app's own matter, for which it needs the host: see docs/proxies.md.
func TestAWebSocketOfAnotherSitesPageIsRefusedByItsOrigin(t *testing.T) {
	s := newSite(t, with(upgrading))
	s.chat()
	b := s.browser(false).signIn(byPassword)
	_, refused, err := b.openChat("https://evil.example")
	require.Error(t, err)
	assert.Equal(t, http.StatusForbidden, refused.StatusCode)
}

func TestALargeAnswerComesThroughWhole(t *testing.T) {
	const size = 20 << 20
	eachWay(t, bare, func(t *testing.T, s *site, b *browser) {
		s.mux.Handle("/file", s.m.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.Copy(w, io.LimitReader(zeros{}, size))
		})))
		resp, err := b.try(t.Context(), http.MethodGet, "/file", nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		n, err := io.Copy(io.Discard, resp.Body)
		assert.NoError(t, err)
		assert.EqualValues(t, size, n)
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
