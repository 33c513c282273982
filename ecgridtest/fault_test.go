package ecgridtest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
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

// discard is a ResponseWriter for calls whose answer nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func TestAnInjectedStatusSendsTheEnvelopeThatECGridDocuments(t *testing.T) {
	for _, c := range []struct {
		status int
		header http.Header
		code   string
	}{
		{400, nil, "InvalidParameter"},
		{401, nil, "InvalidSession"},
		{401, bearer("x"), "InvalidSession"},
		{401, apiKey("x"), "InvalidAPIKey"},
		{403, nil, "AccessDenied"},
		{404, nil, "ObjectNotFound"},
		{429, nil, "RateLimitExceeded"},
		{500, nil, "InternalError"},
		{503, nil, ""},
	} {
		t.Run(fmt.Sprint(c.status, c.header), func(t *testing.T) {
			api := newAPI(alice)
			api.Inject(ecgridtest.Fault{Status: c.status})
			got := call(t, api, http.MethodPost, sessionPath, c.header, "")
			assert.Equal(t, c.status, got.Status)
			assert.Equal(t, c.code, got.code())
			assert.Equal(t, "null", string(got.Data))
		})
	}
}

func TestAnInjectedStatusThatECGridDoesNotDocumentHasNoBody(t *testing.T) {
	for _, injected := range []int{200, 204, 301, 405, 502, 504, 999} {
		t.Run(fmt.Sprint(injected), func(t *testing.T) {
			api := newAPI()
			api.Inject(ecgridtest.Fault{Status: injected})
			w := send(api, http.MethodPost, sessionPath, nil, "")
			assert.Equal(t, injected, w.Code)
			assert.Empty(t, w.Body.String())
		})
	}
}

func TestAnInjected429SaysWhenToRetryUnlessTheHeaderDoes(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		want   []string
	}{
		"by default": {nil, []string{"1"}},
		"replaced":   {http.Header{"retry-after": {"1e9"}}, []string{"1e9"}},
		"removed":    {http.Header{"Retry-After": nil}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI()
			api.Inject(ecgridtest.Fault{Status: 429, Header: c.header})
			assert.Equal(t, c.want, send(api, http.MethodPost, logoutPath, nil, "").Result().Header["Retry-After"])
		})
	}
}

func TestAnInjectedBodyIsSentAsItIs(t *testing.T) {
	for name, c := range map[string]struct {
		fault       ecgridtest.Fault
		status      int
		contentType string
	}{
		"JSON":            {ecgridtest.Fault{Body: `{"success":true`}, 200, "application/json"},
		"a gateway's 401": {ecgridtest.Fault{Status: 401, Body: "<html>"}, 401, "text/html; charset=utf-8"},
		"own type":        {ecgridtest.Fault{Status: 502, Body: "bad", Header: http.Header{"content-type": {"text/x"}}}, 502, "text/x"},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI()
			api.Inject(c.fault)
			w := send(api, http.MethodPost, logoutPath, nil, "")
			assert.Equal(t, c.status, w.Code)
			assert.Equal(t, c.fault.Body, w.Body.String())
			assert.Equal(t, []string{c.contentType}, w.Result().Header["Content-Type"])
		})
	}
}

func TestAnInjectedAnswerChangesNothing(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{
		"status":           {Status: 500},
		"a status of 200":  {Status: 200},
		"body":             {Body: `{"success":true,"data":null,"errorCode":null,"message":null}`},
		"delay and status": {Status: 503, Delay: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(alice)
			token := api.Issue(alice.ID).Token
			api.Inject(fault)
			status(api, http.MethodPost, logoutPath, bearer(token), "")
			api.ClearFaults()
			assert.True(t, works(api, bearer(token)))
		})
	}
}

func TestAFaultWithAHeaderAloneAddsItToTheUsualAnswer(t *testing.T) {
	api := newAPI(alice)
	api.Inject(ecgridtest.Fault{Header: http.Header{"X-Extra": {"1"}}})
	got := call(t, api, http.MethodPost, sessionPath, apiKey(alice.APIKey), "")
	assert.Equal(t, http.StatusOK, got.Status)
	assert.Equal(t, "1", got.Header.Get("X-Extra"))
}

func TestAFaultKeepsAHeaderThatTheCallerChangesLater(t *testing.T) {
	api := newAPI()
	header := http.Header{"X-Extra": {"1"}}
	api.Inject(ecgridtest.Fault{Header: header})
	header["X-Extra"][0] = "2"
	assert.Equal(t, "1", send(api, http.MethodGet, versionPath, nil, "").Header().Get("X-Extra"))
}

func TestAFaultIsForItsPathOnly(t *testing.T) {
	api := newAPI()
	api.Inject(ecgridtest.Fault{Path: logoutPath, Status: 500})
	assert.Equal(t, 200, status(api, http.MethodGet, versionPath, nil, ""))
	assert.Equal(t, 404, status(api, http.MethodPost, logoutPath+"/", nil, ""))
	assert.Equal(t, 500, status(api, http.MethodPost, logoutPath+"?a=b", nil, ""))
}

func TestAFaultWithoutAPathIsForEveryPath(t *testing.T) {
	api := newAPI()
	api.Inject(ecgridtest.Fault{Status: 503})
	for _, path := range []string{loginPath, logoutPath, "/nothing"} {
		assert.Equal(t, 503, status(api, http.MethodPost, path, nil, ""))
	}
}

func TestAFaultIsUsedUpAfterItsTimes(t *testing.T) {
	api := newAPI()
	api.Inject(ecgridtest.Fault{Path: versionPath, Times: 2, Status: 500})
	for range 4 {
		status(api, http.MethodGet, versionPath, nil, "")
		status(api, http.MethodPost, loginPath, nil, "") // does not use it up
	}
	assert.Equal(t, []int{500, 500, 200, 200}, statuses(api, versionPath))
}

func TestAFaultWithoutTimesStaysUntilFaultsAreCleared(t *testing.T) {
	api := newAPI()
	api.Inject(ecgridtest.Fault{Status: 500})
	for range 20 {
		require.Equal(t, 500, status(api, http.MethodGet, versionPath, nil, ""))
	}
	api.ClearFaults()
	assert.Equal(t, 200, status(api, http.MethodGet, versionPath, nil, ""))
}

func TestTheFirstFaultThatIsNotUsedUpCounts(t *testing.T) {
	api := newAPI()
	api.Inject(ecgridtest.Fault{Path: loginPath, Status: 400})
	api.Inject(ecgridtest.Fault{Path: versionPath, Times: 1, Status: 500})
	api.Inject(ecgridtest.Fault{Times: 2, Status: 503})
	api.Inject(ecgridtest.Fault{Path: versionPath, Times: 1, Status: 429})
	for range 5 {
		status(api, http.MethodGet, versionPath, nil, "")
	}
	assert.Equal(t, []int{500, 503, 503, 429, 200}, statuses(api, versionPath))
}

func TestConcurrentCallsUseUpAFaultExactly(t *testing.T) {
	api := newAPI()
	api.Inject(ecgridtest.Fault{Times: 30, Status: 500})
	var failed atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if status(api, http.MethodGet, versionPath, nil, "") == 500 {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 30, failed.Load())
}

func TestInjectPanicsOnAFaultThatCannotMeanAnything(t *testing.T) {
	const several = "only one of Hang, Reset, DropAfter, and an answer (Status or Body) can happen to a call"
	for name, c := range map[string]struct {
		fault   ecgridtest.Fault
		message string
	}{
		"path without slash":   {ecgridtest.Fault{Path: "v2/auth/login"}, `no call has the Path "v2/auth/login": it begins with a slash`},
		"negative times":       {ecgridtest.Fault{Times: -1}, "Times must not be negative"},
		"negative delay":       {ecgridtest.Fault{Delay: -1}, "Delay must not be negative"},
		"informational status": {ecgridtest.Fault{Status: 100}, "Status 100 is no status of an answer"},
		"status over 999":      {ecgridtest.Fault{Status: 1000}, "Status 1000 is no status of an answer"},
		"hang and reset":       {ecgridtest.Fault{Hang: true, Reset: true}, several},
		"reset and drop":       {ecgridtest.Fault{Reset: true, DropAfter: true}, several},
		"drop and status":      {ecgridtest.Fault{DropAfter: true, Status: 500}, several},
		"hang and body":        {ecgridtest.Fault{Hang: true, Body: "x"}, several},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI()
			assert.PanicsWithValue(t, "ecgridtest: Inject: "+c.message, func() { api.Inject(c.fault) })
			assert.Equal(t, 200, status(api, http.MethodGet, versionPath, nil, ""), "a refused fault must not be kept")
		})
	}
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
