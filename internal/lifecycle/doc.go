// Package lifecycle makes every change of a session's ledger entry: a token is
// refreshed, a session ends.
//
// A refresh begins with a request whose token is due (due.go), or with the
// schedule of the sessions in use (keep.go). All that want the same in this
// process join one flight (refresh.go), which makes one attempt. The attempt
// looks at the entry, claims it, asks ECGrid and publishes what came. It is a
// machine without I/O (attempt.go), so that a test can explore every order in
// which replicas, faults and a sign-out may meet. run.go carries out its steps,
// and publish.go repeats the last one if the ledger was down. A sign-out is an
// attempt too (end.go), and waits for none of the others.
//
// The package promises three things. However many requests and replicas find a
// token due, ECGrid is asked once. Nothing leads out of the end of a session. A
// token that ECGrid gave is published, or it is revoked.
//
// It knows nothing of HTTP, cookies or requests. It calls the ledger and ECGrid,
// and reports to [Events].
package lifecycle
