package ecgridtest_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

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
