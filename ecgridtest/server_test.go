package ecgridtest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestTheServerListensOnLoopback(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	u, err := url.Parse(ecgrid.URL)
	require.NoError(t, err)
	assert.Equal(t, "http", u.Scheme)
	assert.Contains(t, []string{"127.0.0.1", "::1"}, u.Hostname())
	assert.Empty(t, u.Path)
	resp, err := http.Get(ecgrid.URL + versionPath)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestTheServerIsClosedWithItsTest(t *testing.T) {
	var closed string
	t.Run("with a server", func(t *testing.T) { closed = ecgridtest.NewServer(t).URL })
	_, err := http.Get(closed + versionPath)
	assert.Error(t, err)
}

func TestTheServerClosesWhileCallsAreUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		fault   ecgridtest.Fault
		endless bool // whether the body stops without an end
	}{
		"hung":                 {fault: ecgridtest.Fault{Hang: true}},
		"delayed":              {fault: ecgridtest.Fault{Delay: time.Hour}},
		"in a body that stops": {endless: true},
	} {
		t.Run(name, func(t *testing.T) {
			const callers = 5
			failed := make(chan error, callers)
			var body io.Reader
			stop := func() error { return nil }
			if c.endless {
				body, stop = pipe()
			}
			var start time.Time
			t.Run("server", func(t *testing.T) {
				ecgrid := ecgridtest.NewServer(t)
				ecgrid.Inject(c.fault)
				for range callers {
					go func() {
						resp, err := http.Post(ecgrid.URL+logoutPath, "application/json", body)
						if err == nil {
							resp.Body.Close()
						}
						failed <- err
					}()
				}
				require.Eventually(t, func() bool { return len(ecgrid.Calls("")) == callers }, 20*time.Second, time.Millisecond)
				start = time.Now()
			})
			assert.Less(t, time.Since(start), 4*time.Second)
			require.NoError(t, stop()) // the client returns only when its body has ended
			for range callers {
				assert.Error(t, <-failed)
			}
		})
	}
}

// Such a call comes in between the cut of the connections and the end of the
// listener, and nothing would cut it then.
func TestACallThatArrivesOnceTheServerClosesDoesNotHang(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{"hang": {Hang: true}, "delay": {Delay: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			var api *ecgridtest.API
			t.Run("server", func(t *testing.T) { api = ecgridtest.NewServer(t).API })
			api.Inject(fault)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, logoutPath, nil)
			assert.PanicsWithValue(t, http.ErrAbortHandler, func() { api.ServeHTTP(httptest.NewRecorder(), r) })
			assert.NoError(t, ctx.Err(), "it was the caller who ended the call")
		})
	}
}

func pipe() (io.Reader, func() error) {
	r, w := io.Pipe()
	return r, w.Close
}
