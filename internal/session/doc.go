// Package session is a session apart from HTTP: what is known of it, its limits,
// what the ledger holds of it, and when it has ended.
//
// It promises that an ended session stays ended for every reader of the ledger,
// that nothing from the ledger is believed without its seal, and that a snapshot
// does not change under a request that has loaded it.
//
// It starts nothing but the watch of a stream, and calls nothing but the ledger.
// It knows neither HTTP nor ECGrid. Package lifecycle decides how an entry
// changes, package request how a request gets its session.
package session
