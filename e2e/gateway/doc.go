// Package gateway tests an app that is an API gateway: an httputil.ReverseProxy
// whose Transport is the library's, so that a browser with a session calls ECGrid
// through the app and never holds a token. What such an app should look like is in
// the example of Middleware.Transport in the root module.
package gateway
