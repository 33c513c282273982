package outbound

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

const (
	invalidSession = `{"success":false,"data":null,"errorCode":"InvalidSession","message":"ended"}`
	invalidKey     = `{"success":false,"data":null,"errorCode":"InvalidAPIKey","message":"revoked"}`
)

// call makes one call to ECGrid within a request of the browser's and returns
// what came of it, read to its end.
func call(b *site.Browser, url string, rt http.RoundTripper, header ...string) (status int, body string) {
	b.T.Helper()
	b.During(func(_ http.ResponseWriter, r *http.Request) {
		req := site.Outbound(b.T, r, http.MethodPost, url+site.InboxCall, "{}")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := rt.RoundTrip(req)
		if !assert.NoError(b.T, err) {
			return
		}
		text, err := io.ReadAll(resp.Body)
		assert.NoError(b.T, err)
		assert.NoError(b.T, resp.Body.Close())
		status, body = resp.StatusCode, string(text)
	})
	return status, body
}

func TestARefusalByECGridEndsTheSession(t *testing.T) {
	site.EachUpstream(t, func(t *testing.T, s *site.Site, b *site.Browser, url string, base http.RoundTripper) {
		copied, tab := b.WithCookie(s), b.WithCookie(s)
		s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: http.StatusUnauthorized, Body: invalidSession})
		status, body := call(b, url, s.Middleware.Transport(base))
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.Equal(t, invalidSession, body, "the caller gets it whole")

		assert.False(t, b.SignedIn())
		assert.False(t, copied.SignedIn(), "no copy of the cookie opens it")
		ended := s.Events.Of(ecgridsession.SessionEnded)
		require.Len(t, ended, 1)
		assert.Equal(t, site.Demo.ID, ended[0].Session.UserID)
		// The way to sign-in deletes what the browser has.
		assert.Equal(t, []string{site.Deletion}, tab.Get("/private", site.Click...).SessionCookies())
	})
}

func TestTheRestOfARequestIsAnonymousAfterTheRefusal(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: http.StatusUnauthorized})
		b.During(func(_ http.ResponseWriter, r *http.Request) {
			for _, want := range []error{nil, ecgridsession.ErrSessionEnded} {
				resp, err := s.Middleware.Client().Do(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
				require.ErrorIs(t, err, want)
				if err == nil {
					assert.NoError(t, resp.Body.Close())
				}
			}
			_, open := s.Middleware.Session(r.Context())
			assert.False(t, open)
			_, err := s.Middleware.Credential(r.Context())
			assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded)
		})
		assert.Len(t, s.Grid.Calls(site.InboxCall), 1)
	})
}

func TestARefusalIsFoundInEveryEncoding(t *testing.T) {
	zipped := site.Gzipped(t, invalidSession)
	for name, c := range map[string]struct {
		answer, encoding string
		asked            string // what the caller asked for itself: then it gets it as it is
		want             string
	}{
		"plain":                    {invalidSession, "", "", invalidSession},
		"of a key":                 {invalidKey, "", "", invalidKey},
		"indented":                 {"\n " + strings.ReplaceAll(invalidSession, ",", " ,\r\n"), "", "", "\n " + strings.ReplaceAll(invalidSession, ",", " ,\r\n")},
		"gzip, by net/http":        {zipped, "gzip", "", invalidSession},
		"gzip, by the caller":      {zipped, "gzip", "gzip", zipped},
		"gzip in capitals":         {zipped, "GZIP", "gzip", zipped},
		"x-gzip":                   {zipped, "x-gzip", "gzip", zipped},
		"identity":                 {invalidSession, "identity", "identity", invalidSession},
		"with a long message":      {longEnvelope(60 << 10), "", "", longEnvelope(60 << 10)},
		"long, gzip by the caller": {site.Gzipped(t, longEnvelope(60<<10)), "gzip", "gzip", site.Gzipped(t, longEnvelope(60<<10))},
	} {
		t.Run(name, func(t *testing.T) {
			site.EachUpstream(t, func(t *testing.T, s *site.Site, b *site.Browser, url string, base http.RoundTripper) {
				fault := ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: http.StatusUnauthorized, Body: c.answer, Header: http.Header{}}
				if c.encoding != "" {
					fault.Header.Set("Content-Encoding", c.encoding)
				}
				s.Grid.Inject(fault)
				var header []string
				if c.asked != "" {
					header = []string{"Accept-Encoding", c.asked}
				}
				_, body := call(b, url, s.Middleware.Transport(base), header...)
				assert.True(t, c.want == body, "the caller got %d bytes of %d", len(body), len(c.want))
				assert.False(t, b.SignedIn())
			})
		})
	}
}

// longEnvelope is a refusal of so many bytes.
func longEnvelope(size int) string {
	return `{"success":false,"errorCode":"InvalidSession","message":"` + strings.Repeat("m", size-59) + `"}`
}

func TestWhatProvesNothingKeepsTheSession(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{
		"401 of a gateway":                   {Status: 401, Body: "<html>401 Authorization Required</html>"},
		"401 without a body":                 {Status: 401, Body: " "},
		"401 with other JSON":                {Status: 401, Body: `{"error":"InvalidSession"}`},
		"401 with a null":                    {Status: 401, Body: `null`},
		"401 that says success":              {Status: 401, Body: `{"success":true,"errorCode":"InvalidSession"}`},
		"401 with success twice":             {Status: 401, Body: `{"success":true,"success":false,"errorCode":"InvalidSession"}`},
		"401 with another code":              {Status: 401, Body: `{"success":false,"errorCode":"AccessDenied"}`},
		"401 without a code":                 {Status: 401, Body: `{"success":false,"errorCode":null}`},
		"401 with a code in another case":    {Status: 401, Body: `{"success":false,"errorCode":"invalidsession"}`},
		"401 with something after it":        {Status: 401, Body: invalidSession + "x"},
		"401 over 64 KiB":                    {Status: 401, Body: longEnvelope(65 << 10)},
		"401 over 64 KiB when unzipped":      {Status: 401, Body: site.Gzipped(t, longEnvelope(1<<20)), Header: http.Header{"Content-Encoding": {"gzip"}}},
		"401 that only claims gzip":          {Status: 401, Body: invalidSession, Header: http.Header{"Content-Encoding": {"gzip"}}},
		"401 in an encoding nobody knows":    {Status: 401, Body: invalidSession, Header: http.Header{"Content-Encoding": {"br"}}},
		"200 with the envelope of a refusal": {Status: 200, Body: invalidSession},
		"403 with its own envelope":          {Status: 403},
		"403 with the envelope of a refusal": {Status: 403, Body: invalidSession},
		"404":                                {Status: 404},
		"429":                                {Status: 429},
		"500 with the envelope of a refusal": {Status: 500, Body: invalidSession},
		"503":                                {Status: 503},
		"407 with the envelope of a refusal": {Status: 407, Body: invalidSession},
		"a challenge without a reason":       {Status: 401, Body: "{}", Header: http.Header{"Www-Authenticate": {`Bearer realm="error=invalid_token"`}}},
		"a challenge for another scope":      {Status: 401, Body: "{}", Header: http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope"`}}},
	} {
		t.Run(name, func(t *testing.T) {
			site.EachUpstream(t, func(t *testing.T, s *site.Site, b *site.Browser, url string, base http.RoundTripper) {
				fault.Path, fault.Times = site.InboxCall, 1
				s.Grid.Inject(fault)
				// The caller asks for gzip itself: net/http would fail to
				// unzip what is none.
				status, body := call(b, url, s.Middleware.Transport(base), "Accept-Encoding", "gzip")
				assert.Equal(t, fault.Status, status)
				if fault.Body != "" {
					assert.True(t, fault.Body == body, "the caller got %d bytes of %d", len(body), len(fault.Body))
				}
				assert.True(t, b.SignedIn())
				assert.Empty(t, s.Events.Of(ecgridsession.SessionEnded))
				ok, _ := call(b, url, s.Middleware.Transport(base))
				assert.Equal(t, http.StatusOK, ok, "the next call goes on as before")
			})
		})
	}
}

// An answer that breaks off fails for the caller where it broke off, and proves
// nothing.
func TestARefusalThatBreaksOffKeepsTheSession(t *testing.T) {
	s := site.New(t)
	b := s.Browser().SignIn()
	s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: http.StatusUnauthorized, Body: invalidSession,
		Header: http.Header{"Content-Length": {"1000"}}})
	b.During(func(_ http.ResponseWriter, r *http.Request) {
		resp, err := s.Middleware.Client().Do(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Equal(t, invalidSession, string(body))
		assert.NoError(t, resp.Body.Close())
	})
	assert.True(t, b.SignedIn())
}

func TestTheBodyOfARefusalIsClosedByTheCaller(t *testing.T) {
	s := site.New(t)
	b := s.Browser().SignIn()
	original := &site.ClosingBody{Reader: strings.NewReader(invalidSession)}
	wire := &site.RecordingTransport{Answer: func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusUnauthorized, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
			Body: original, ContentLength: -1}, nil
	}}
	b.During(func(_ http.ResponseWriter, r *http.Request) {
		resp, err := s.Middleware.Transport(wire).RoundTrip(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
		require.NoError(t, err)
		assert.False(t, original.Closed.Load())
		body, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		assert.Equal(t, invalidSession, string(body))
		assert.NoError(t, resp.Body.Close())
		assert.True(t, original.Closed.Load())
	})
}

// Of many calls that meet the refusal at once, one ends the session.
func TestARefusalOfManyCallsAtOnceEndsTheSessionOnce(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Status: http.StatusUnauthorized})
		done := make(chan error, 50)
		for range cap(done) {
			go func() {
				_, err := b.Try(t.Context(), http.MethodGet, "/inbox", nil)
				done <- err
			}()
		}
		for range cap(done) {
			require.NoError(t, <-done)
		}
		assert.False(t, b.SignedIn())
		assert.Len(t, s.Events.Of(ecgridsession.SessionEnded), 1)
	})
}
