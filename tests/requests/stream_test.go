package requests

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// openStream lets a visitor hold a stream open; ended tells how long it lasted
// and why it ended.
type openStream struct {
	began time.Time
	ended chan streamEnd
}

type streamEnd struct {
	after time.Duration
	cause error
}

// openStreamOn opens one on a replica; it is open when this returns.
func openStreamOn(v *site.Visitor, r *site.Site) *openStream {
	s := &openStream{began: time.Now(), ended: make(chan streamEnd, 1)}
	handler := r.Middleware.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		ctx, cancel := r.Middleware.EndWithSession(req.Context())
		defer cancel()
		<-ctx.Done()
		s.ended <- streamEnd{time.Since(s.began), context.Cause(ctx)}
	}))
	one := *r
	one.Handler = handler
	go v.Copy().Get(&one, "/stream")
	synctest.Wait()
	return s
}

// isOpen tells whether it has not ended.
func (s *openStream) isOpen() bool {
	synctest.Wait()
	return len(s.ended) == 0
}

// end waits for its end.
func (s *openStream) end(t *testing.T) streamEnd {
	t.Helper()
	select {
	case end := <-s.ended:
		return end
	case <-time.After(24 * time.Hour):
		t.Fatal("the stream is still open")
		return streamEnd{}
	}
}

func TestAStreamEndsAtOnceWithASignOutInThisProcess(t *testing.T) {
	for _, path := range []string{"/logout", "/everywhere"} {
		t.Run(path, func(t *testing.T) {
			site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
				streams := []*openStream{openStreamOn(v, r), openStreamOn(v, r)}
				r.Grid.AddUser(site.Admin)
				same, stranger := r.SignIn(site.Demo), r.SignIn(site.Admin)
				another, theirs := openStreamOn(same, r), openStreamOn(stranger, r)
				v.Post(r, path)
				for _, s := range streams {
					end := s.end(t)
					assert.Zero(t, end.after)
					require.ErrorIs(t, end.cause, ecgridsession.ErrSessionEnded)
				}
				assert.Equal(t, path == "/logout", another.isOpen(), "another session of the user")
				assert.True(t, theirs.isOpen(), "another user's")
				same.Post(r, "/logout") // a bubble ends when all of its goroutines have
				stranger.Post(r, "/logout")
			})
		})
	}
}

func TestAStreamEndsWithinTwoSecondsOfASignOutOnAnotherReplica(t *testing.T) {
	for _, path := range []string{"/logout", "/everywhere"} {
		for wait := time.Duration(0); wait < 1500*time.Millisecond; wait += 300 * time.Millisecond {
			t.Run(path+" after "+wait.String(), func(t *testing.T) {
				site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
					other := r.Replica().AheadBy(time.Minute)
					s := openStreamOn(v, other)
					time.Sleep(time.Minute + wait)
					require.True(t, s.isOpen())
					v.Post(r, path)
					out := time.Since(s.began)
					end := s.end(t)
					assert.LessOrEqual(t, end.after-out, 2*time.Second)
					require.ErrorIs(t, end.cause, ecgridsession.ErrSessionEnded)
				})
			})
		}
	}
}

func TestAStreamEndsAtTheAbsoluteEndAndNotByIdleness(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		end := openStreamOn(v, r).end(t)
		assert.Equal(t, 8*time.Hour, end.after)
		require.ErrorIs(t, end.cause, ecgridsession.ErrSessionEnded)
	})
}

func TestAStreamEndsWhenECGridRefusesTheCredential(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		s := openStreamOn(v, r)
		r.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Status: http.StatusUnauthorized})
		v.Post(r, "/inbox")
		end := s.end(t)
		assert.Zero(t, end.after)
		require.ErrorIs(t, end.cause, ecgridsession.ErrSessionEnded)
	})
}

func TestAStreamEndsWhenTheUserSignsInAgain(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		s := openStreamOn(v, r)
		v.SendForm(t.Context(), r, http.MethodPost, "/login", map[string][]string{"login": {site.Demo.Login}, "password": {site.Demo.Password}})
		assert.Zero(t, s.end(t).after)
	})
}

func TestAStreamOutlastsALedgerThatIsDown(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		s := openStreamOn(v, r)
		r.Ledger.RefuseAll()
		time.Sleep(time.Hour)
		require.True(t, s.isOpen())
		r.Ledger.Recover()
		time.Sleep(time.Minute)
		require.True(t, s.isOpen())
		assert.Equal(t, 8*time.Hour, s.end(t).after)
	})
}

func TestAStreamWithoutASessionIsCancelledFromTheStart(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		assert.ErrorIs(t, openStreamOn((&site.Visitor{}), r).end(t).cause, ecgridsession.ErrNoSession)
		assert.NotErrorIs(t, openStreamOn((&site.Visitor{}), r).end(t).cause, ecgridsession.ErrSessionEnded)

		ctx, cancel := r.Middleware.EndWithSession(t.Context()) // outside of Wrap
		defer cancel()
		assert.ErrorIs(t, context.Cause(ctx), ecgridsession.ErrNoSession)

		ctx, cancel = r.Middleware.EndWithSession(r.Middleware.WithCredential(t.Context(), ecgridsession.Credential{APIKey: site.Demo.APIKey}))
		defer cancel()
		assert.ErrorIs(t, context.Cause(ctx), ecgridsession.ErrNoSession)

		var cause error
		r.Mux.HandleFunc("/late", func(w http.ResponseWriter, req *http.Request) {
			_, err := r.Middleware.Logout(w, req)
			require.NoError(t, err)
			ctx, cancel := r.Middleware.EndWithSession(req.Context())
			defer cancel()
			cause = context.Cause(ctx)
		})
		v.Post(r, "/late")
		assert.ErrorIs(t, cause, ecgridsession.ErrSessionEnded, "it ended within the request")
	})
}

// The session may end between the request's look and the stream's beginning.
func TestAStreamOfASessionThatHasJustEndedElsewhereEndsAtOnce(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		other := r.Replica()
		var after time.Duration
		other.Mux.HandleFunc("/stream", func(_ http.ResponseWriter, req *http.Request) {
			v.Copy().Post(r, "/logout")
			began := time.Now()
			ctx, cancel := other.Middleware.EndWithSession(req.Context())
			defer cancel()
			<-ctx.Done()
			after = time.Since(began)
			assert.ErrorIs(t, context.Cause(ctx), ecgridsession.ErrSessionEnded)
		})
		v.Copy().Get(other, "/stream")
		assert.Zero(t, after)
	})
}

func TestAStreamsParentAndItsCallerEndItToo(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		r.Mux.HandleFunc("/stream", func(_ http.ResponseWriter, req *http.Request) {
			parent, end := context.WithCancelCause(req.Context())
			ctx, cancel := r.Middleware.EndWithSession(parent)
			defer cancel()
			end(io.ErrClosedPipe)
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), io.ErrClosedPipe)

			ctx, cancel = r.Middleware.EndWithSession(req.Context())
			cancel()
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), context.Canceled)
			synctest.Wait()
		})
		v.Get(r, "/stream")
		synctest.Wait() // a goroutine that is left would fail the bubble at its end
	})
}

func TestStreamsAskTheLedgerNoMoreThanOnceEachAndInterval(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		var all []*openStream
		for range 100 {
			all = append(all, openStreamOn(v, r))
		}
		before := r.Ledger.Loads.Load()
		time.Sleep(15 * time.Second)
		assert.InDelta(t, 100*10, r.Ledger.Loads.Load()-before, 100)
		v.Post(r, "/logout")
		for _, s := range all {
			s.end(t)
		}
	})
}

// Server-sent events over the network: flushed one by one as without the
// middleware, until the session ends.
func TestServerSentEventsEndWithTheSession(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		var mu sync.Mutex
		var causes []error
		s.Mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := s.Middleware.EndWithSession(r.Context())
			defer cancel()
			w.Header().Set("Content-Type", "text/event-stream")
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					io.WriteString(w, "data: tick\n\n")
					http.NewResponseController(w).Flush()
				case <-ctx.Done():
					mu.Lock()
					causes = append(causes, context.Cause(ctx))
					mu.Unlock()
					io.WriteString(w, "event: bye\n\n")
					return
				}
			}
		})
		before := runtime.NumGoroutine()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.App.URL+"/events", nil)
		require.NoError(t, err)
		resp, err := b.HTTP.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for range 3 {
			require.True(t, lines.Scan())
			require.Contains(t, "data: tick", lines.Text())
		}
		require.Equal(t, http.StatusSeeOther, b.Post("/logout", nil).StatusCode)
		var last string
		for lines.Scan() {
			if line := lines.Text(); line != "" {
				last = line
			}
		}
		require.NoError(t, lines.Err())
		assert.Equal(t, "event: bye", last)
		mu.Lock()
		require.Len(t, causes, 1)
		require.ErrorIs(t, causes[0], ecgridsession.ErrSessionEnded)
		mu.Unlock()
		_, protocol, _ := strings.Cut(t.Name(), "_over_")
		assert.Contains(t, resp.Proto, protocol)
		require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+4 }, 5*time.Second, 20*time.Millisecond)
	})
}

func TestAStreamEndsWithASignOutThoughTheLedgerIsDown(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignIn(site.Demo)
		stream := openStreamOn(v, r)
		r.Ledger.RefuseAll()
		v.Post(r, "/logout")
		synctest.Wait()
		assert.False(t, stream.isOpen())
	})
}
