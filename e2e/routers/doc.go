// Package routers tests the middleware in the routers that apps are built on. One
// specification is asked of each of them, over TLS on loopback, in HTTP/1.1 and
// HTTP/2. The functions that mount it are those of docs/routers.md, to the letter.
package routers
