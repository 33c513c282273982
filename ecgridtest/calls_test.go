package ecgridtest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestACallIsLoggedWithWhatItWas(t *testing.T) {
	api := newAPI(alice)
	before := time.Now()
	status(api, http.MethodPost, sessionPath+"?verbose=1", apiKey(alice.APIKey), "")
	calls := api.Calls("")
	require.Len(t, calls, 1)
	assert.WithinRange(t, calls[0].At, before, time.Now())
	calls[0].At = time.Time{}
	assert.Equal(t, ecgridtest.Call{Method: "POST", Path: sessionPath, Status: 200, Kind: "apikey"}, calls[0])
}

func TestACallIsLoggedWithTheKindOfItsCredential(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		want   string
	}{
		"none":           {nil, "none"},
		"bearer":         {bearer("unknown"), "bearer"},
		"another scheme": {http.Header{"Authorization": {"Basic YTpi"}}, "bearer"},
		"API key":        {apiKey("unknown"), "apikey"},
		"both":           {http.Header{"Authorization": {"Bearer x"}, "X-Api-Key": {"x"}}, "bearer"},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI()
			status(api, http.MethodPost, sessionPath, c.header, "")
			assert.Equal(t, c.want, api.Calls("")[0].Kind)
		})
	}
}

func TestCallsToUnknownPathsAreLogged(t *testing.T) {
	api := newAPI()
	status(api, http.MethodDelete, "/v1/nothing", nil, "")
	calls := api.Calls("/v1/nothing")
	require.Len(t, calls, 1)
	assert.Equal(t, http.MethodDelete, calls[0].Method)
	assert.Equal(t, http.StatusNotFound, calls[0].Status)
}

func TestCallsAreThoseToOnePathInTheOrderOfArrival(t *testing.T) {
	api := newAPI(alice)
	status(api, http.MethodGet, versionPath, nil, "")
	status(api, http.MethodPost, sessionPath, nil, "")
	status(api, http.MethodGet, versionPath+"/", nil, "")
	status(api, http.MethodPost, sessionPath, apiKey(alice.APIKey), "")
	assert.Equal(t, []int{401, 200}, statuses(api, sessionPath))
	assert.Equal(t, []int{200, 401, 404, 200}, statuses(api, ""))
	assert.Empty(t, api.Calls(loginPath))
}

func TestWhatCallsReturnsIsACopy(t *testing.T) {
	api := newAPI()
	status(api, http.MethodGet, versionPath, nil, "")
	api.Calls("")[0].Path = "changed"
	assert.Equal(t, versionPath, api.Calls("")[0].Path)
}

func TestOnlyTheLatestCallsAreKept(t *testing.T) {
	api := newAPI()
	ecgridtest.SetCallLimit(api, 3)
	for i := range 8 {
		status(api, http.MethodGet, fmt.Sprintf("/%d", i), nil, "")
	}
	var paths []string
	for _, c := range api.Calls("") {
		paths = append(paths, c.Path)
	}
	assert.Equal(t, []string{"/5", "/6", "/7"}, paths)
	assert.Len(t, api.Calls("/6"), 1)
	assert.Empty(t, api.Calls("/4"))
}

func TestALateStatusGoesToNoOtherCall(t *testing.T) {
	api := newAPI()
	ecgridtest.SetCallLimit(api, 2)
	// This call is under way while two others take its place.
	r := httptest.NewRequest(http.MethodPost, "/slow", readerFunc(func() {
		status(api, http.MethodGet, versionPath, nil, "")
		status(api, http.MethodGet, versionPath, nil, "")
	}))
	api.ServeHTTP(httptest.NewRecorder(), r)
	assert.Equal(t, []int{200, 200}, statuses(api, ""))
}

func TestAnAnswerWhoseCallerHasLeftHasNoStatus(t *testing.T) {
	api := newAPI(alice)
	token := api.Issue(alice.ID).Token
	ctx, leave := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, logoutPath, readerFunc(leave))
	r.Header = bearer(token)
	api.ServeHTTP(httptest.NewRecorder(), r)
	assert.Equal(t, []int{0}, statuses(api, logoutPath))
	assert.False(t, works(api, bearer(token)), "the call was handled all the same")
}

func TestTheLogHolds100000CallsOfManyCallersExactly(t *testing.T) {
	api := newAPI()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 10_000 {
				api.ServeHTTP(discard{}, httptest.NewRequest(http.MethodGet, versionPath, nil))
			}
		})
	}
	wg.Wait()
	assert.Len(t, api.Calls(versionPath), 100_000)
}

func TestTheLogHoldsNoSecret(t *testing.T) {
	api := newAPI(alice)
	in := login(t, api, alice)
	status(api, http.MethodPost, sessionPath+"?token="+in.Token, bearer(in.Token), "")
	status(api, http.MethodPost, sessionPath, apiKey(alice.APIKey), "")
	status(api, http.MethodPost, refreshPath, nil, refreshBody(t, in.Token))
	log := fmt.Sprintf("%+v", api.Calls(""))
	for _, secret := range []string{in.Token, alice.APIKey, alice.Password} {
		assert.NotContains(t, log, secret)
	}
}
