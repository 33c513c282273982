package ecgridtest_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// readerFunc is a body that is empty, and tells when it is read.
type readerFunc func()

func (f readerFunc) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// overEachProtocol runs a test with the API behind a real server. The handler
// of the server tells through ended that a call has left the API.
func overEachProtocol(t *testing.T, test func(t *testing.T, api *ecgridtest.API, c *http.Client, url string, ended <-chan struct{})) {
	for _, http2 := range []bool{false, true} {
		name := map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[http2]
		t.Run(name, func(t *testing.T) {
			api := newAPI(alice)
			ended := make(chan struct{}, 100)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { ended <- struct{}{} }()
				api.ServeHTTP(w, r)
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			t.Cleanup(server.Close)
			t.Cleanup(server.CloseClientConnections)
			client := server.Client()
			if !http2 {
				client.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
				client.Transport.(*http.Transport).TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			}
			resp, err := client.Get(server.URL + "/probe")
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, http2, resp.ProtoMajor == 2)
			<-ended
			test(t, api, client, server.URL, ended)
		})
	}
}

func post(ctx context.Context, c *http.Client, url, token, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return c.Do(r)
}

func awaitEnd(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		require.Fail(t, "the call has not ended")
	}
}

func TestAResetCutsTheConnectionAndHandlesNothing(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Millisecond} {
		overEachProtocol(t, func(t *testing.T, api *ecgridtest.API, c *http.Client, url string, ended <-chan struct{}) {
			token := api.Issue(alice.ID).Token
			api.Inject(ecgridtest.Fault{Path: logoutPath, Reset: true, Delay: delay})
			_, err := post(t.Context(), c, url+logoutPath, token, "")
			require.Error(t, err)
			awaitEnd(t, ended)
			assert.True(t, works(api, bearer(token)))
			assert.Equal(t, []int{0}, statuses(api, logoutPath))
		})
	}
}

func TestAResetDoesNotWaitForTheBody(t *testing.T) {
	api := newAPI()
	api.Inject(ecgridtest.Fault{Reset: true})
	r := httptest.NewRequest(http.MethodPost, loginPath, readerFunc(func() { t.Error("the body was read") }))
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() { api.ServeHTTP(httptest.NewRecorder(), r) })
}

func TestADroppedAnswerLeavesItsEffects(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, api *ecgridtest.API, c *http.Client, url string, ended <-chan struct{}) {
		token := api.Issue(alice.ID).Token
		api.Inject(ecgridtest.Fault{Path: refreshPath, Times: 1, DropAfter: true})
		_, err := post(t.Context(), c, url+refreshPath, token, refreshBody(t, token))
		require.Error(t, err)
		awaitEnd(t, ended)
		assert.False(t, works(api, bearer(token)), "the old token must be dead")
		assert.Equal(t, 1, api.LiveTokens(alice.ID), "a new token must live")
		assert.Equal(t, []int{0}, statuses(api, refreshPath))
	})
}

func TestAHungCallEndsWhenTheCallerGoesAway(t *testing.T) {
	for name, body := range map[string]string{"small body": "{}", "too large a body": strings.Repeat(" ", 3<<20)} {
		t.Run(name, func(t *testing.T) {
			overEachProtocol(t, func(t *testing.T, api *ecgridtest.API, c *http.Client, url string, ended <-chan struct{}) {
				token := api.Issue(alice.ID).Token
				api.Inject(ecgridtest.Fault{Path: logoutPath, Hang: true})
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				_, err := post(ctx, c, url+logoutPath, token, body)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				awaitEnd(t, ended)
				assert.True(t, works(api, bearer(token)), "a hung call must not be handled")
				assert.Equal(t, []int{0}, statuses(api, logoutPath))
			})
		})
	}
}

func TestADelayedCallIsNotHandledWhenTheCallerGoesAway(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, api *ecgridtest.API, c *http.Client, url string, ended <-chan struct{}) {
		token := api.Issue(alice.ID).Token
		api.Inject(ecgridtest.Fault{Path: logoutPath, Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := post(ctx, c, url+logoutPath, token, "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		awaitEnd(t, ended)
		assert.True(t, works(api, bearer(token)))
		assert.Equal(t, []int{0}, statuses(api, logoutPath))
	})
}

func TestADelayedCallIsHandledAfterTheDelay(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, api *ecgridtest.API, c *http.Client, url string, ended <-chan struct{}) {
		token := api.Issue(alice.ID).Token
		api.Inject(ecgridtest.Fault{Path: logoutPath, Delay: 50 * time.Millisecond})
		start := time.Now()
		resp, err := post(t.Context(), c, url+logoutPath, token, "")
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
		assert.Equal(t, 200, resp.StatusCode)
		assert.False(t, works(api, bearer(token)))
	})
}

func TestAContentLengthOverTheBodyBreaksTheAnswerOff(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, api *ecgridtest.API, c *http.Client, url string, ended <-chan struct{}) {
		api.Inject(ecgridtest.Fault{Status: 200, Body: `{"success":true`, Header: http.Header{"Content-Length": {"100"}}})
		resp, err := post(t.Context(), c, url+logoutPath, "x", "")
		require.NoError(t, err)
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		assert.Error(t, err)
		assert.Equal(t, `{"success":true`, string(got))
	})
}

func TestACallIsLoggedWhileItIsUnderWay(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.Inject(ecgridtest.Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := post(ctx, http.DefaultClient, ecgrid.URL+logoutPath, "x", ""); err == nil {
			t.Error("a hung call was answered")
		}
	}()
	assert.Eventually(t, func() bool { return len(ecgrid.Calls(logoutPath)) == 1 }, 20*time.Second, time.Millisecond)
	assert.Equal(t, []int{0}, statuses(ecgrid.API, logoutPath))
	cancel()
	<-done
}

func TestTheStatusIsInTheLogBeforeTheAnswerIsOut(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	// So large that it cannot be out while nobody has read it.
	ecgrid.Inject(ecgridtest.Fault{Body: strings.Repeat(" ", 64<<20)})
	resp, err := http.Get(ecgrid.URL + versionPath)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, []int{200}, statuses(ecgrid.API, versionPath))
}
