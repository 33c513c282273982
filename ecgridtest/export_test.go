package ecgridtest

// SetCallLimit lets a test fill the log of an API that has had no calls.
func SetCallLimit(a *API, limit uint64) { a.calls.limit = limit }

// SignKey is the key under which an API signs its tokens.
func SignKey(a *API) []byte { return a.signKey }
