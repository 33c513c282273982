package gateway_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// within returns what arrives on the channel.
func within[T any](t *testing.T, arrives <-chan T) T {
	t.Helper()
	select {
	case v := <-arrives:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing arrives")
		panic("not reached")
	}
}

// events puts server-sent events at /v2/events of the upstream: "hello" and what
// is sent to say. ended gets a value when the upstream loses its reader.
func (s *site) events() (say chan<- string, ended <-chan struct{}) {
	words, gone := make(chan string, 1), make(chan struct{}, 10)
	s.route("/v2/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		word := "hello"
		for {
			fmt.Fprintf(w, "data: %s\n\n", word)
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case word = <-words:
			case <-r.Context().Done():
				gone <- struct{}{}
				return
			}
		}
	})
	return words, gone
}

// watch opens the events and returns them as they arrive; the channel is closed
// at their end.
func (b *browser) watch(ctx context.Context, path string) <-chan string {
	b.t.Helper()
	resp, err := b.try(ctx, http.MethodGet, path, nil)
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, resp.StatusCode)
	arrived := make(chan string, 10)
	go func() {
		defer close(arrived)
		defer resp.Body.Close()
		for scanner := bufio.NewScanner(resp.Body); scanner.Scan(); {
			if text := scanner.Text(); text != "" {
				arrived <- text
			}
		}
	}()
	return arrived
}

func TestServerSentEventsArriveAtOnceThroughTheGateway(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		say, _ := s.events()
		arrived := b.watch(t.Context(), "/v2/events")
		assert.Equal(t, "data: hello", within(t, arrived))
		for _, word := range []string{"one", "two", "three"} {
			say <- word // only when the one before has arrived
			assert.Equal(t, "data: "+word, within(t, arrived))
		}
	})
}

func TestASignOutEndsTheGatewaysStreamHereAndAtTheUpstream(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		_, ended := s.events()
		arrived := b.watch(t.Context(), "/live/v2/events")
		assert.Equal(t, "data: hello", within(t, arrived))
		b.signOut()
		within(t, ended)
		assert.Empty(t, within(t, arrived), "the browser sees the end")
	})
}

func TestAReaderWhoLeavesEndsTheStreamAtTheUpstream(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		_, ended := s.events()
		ctx, leave := context.WithCancel(t.Context())
		assert.Equal(t, "data: hello", within(t, b.watch(ctx, "/v2/events")))
		leave()
		within(t, ended)
		assert.True(t, b.signedIn())
	})
}

// noise is a body that is too large to be kept anywhere by accident, the same
// each time.
const size = 8 << 20

func noise() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), size) }

func sum(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	_, err := io.Copy(h, r)
	assert.NoError(t, err)
	return hex(h)
}

func hex(h hash.Hash) string { return fmt.Sprintf("%x", h.Sum(nil)) }

func TestALargeBodyGoesUpWhileItIsStillBeingWritten(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		begun := make(chan string, 1)
		s.route("/v2/upload", func(w http.ResponseWriter, r *http.Request) {
			first := make([]byte, 5)
			_, err := io.ReadFull(r.Body, first)
			assert.NoError(t, err)
			begun <- string(first)
			io.WriteString(w, sum(t, r.Body))
		})
		reader, writer := io.Pipe()
		go func() {
			io.WriteString(writer, "first")
			assert.Equal(t, "first", <-begun) // only then the rest
			_, err := io.Copy(writer, noise())
			writer.CloseWithError(err)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
		defer cancel()
		resp, err := b.try(ctx, http.MethodPost, "/v2/upload", reader)
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, sum(t, noise()), string(got))
	})
}

func TestALargeAnswerComesDownWhileItIsStillBeingWritten(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		heard := make(chan struct{})
		s.route("/v2/download", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "first")
			http.NewResponseController(w).Flush()
			select {
			case <-heard: // only then the rest
			case <-r.Context().Done():
				return
			}
			io.Copy(w, noise())
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
		defer cancel()
		resp, err := b.try(ctx, http.MethodGet, "/v2/download", nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		first := make([]byte, 5)
		_, err = io.ReadFull(resp.Body, first)
		require.NoError(t, err)
		assert.Equal(t, "first", string(first))
		close(heard)
		assert.Equal(t, sum(t, noise()), sum(t, resp.Body))
	})
}

func TestTrailersComeThroughTheGateway(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		s.route("/v2/sum", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Announced")
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			w.Write(body)
			w.Header().Set("X-Announced", "of "+r.Trailer.Get("X-Up"))
			w.Header().Set(http.TrailerPrefix+"X-Late", "late")
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.app.URL+"/v2/sum", io.NopCloser(strings.NewReader("body")))
		require.NoError(t, err)
		req.Trailer = http.Header{"X-Up": {"up"}}
		resp, err := b.http.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, "body", string(body))
		assert.Equal(t, "of up", resp.Trailer.Get("X-Announced"))
		assert.Equal(t, "late", resp.Trailer.Get("X-Late"))
	})
}
