package ecgridtest_test

import (
	"io"
	"net/http"
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
		fault ecgridtest.Fault
		body  func() io.Reader
	}{
		"hung":                 {ecgridtest.Fault{Hang: true}, func() io.Reader { return nil }},
		"delayed":              {ecgridtest.Fault{Delay: time.Hour}, func() io.Reader { return nil }},
		"in a body that stops": {ecgridtest.Fault{}, func() io.Reader { r, _ := io.Pipe(); return r }},
	} {
		t.Run(name, func(t *testing.T) {
			const callers = 5
			failed := make(chan error, callers)
			var start time.Time
			t.Run("server", func(t *testing.T) {
				ecgrid := ecgridtest.NewServer(t)
				ecgrid.Inject(c.fault)
				for range callers {
					go func() {
						resp, err := http.Post(ecgrid.URL+logoutPath, "application/json", c.body())
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
			for range callers {
				assert.Error(t, <-failed)
			}
		})
	}
}
