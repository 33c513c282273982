package outbound

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// panickingBase passes calls on, and panics at those to one path for so many times: in the call, or when the body of its
// answer is read.
type panickingBase struct {
	next   http.RoundTripper
	path   string
	inBody bool
	left   atomic.Int64
}

func (b *panickingBase) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != b.path || b.left.Add(-1) < 0 {
		return b.next.RoundTrip(r)
	}
	if b.inBody {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: panickingBody{}}, nil
	}
	panic("canary-panic")
}

type panickingBody struct{}

func (panickingBody) Read([]byte) (int, error) { panic("canary-panic") }
func (panickingBody) Close() error             { return nil }

// eachPanic runs a property in a bubble with a BaseTransport that panics. No server would catch a panic in a goroutine of the
// library's: it would end the process, and this test with it.
func eachPanic(t *testing.T, path string, property func(t *testing.T, s *site.Site, base *panickingBase)) {
	t.Helper()
	for _, where := range []string{"in the call", "in the body"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &panickingBase{path: path, inBody: where == "in the body"}
				s := site.New(t, site.InProcess(), site.With(func(cfg *ecgridsession.Config) {
					base.next = cfg.BaseTransport
					cfg.BaseTransport = base
				}))
				property(t, s, base)
				assert.Contains(t, s.Logs.String(), "Config.BaseTransport panicked")
				assert.NotContains(t, s.Logs.String(), "canary-panic")
			})
		})
	}
}

func TestAPanicInARefreshCostsOneTry(t *testing.T) {
	eachPanic(t, site.RefreshCall, func(t *testing.T, s *site.Site, base *panickingBase) {
		v := s.SignIn(site.Demo)
		time.Sleep(14 * time.Minute)
		base.left.Store(1)
		v.Get(s, "/private")
		assert.Len(t, s.Events.Of(ecgridsession.RefreshFailed), 1)
		time.Sleep(10 * time.Second) // past the backoff
		assert.Equal(t, http.StatusOK, v.Get(s, "/inbox").StatusCode)
		assert.Len(t, s.Events.Of(ecgridsession.SessionRefreshed), 1)
	})
}

func TestAPanicInARevocationCostsOneTry(t *testing.T) {
	eachPanic(t, site.LogoutCall, func(t *testing.T, s *site.Site, base *panickingBase) {
		v := s.SignIn(site.Demo)
		base.left.Store(2) // in the request, and in the background
		assert.Equal(t, http.StatusSeeOther, v.Post(s, "/logout").StatusCode)
		time.Sleep(time.Minute)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		assert.Len(t, s.Events.Of(ecgridsession.RevocationDone), 1)
	})
}

func TestAPanicAtSignInIsAnOutage(t *testing.T) {
	eachPanic(t, site.LoginCall, func(t *testing.T, s *site.Site, base *panickingBase) {
		base.left.Store(1)
		r, err := http.NewRequest(http.MethodPost, "https://app.example/login", nil)
		require.NoError(t, err)
		_, err = s.Middleware.Login(nopWriter{}, r, site.Demo.Login, site.Demo.Password)
		var upstream *ecgridsession.UpstreamError
		require.ErrorAs(t, err, &upstream)
		assert.Zero(t, upstream.StatusCode)
		s.SignIn(site.Demo)
	})
}

type nopWriter struct{}

func (nopWriter) Header() http.Header         { return http.Header{} }
func (nopWriter) Write(p []byte) (int, error) { return io.Discard.Write(p) }
func (nopWriter) WriteHeader(int)             {}
