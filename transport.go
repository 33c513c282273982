package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
	"github.com/ecgrid-contrib/ecgridsession/internal/origin"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// Transport returns a RoundTripper that attaches the credential of the request's
// context to calls to Config.Upstream and sends them through base, or through
// http.DefaultTransport where base is nil. It is safe for concurrent use and
// leaves the caller's request as it is.
//
// A call that must not carry the credential is not sent: [ErrOtherOrigin] for
// another scheme, host or port, or outside of the upstream's path;
// [ErrConflictingCredential] where the caller set Authorization or X-API-Key;
// [ErrNoSession], [ErrSessionEnded] and [ErrLedgerUnavailable] where there is no
// credential. The session's own cookie is dropped from the call, and a Set-Cookie
// of its name from the answer, so that a reverse proxy passes on neither. A call that is answered by a 401 by which ECGrid refuses the
// session's credential is sent
// once more where there is a newer one and the body can be had again; where
// there is none, the session ends. The caller gets the answer whole.
//
// In a reverse proxy use httputil.ReverseProxy.Rewrite with SetURL:
// NewSingleHostReverseProxy keeps the browser's Host, which is another origin's.
func (m *Middleware) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{m: m, base: base}
}

// Client returns an HTTP client on [Middleware.Transport] that follows redirects
// within Config.Upstream only; any other is an error that wraps
// [ErrOtherOrigin]. It has no timeout of its own: use the request's context. An
// app that makes many calls at once builds its own on a base that keeps more
// than the two idle connections to a host of http.DefaultTransport.
func (m *Middleware) Client() *http.Client {
	return &http.Client{
		Transport: m.Transport(nil),
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 10 {
				return errors.New("ecgridsession: stopped after 10 redirects")
			}
			return m.upstream.Admits(req)
		},
	}
}

// transport is made by Transport, and has no state of its own: what it knows of
// a user comes with each request's context, so one client serves all of them
// (TestUsersOfOneClientNeverGetEachOthersCredential).
type transport struct {
	m    *Middleware
	base http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	credential, of, cookies, err := t.admit(req)
	if err != nil {
		// A RoundTripper closes the body whatever happens.
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	// The credential goes onto a copy here, behind http.Client: what is set on
	// the request itself is copied to wherever a redirect leads, as happens to
	// those who set Authorization by hand.
	resp, err := t.send(req, credential, cookies)
	if err != nil || !ecgrid.Rejection(resp) {
		return resp, err
	}
	// Once and no more: a second refusal is ECGrid's word on a token that has
	// just come.
	newer, ok := t.m.supersede(req.Context(), credential, of)
	if !ok {
		return resp, nil
	}
	again, ok := replay(req)
	if !ok {
		return resp, nil
	}
	// Only now that there is another try: until then the answer is the
	// caller's.
	resp.Body.Close()
	return t.send(again, newer, cookies)
}

// send sends req with the credential. The answer names the request without it:
// who logs an answer, or takes its request for another one, must not have it.
func (t *transport) send(req *http.Request, c Credential, cookies bool) (*http.Response, error) {
	resp, err := t.base.RoundTrip(t.withCredential(req, c, cookies))
	if resp != nil {
		resp.Request = req
		// A reverse proxy would pass it on. Another cookie of our name signs the
		// user out, or in as someone else.
		resp.Header = cookie.WithoutSetting(resp.Header, t.m.cfg.CookieName)
	}
	return resp, err
}

// CloseIdleConnections closes those of the base, if it can.
// [http.Client.CloseIdleConnections] looks for this method.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// replay is req once more, where its body can be had once more. A body that was
// read is gone unless GetBody gives it once more; net/http sets that for the
// readers that it knows. A POST may be sent again since the 401 says that the
// first was not carried out.
func replay(req *http.Request) (*http.Request, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again := *req
	again.Body = body
	return &again, true
}

// admit returns the credential for a request that may carry it, the session that
// it belongs to, and whether the request has cookies. The origin is checked before the session is looked at: a
// call that goes elsewhere learns nothing of it, and triggers no refresh.
func (t *transport) admit(req *http.Request) (c Credential, of *session.Snapshot, cookies bool, err error) {
	if err := t.m.upstream.Admits(req); err != nil {
		return Credential{}, nil, false, err
	}
	// Whoever fills the map directly may spell a name otherwise.
	for name, values := range req.Header {
		switch {
		case origin.EqualFold(name, "Host"):
			if err := t.m.upstream.AdmitsHostField(values); err != nil {
				return Credential{}, nil, false, err
			}
		case origin.EqualFold(name, ecgrid.HeaderBearer), origin.EqualFold(name, ecgrid.HeaderAPIKey):
			return Credential{}, nil, false, fmt.Errorf("%w: %s is set", ErrConflictingCredential, name)
		case origin.EqualFold(name, "Cookie"):
			cookies = true
		}
	}
	// Before the credential, which may cost a refresh.
	if err := req.Context().Err(); err != nil {
		return Credential{}, nil, false, err
	}
	c, of, err = t.m.credential(req.Context())
	return c, of, cookies, err
}

// withCredential is a copy of req that may be sent: the caller's is left as it
// is, since http.Client copies its headers to where a redirect leads. Headers
// are cloned shallowly: fields are replaced in the copy and never changed in
// place.
func (t *transport) withCredential(req *http.Request, c Credential, cookies bool) *http.Request {
	// With the slice of the one header value beside the request.
	made := new(struct { // one allocation
		request    http.Request
		credential [1]string
	})
	out := &made.request
	*out = *req
	out.Header = maps.Clone(req.Header)
	if out.Header == nil {
		out.Header = make(http.Header, 1)
	}
	if cookies {
		t.dropOurCookie(out.Header)
	}
	var name string
	name, made.credential[0] = c.auth().Header()
	out.Header[name] = made.credential[:]
	return out
}

// dropOurCookie keeps the session's cookie, as a reverse proxy copies it, from
// going to ECGrid.
func (t *transport) dropOurCookie(header http.Header) {
	for name, lines := range header {
		if !origin.EqualFold(name, "Cookie") {
			continue
		}
		if lines = cookie.Without(lines, t.m.cfg.CookieName); len(lines) > 0 {
			header[name] = lines
		} else {
			delete(header, name)
		}
	}
}

// supersede returns a newer credential of the request's session than the one
// that ECGrid has refused, waiting for a refresh under way. Where there is none
// the session ends. It is only called for a verdict of ECGrid's own
// (ecgrid.Rejection): a gateway's 401 ends nothing.
//
// of is the session that the call was sent for. A sign-in within the request may
// have put another user's in its place, whose token is not for this call.
func (m *Middleware) supersede(ctx context.Context, refused Credential, of *session.Snapshot) (Credential, bool) {
	s := m.requests.In(ctx)
	if s == nil || of == nil {
		return Credential{}, false // WithCredential: there is no session to end
	}
	snap := s.Newest()
	if snap == nil || snap.Record.ID != of.Record.ID {
		return Credential{}, false
	}
	newest := credentialOf(snap.Record.Credential, snap.Record.UserID)
	// Refreshed within this request since the call was sent: nobody is asked.
	if newest != refused {
		return newest, true
	}
	next, err := s.Supersede(ctx, snap)
	if err != nil {
		return Credential{}, false
	}
	newest = credentialOf(next.Record.Credential, next.Record.UserID)
	// The same may come back where the session goes on without a verdict, as
	// while an expired token could not be refreshed.
	return newest, newest != refused
}
