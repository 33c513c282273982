package ecgrid

import (
	"net"
	"net/http"
	"time"
)

const (
	// maxHeaderBytes bounds the headers of an answer, all its 1xx included. net/http's own bound is ten megabytes, for
	// each answer.
	maxHeaderBytes = 64 << 10
	// maxIdlePerHost lets a burst of sign-ins keep its connections: net/http keeps two unless told otherwise.
	maxIdlePerHost = 64
	// maxConnsPerHost bounds what a slow upstream can hold open here, and how many TLS handshakes a burst begins at once. It
	// is the calls that may be under way: MaxSignIns, MaxRefreshes, and the 80 sign-outs of package revoke. With HTTP/1.1
	// and answers in 100 ms it lets two thousand calls a second through; with HTTP/2 one connection serves many.
	maxConnsPerHost = MaxSignIns + MaxRefreshes + 80
	// idleTimeout is below the 60 s after which common load balancers close: a POST that meets such a close is lost, since
	// net/http does not send it again.
	idleTimeout = 45 * time.Second
	// With HTTP/2 a connection that died silently fails every call on it until it is found out: by a ping after pingAfter
	// without a frame, given up after pingTimeout.
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

// PrivateTransport returns a new transport for a [Client]: a clone of http.DefaultTransport, so that proxies, dialling
// and trusted roots stay as the program has set them, with bounds on headers and connections, and without compression,
// which would let a small answer grow. If the program has put something else than an *http.Transport into
// http.DefaultTransport, the clone is of one with Go's own settings. http.DefaultTransport is not changed, and no
// connection is shared with it. It is private for two reasons: a burst of the app's own calls takes no connection from
// a sign-out, and whatever the app hangs into http.DefaultTransport to log its calls sees no password.
func PrivateTransport() http.RoundTripper {
	var t *http.Transport
	if shared, ok := http.DefaultTransport.(*http.Transport); ok && shared != nil {
		t = shared.Clone()
	} else {
		t = freshTransport()
	}
	// Set on the clone alone: what others send through http.DefaultTransport is the app's affair.
	t.MaxResponseHeaderBytes = maxHeaderBytes
	// Its answers are short; 64 KiB of gzip could be 64 MiB of JSON.
	t.DisableCompression = true
	t.MaxIdleConnsPerHost = maxIdlePerHost
	t.MaxConnsPerHost = maxConnsPerHost
	t.IdleConnTimeout = idleTimeout
	// What the app has set itself for HTTP/2 stays.
	if t.HTTP2 == nil {
		t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	}
	return t
}

// freshTransport has the values of Go's own http.DefaultTransport, where that is not there to be cloned.
func freshTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}
