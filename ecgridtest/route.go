package ecgridtest

import (
	"net/http"
	"strings"
)

// From a path to the function that answers it. It is a switch and no ServeMux,
// which would clean paths and redirect: a client that calls a wrong path is to
// get ECGrid's 404, and not be helped.

// An endpoint is one documented call.
type endpoint struct {
	method string
	open   bool // needs no credential, and looks at none
	// serve is called with the lock held.
	serve func(a *API, c caller, body []byte) answer
}

// route finds the endpoint of a path. A path is matched to the letter: no
// cleaning, no redirect, no slash at its end.
func route(path string) (endpoint, bool) {
	switch path {
	case "/v2/auth/login":
		return endpoint{method: http.MethodPost, open: true, serve: (*API).login}, true
	case "/v2/auth/refresh":
		return endpoint{method: http.MethodPost, open: true, serve: (*API).refresh}, true
	case "/v2/auth/version":
		return endpoint{method: http.MethodGet, open: true, serve: (*API).version}, true
	case "/v2/auth/logout":
		return endpoint{method: http.MethodPost, serve: (*API).logout}, true
	case "/v2/auth/session":
		return endpoint{method: http.MethodPost, serve: (*API).describeSession}, true
	case "/v2/auth/password":
		return endpoint{method: http.MethodPut, serve: (*API).changePassword}, true
	case "/v2/parcels/inbox-list":
		return endpoint{method: http.MethodPost, serve: (*API).inboxList}, true
	}
	if id, ok := strings.CutPrefix(path, "/v2/users/reset/"); ok && id != "" && !strings.Contains(id, "/") {
		return endpoint{method: http.MethodPost, serve: func(a *API, c caller, _ []byte) answer {
			return a.resetUser(c, id)
		}}, true
	}
	return endpoint{}, false
}

// handle answers a call as ECGrid would. The lock is held throughout, so that
// of two calls that end or replace one token exactly one succeeds.
func (a *API) handle(r *http.Request, body []byte, bodyErr error) answer {
	e, ok := route(r.URL.Path)
	if !ok {
		return failure(http.StatusNotFound, codeObjectNotFound, "No such call.")
	}
	// Before the credential: what is wrong for everybody is said first, and in
	// this order in all calls, so that a test knows which fault of its request
	// it will be told of.
	if r.Method != e.method {
		return failure(http.StatusMethodNotAllowed, "", "Method not allowed.").
			with(http.Header{"Allow": {e.method}})
	}
	if bodyErr != nil {
		return invalidParameter("The body could not be read.")
	}
	if ambiguous(r) {
		return invalidParameter("One call carries one of Authorization and X-API-Key.")
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	var c caller
	if !e.open {
		if c, ok = a.caller(r); !ok {
			return unauthorized(kindOf(r))
		}
	}
	return e.serve(a, c, body)
}
