package subject

import (
	"context"
	"net/http"
)

// What the tests try with work that is not done.
var (
	Decode       = decode
	ErrIdle      = errIdle
	ErrCompact   = errSerializer
	CompactCodec = compact{}
)

// Refusing is the operation of a handler that is to refuse, and to delete the
// cookie or not to.
func Refusing(h func(w http.ResponseWriter, refused *bool), deleted bool) error {
	var refused bool
	return refusing(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { h(w, &refused) }),
		request(Image, ""), &refused, deleted)()
}

// Setting is the operation of what is to set a cookie of that length.
func Setting(set func(w http.ResponseWriter) error, long int) error {
	return setting(func(w http.ResponseWriter, _ *http.Request) error { return set(w) }, request(Document, ""), long)()
}

// Calling is the operation of what is to attach something to a call.
func Calling(attached string, on func(base http.RoundTripper) http.RoundTripper) error {
	return calling(context.Background(), "tried", attached, on).Begin()()
}
