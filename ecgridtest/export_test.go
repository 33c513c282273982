package ecgridtest

// SetCallLimit lets a test fill the log of an API that has had no calls.
func SetCallLimit(a *API, limit uint64) { a.calls.limit = limit }
