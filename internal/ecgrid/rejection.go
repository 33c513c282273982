package ecgrid

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// Rejection looks whether resp, the answer to any call, is ECGrid's verdict on the credential: a 401 whose envelope says
// InvalidSession or InvalidAPIKey. It reads at most 64 KiB of the body, and inflates at most as much if the body is
// gzipped, and leaves resp.Body so that the caller still reads all of it, and Close closes the original. Reading is bounded
// in time by the request's own context only. A response with another status is left as it is.
func Rejection(resp *http.Response) (rejected bool) {
	if resp == nil || resp.StatusCode != http.StatusUnauthorized || resp.Body == nil {
		return false
	}
	if resp.ContentLength > maxAnswerBytes {
		return false
	}
	// One byte more than an envelope may have tells a long body from one that ends at the bound.
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	rest := io.Reader(resp.Body)
	if err != nil {
		// The caller gets the same failure at the same place, even from a body that would not repeat it.
		rest = failingReader{err}
	}
	resp.Body = replayedBody{io.MultiReader(bytes.NewReader(head), rest), resp.Body}
	if err != nil || len(head) > maxAnswerBytes {
		return false
	}
	plain, ok := inflate(head, resp.Header.Get("Content-Encoding"))
	if !ok {
		return false
	}
	env, ok := decodeEnvelope(plain)
	return ok && deniesCredential(env.code)
}

// inflate undoes encoding within the bounds of an answer.
func inflate(body []byte, encoding string) ([]byte, bool) {
	switch strings.ToLower(strings.Trim(encoding, " \t")) {
	case "", "identity":
		return body, true
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

// replayedBody reads what was looked at once more, then the rest.
type replayedBody struct {
	io.Reader
	io.Closer
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
