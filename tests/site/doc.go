// Package site is the harness of the whole-library tests. [New] starts an app
// behind the middleware, with a fake ECGrid behind it. The app speaks TLS on
// loopback, or runs in process for the bubbles of testing/synctest, alone or on
// several replicas. The rest of the package is what such tests share: browsers,
// faulty ledgers and upstreams, and a search for secrets in what was shown.
//
// A test server of this package fails its test if net/http logs a panic.
package site
