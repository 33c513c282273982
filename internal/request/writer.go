package request

import (
	"fmt"
	"io"
	"net/http"
)

// settler puts what the browser is told about its session into an answer.
type settler interface {
	// settle is called before the header of the answer is written, and again
	// if the header can have changed since. It decides only once.
	settle(w http.ResponseWriter)
	// retract removes what settle would put there. An informational answer
	// (1xx) carries no cookie.
	retract(header http.Header)
}

// writer is the ResponseWriter of a request that brought a cookie of ours. It
// settles the answer at the last moment when its header can be changed, and
// passes everything on. So whatever a handler sets, replaces or clears before,
// such as http.TimeoutHandler and http.FileServer do, cannot lose our cookie or
// send it to a shared cache.
//
// Handlers get it as one of the types in claims.go. It is as safe for
// concurrent use as what is under it, which is not at all.
type writer struct {
	under http.ResponseWriter
	settler
	sent bool // the header of the answer has been written
}

// Header implements [http.ResponseWriter].
func (w *writer) Header() http.Header { return w.under.Header() }

// WriteHeader implements [http.ResponseWriter].
func (w *writer) WriteHeader(code int) {
	switch {
	case w.sent:
	// 101 is no announcement: it is the answer.
	case code >= 100 && code < 200 && code != http.StatusSwitchingProtocols:
		w.retract(w.under.Header())
	default:
		w.send()
	}
	w.under.WriteHeader(code)
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(p []byte) (int, error) {
	w.send()
	return w.under.Write(p)
}

// WriteString implements [io.StringWriter].
func (w *writer) WriteString(s string) (int, error) {
	w.send()
	return io.WriteString(w.under, s)
}

// Unwrap is for [http.ResponseController].
func (w *writer) Unwrap() http.ResponseWriter { return w.under }

// FlushError is for [http.ResponseController], which would otherwise go past us
// and send the header unsettled.
func (w *writer) FlushError() error {
	// Before anything is settled: a handler that cannot flush continues to set
	// headers.
	if !flushes(w.under) {
		return fmt.Errorf("ecgridsession: flush: %w", http.ErrNotSupported)
	}
	w.send()
	return http.NewResponseController(w.under).Flush()
}

// flushes reports whether an [http.ResponseController] could flush w.
func flushes(w http.ResponseWriter) bool {
	for {
		switch next := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = next.Unwrap()
		default:
			return false
		}
	}
}

// send settles the answer, whose header is written next.
func (w *writer) send() {
	if !w.sent {
		w.sent = true
		w.settle(w.under)
	}
}

// finish settles the answer of a handler that has returned and may have written
// nothing: the server then writes the header. Something between the server and
// Wrap may still write through w, which settles again.
func (w *writer) finish() {
	if w.under != nil && !w.sent {
		w.settle(w.under)
	}
}

// behind returns the settler of the writer that w is, or wraps.
func behind(w http.ResponseWriter) settler {
	for {
		switch next := w.(type) {
		case interface{ inside() settler }:
			return next.inside()
		case interface{ Unwrap() http.ResponseWriter }:
			w = next.Unwrap()
		default:
			return nil
		}
	}
}

func (w *writer) inside() settler { return w.settler }
