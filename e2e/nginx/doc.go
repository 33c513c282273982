// Package nginx tests an app behind a real nginx, as Debian ships it: TLS and
// HTTP/2 on the browser's side, its default buffers on the app's, and as little
// configuration as it takes. What such a configuration should say, and why, is in
// docs/proxies.md, which these tests hold to its word.
//
// Every nginx listens on loopback, has a directory of its own, and is ended by
// its own process id.
package nginx
