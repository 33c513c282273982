package outbound

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// visits notes every request that a server gets.
type visits struct {
	mu   sync.Mutex
	seen []string
}

func (v *visits) note(r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what has come is what counts
	var dump strings.Builder
	dump.WriteString(r.Method + " " + r.URL.String() + "\n")
	r.Header.Write(&dump)
	dump.Write(body)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen = append(v.seen, dump.String())
}

func (v *visits) all() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.seen...)
}

// redirectStatuses are all that lead elsewhere; 307 and 308 take the body along.
var redirectStatuses = []int{301, 302, 303, 307, 308}

func TestARedirectElsewhereGetsNothing(t *testing.T) {
	var evil visits
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		evil.note(r)
		// And back again: good, evil, good.
		w.Header().Set("Location", r.URL.Query().Get("back"))
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	t.Cleanup(elsewhere.Close)

	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for name, client := range map[string]*http.Client{
			"the middleware's client": s.Middleware.Client(),
			"any other client":        {Transport: s.Middleware.Transport(nil)},
		} {
			for _, status := range redirectStatuses {
				before := len(s.Grid.Calls(site.InboxCall))
				s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: status,
					Header: http.Header{"Location": {elsewhere.URL + "/?back=" + s.Grid.URL + site.InboxCall}}})
				b.During(func(_ http.ResponseWriter, r *http.Request) {
					req := site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "canary-body")
					req.Header.Set("Cookie", "app=canary-cookie")
					resp, err := client.Do(req)
					if resp != nil {
						assert.NoError(t, resp.Body.Close())
					}
					assert.ErrorIs(t, err, ecgridsession.ErrOtherOrigin, "%s, %d", name, status)
				})
				assert.Len(t, s.Grid.Calls(site.InboxCall), before+1, "%s, %d", name, status)
			}
		}
		assert.Empty(t, evil.all())
		assert.True(t, b.SignedIn())
	})
}

// The client's own rule holds also where an app has put another transport into
// it: what it would send elsewhere is the body.
func TestTheClientItselfLeadsNowhereElse(t *testing.T) {
	var evil visits
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { evil.note(r) }))
	t.Cleanup(elsewhere.Close)
	s := site.New(t)
	client := s.Middleware.Client()
	client.Transport = http.DefaultTransport
	for _, status := range redirectStatuses {
		s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: status, Header: http.Header{"Location": {elsewhere.URL}}})
		resp, err := client.Post(s.Grid.URL+site.InboxCall, "application/json", strings.NewReader("canary-body"))
		if resp != nil {
			assert.NoError(t, resp.Body.Close())
		}
		assert.ErrorIs(t, err, ecgridsession.ErrOtherOrigin, "%d", status)
	}
	assert.Empty(t, evil.all())
}

// A redirect that stays is followed with the credential of the session, on each
// of its steps.
func TestARedirectWithinTheUpstreamIsFollowedWithTheCredential(t *testing.T) {
	site.EachUpstream(t, func(t *testing.T, s *site.Site, b *site.Browser, url string, base http.RoundTripper) {
		const path = "/v2/auth/session"
		client := s.Middleware.Client()
		client.Transport = s.Middleware.Transport(base)
		for name, location := range map[string]string{"relative": path, "absolute": url + path} {
			s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: http.StatusTemporaryRedirect,
				Header: http.Header{"Location": {location}}})
			b.During(func(_ http.ResponseWriter, r *http.Request) {
				resp, err := client.Do(site.Outbound(t, r, http.MethodPost, url+site.InboxCall, "{}"))
				require.NoError(t, err, name)
				assert.NoError(t, resp.Body.Close())
				assert.Equal(t, http.StatusOK, resp.StatusCode, name)
				assert.Equal(t, path, resp.Request.URL.Path, name)
			})
		}
	})
}

func TestRedirectsThatNeverEndAreGivenUp(t *testing.T) {
	s := site.New(t)
	b := s.Browser().SignIn()
	s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {site.InboxCall}}})
	b.During(func(_ http.ResponseWriter, r *http.Request) {
		resp, err := s.Middleware.Client().Do(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
		if resp != nil {
			assert.NoError(t, resp.Body.Close())
		}
		assert.ErrorContains(t, err, "stopped after 10 redirects")
	})
	assert.Len(t, s.Grid.Calls(site.InboxCall), 10)
}

// CheckRedirect is the app's own code: it may log what it sees, or copy headers to
// the next step.
func TestCheckRedirectNeverSeesTheCredential(t *testing.T) {
	s := site.New(t)
	b := s.Browser().SignIn()
	s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: http.StatusFound, Header: http.Header{"Location": {"/v2/auth/session"}}})
	client := s.Middleware.Client()
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		for _, passed := range append([]*http.Request{req, req.Response.Request}, via...) {
			assert.False(t, carries(passed), "CheckRedirect sees the credential")
		}
		return nil
	}
	b.During(func(_ http.ResponseWriter, r *http.Request) {
		resp, err := client.Do(site.Outbound(t, r, http.MethodGet, s.Grid.URL+site.InboxCall, ""))
		require.NoError(t, err)
		assert.NoError(t, resp.Body.Close())
	})
	assert.Len(t, s.Grid.Calls("/v2/auth/session"), 1)
}
