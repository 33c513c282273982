package tests

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
	"github.com/ecgrid-contrib/ecgridsession/internal/inside"
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

// stream opens one on a replica; it is open when this returns.
func (v *visitor) stream(r *replica) *openStream {
	s := &openStream{began: time.Now(), ended: make(chan streamEnd, 1)}
	handler := r.m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		ctx, cancel := r.m.EndWithSession(req.Context())
		defer cancel()
		<-ctx.Done()
		s.ended <- streamEnd{time.Since(s.began), context.Cause(ctx)}
	}))
	one := *r
	one.app = handler
	go v.copy().get(&one, "/stream")
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

// eachKind runs a property with a visitor of each kind, in a bubble.
func eachKind(t *testing.T, property func(t *testing.T, c *cluster, r *replica, v *visitor)) {
	t.Helper()
	for _, kind := range []string{"token in the cookie", "token in the ledger", "API key"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				if kind == "token in the ledger" {
					c.change = inLedger
				}
				r := c.replica()
				if kind == "API key" {
					property(t, c, r, r.signInByKey(demo))
				} else {
					property(t, c, r, r.signIn(demo))
				}
			})
		})
	}
}

func TestAStreamEndsAtOnceWithASignOutInThisProcess(t *testing.T) {
	for _, path := range []string{"/logout", "/everywhere"} {
		t.Run(path, func(t *testing.T) {
			eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
				streams := []*openStream{v.stream(r), v.stream(r)}
				c.api.AddUser(admin)
				same, stranger := r.signIn(demo), r.signIn(admin)
				another, theirs := same.stream(r), stranger.stream(r)
				v.post(r, path)
				for _, s := range streams {
					end := s.end(t)
					assert.Zero(t, end.after)
					require.ErrorIs(t, end.cause, ecgridsession.ErrSessionEnded)
				}
				assert.Equal(t, path == "/logout", another.isOpen(), "another session of the user")
				assert.True(t, theirs.isOpen(), "another user's")
				same.post(r, "/logout") // a bubble ends when all of its goroutines have
				stranger.post(r, "/logout")
			})
		})
	}
}

func TestAStreamEndsWithinTwoSecondsOfASignOutOnAnotherReplica(t *testing.T) {
	for _, path := range []string{"/logout", "/everywhere"} {
		for wait := time.Duration(0); wait < 1500*time.Millisecond; wait += 300 * time.Millisecond {
			t.Run(path+" after "+wait.String(), func(t *testing.T) {
				eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
					other := c.replica().aheadBy(time.Minute)
					s := v.stream(other)
					time.Sleep(time.Minute + wait)
					require.True(t, s.isOpen())
					v.post(r, path)
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
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		end := v.stream(r).end(t)
		assert.Equal(t, 8*time.Hour, end.after)
		require.ErrorIs(t, end.cause, ecgridsession.ErrSessionEnded)
	})
}

func TestAStreamEndsWhenECGridRefusesTheCredential(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		s := v.stream(r)
		c.api.Inject(ecgridtest.Fault{Path: inboxCall, Status: http.StatusUnauthorized})
		v.post(r, "/call")
		end := s.end(t)
		assert.Zero(t, end.after)
		require.ErrorIs(t, end.cause, ecgridsession.ErrSessionEnded)
	})
}

func TestAStreamEndsWhenTheUserSignsInAgain(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		s := v.stream(r)
		v.sendForm(t.Context(), r, http.MethodPost, "/login", map[string][]string{"login": {demo.Login}, "password": {demo.Password}})
		assert.Zero(t, s.end(t).after)
	})
}

func TestAStreamOutlastsALedgerThatIsDown(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		s := v.stream(r)
		c.ledger.refuseAll()
		time.Sleep(time.Hour)
		require.True(t, s.isOpen())
		c.ledger.recover()
		time.Sleep(time.Minute)
		require.True(t, s.isOpen())
		assert.Equal(t, 8*time.Hour, s.end(t).after)
	})
}

func TestAStreamWithoutASessionIsCancelledFromTheStart(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		assert.ErrorIs(t, (&visitor{}).stream(r).end(t).cause, ecgridsession.ErrNoSession)
		assert.NotErrorIs(t, (&visitor{}).stream(r).end(t).cause, ecgridsession.ErrSessionEnded)

		ctx, cancel := r.m.EndWithSession(t.Context()) // outside of Wrap
		defer cancel()
		assert.ErrorIs(t, context.Cause(ctx), ecgridsession.ErrNoSession)

		ctx, cancel = r.m.EndWithSession(r.m.WithCredential(t.Context(), ecgridsession.Credential{APIKey: demo.APIKey}))
		defer cancel()
		assert.ErrorIs(t, context.Cause(ctx), ecgridsession.ErrNoSession)

		var cause error
		r.mux.HandleFunc("/late", func(w http.ResponseWriter, req *http.Request) {
			_, err := r.m.Logout(w, req)
			require.NoError(t, err)
			ctx, cancel := r.m.EndWithSession(req.Context())
			defer cancel()
			cause = context.Cause(ctx)
		})
		v.post(r, "/late")
		assert.ErrorIs(t, cause, ecgridsession.ErrSessionEnded, "it ended within the request")
	})
}

// The session may end between the request's look and the stream's beginning.
func TestAStreamOfASessionThatHasJustEndedElsewhereEndsAtOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		other := c.replica()
		var after time.Duration
		other.mux.HandleFunc("/stream", func(_ http.ResponseWriter, req *http.Request) {
			v.copy().post(r, "/logout")
			began := time.Now()
			ctx, cancel := other.m.EndWithSession(req.Context())
			defer cancel()
			<-ctx.Done()
			after = time.Since(began)
			assert.ErrorIs(t, context.Cause(ctx), ecgridsession.ErrSessionEnded)
		})
		v.copy().get(other, "/stream")
		assert.Zero(t, after)
	})
}

func TestAStreamsParentAndItsCallerEndItToo(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		r.mux.HandleFunc("/stream", func(_ http.ResponseWriter, req *http.Request) {
			parent, end := context.WithCancelCause(req.Context())
			ctx, cancel := r.m.EndWithSession(parent)
			defer cancel()
			end(io.ErrClosedPipe)
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), io.ErrClosedPipe)

			ctx, cancel = r.m.EndWithSession(req.Context())
			cancel()
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), context.Canceled)
			synctest.Wait()
		})
		v.get(r, "/stream")
		synctest.Wait() // a goroutine that is left would fail the bubble at its end
		assert.Zero(t, inside.Of(r.m).Ledger.OpenStreams(), "no memory of it is left")
	})
}

func TestStreamsAskTheLedgerNoMoreThanOnceEachAndInterval(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		var all []*openStream
		for range 100 {
			all = append(all, v.stream(r))
		}
		before := c.ledger.loads.Load()
		time.Sleep(15 * time.Second)
		assert.InDelta(t, 100*10, c.ledger.loads.Load()-before, 100)
		v.post(r, "/logout")
		for _, s := range all {
			s.end(t)
		}
	})
}

// Server-sent events over the network: flushed one by one as without the
// middleware, until the session ends.
func TestServerSentEventsEndWithTheSession(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		var mu sync.Mutex
		var causes []error
		s.mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := s.m.EndWithSession(r.Context())
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
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.app.URL+"/events", nil)
		require.NoError(t, err)
		resp, err := b.http.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for range 3 {
			require.True(t, lines.Scan())
			require.Contains(t, "data: tick", lines.Text())
		}
		require.Equal(t, http.StatusSeeOther, b.post("/logout", nil).StatusCode)
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
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		stream := v.stream(r)
		c.ledger.refuseAll()
		v.post(r, "/logout")
		synctest.Wait()
		assert.False(t, stream.isOpen())
	})
}
