package ecgrid

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// Rejection reports whether resp, the answer to any call, is ECGrid's verdict on the credential: a 401 whose challenge says
// invalid_token, or whose envelope says InvalidSession or InvalidAPIKey. It reads at most 64 KiB of the body, for at most
// two seconds, and inflates at most as much if the body is gzipped. It leaves resp.Body so that the caller still reads all
// of it, and Close closes the original. A response with another status is left as it is.
//
// It is for the app's own calls, which go through the root package's Transport: their answers belong to the app, so
// nothing of them may be lost or changed on the way. A 401 costs a look at its first 64 KiB, and no other answer
// anything.
func Rejection(resp *http.Response) (rejected bool) {
	if resp == nil || resp.StatusCode != http.StatusUnauthorized || resp.Body == nil {
		return false
	}
	if invalidToken(resp.Header) {
		return true
	}
	// No envelope is that long, so the body is left alone.
	if resp.ContentLength > maxAnswerBytes {
		return false
	}
	ahead := readAhead(resp.Body)
	// Before anything is judged: on every path from here the caller finds the body whole.
	resp.Body = ahead
	head, whole := ahead.wait(peekTimeout)
	// Half a verdict is none.
	if !whole {
		return false
	}
	plain, ok := inflate(head, resp.Header.Get("Content-Encoding"))
	if !ok {
		return false
	}
	env, ok := decodeEnvelope(plain)
	return ok && deniesCredential(env.code)
}

// inflate undoes encoding within the bounds of an answer. An app may ask for gzip itself, and its RoundTripper then
// leaves it packed. The bound is on what comes out: a gzip bomb is small on its way in.
func inflate(body []byte, encoding string) ([]byte, bool) {
	switch strings.ToLower(strings.Trim(encoding, " \t")) {
	case "", "identity":
		return body, true
	// Only what net/http itself would have undone: who asks for another coding decodes it, and the verdict goes unseen.
	case "gzip", "x-gzip": // RFC 9110, section 8.4.1.3
	default:
		return nil, false
	}
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, false
	}
	plain, err := io.ReadAll(io.LimitReader(zr, maxAnswerBytes+1))
	return plain, err == nil && len(plain) <= maxAnswerBytes
}
