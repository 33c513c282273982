// Package ecgrid calls the auth endpoints of the ECGrid REST API and says what came of it.
//
// It knows nothing of sessions, cookies or ledgers. One call is one POST: no redirect is followed, no answer over 64 KiB
// is read, and the context's deadline covers connecting, headers and body. An answer counts only if it is an envelope that
// every JSON reader would read alike; anything else is an [Error], whose text and fields are fixed words of this package,
// never words of ECGrid's, so that it may be logged and wrapped without a second look.
//
// Everything that is taken for granted about ECGrid stands in contract.go.
package ecgrid
