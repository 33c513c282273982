// Package request is one request's session. It opens the session from the
// request's cookie, starts one at sign-in, and settles what the browser is told
// about it in the answer.
//
// It promises three things. A request sees one consistent session, although a
// refresh, a sign-in or a sign-out may change it half-way. The cookie is decided
// once, when the header of the answer is written, by the state that the session
// has then. Opening a session never waits for ECGrid and costs one allocation.
//
// It knows requests and answers. It does not know how a cookie is sealed
// (package cookie), when a session has ended (package session), how a token is
// refreshed (package lifecycle), or which handlers the app has.
//
// Each file needs only the ones before it:
//
//	opener.go   what the package works with
//	writer.go   the ResponseWriter that settles in time; claims.go: its interfaces
//	session.go  what one request knows of its session
//	settle.go   what the answer tells the browser
//	open.go     from a request to its session
//	start.go    from a credential to a new session
package request
