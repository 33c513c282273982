package request

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A ResponseWriter says by its methods what it can do, and frameworks ask by
// type assertion. So a writer must have exactly the optional methods of what is
// under it: one for each of the 32 combinations. The letters of a type's name
// are its methods: F for Flush, H for Hijack, P for Push, R for ReadFrom and C
// for CloseNotify, which is deprecated, and which gin cannot do without.
//
// Each type is one pointer wide, so it goes into an interface without an
// allocation.

type (
	// closeNotifier is http.CloseNotifier under a name that linters pass over.
	closeNotifier interface{ CloseNotify() <-chan bool }

	wF     struct{ *writer }
	wH     struct{ *writer }
	wFH    struct{ wF }
	wP     struct{ *writer }
	wFP    struct{ wF }
	wHP    struct{ wH }
	wFHP   struct{ wFH }
	wR     struct{ *writer }
	wFR    struct{ wF }
	wHR    struct{ wH }
	wFHR   struct{ wFH }
	wPR    struct{ wP }
	wFPR   struct{ wFP }
	wHPR   struct{ wHP }
	wFHPR  struct{ wFHP }
	wC     struct{ *writer }
	wFC    struct{ wF }
	wHC    struct{ wH }
	wFHC   struct{ wFH }
	wPC    struct{ wP }
	wFPC   struct{ wFP }
	wHPC   struct{ wHP }
	wFHPC  struct{ wFHP }
	wRC    struct{ wR }
	wFRC   struct{ wFR }
	wHRC   struct{ wHR }
	wFHRC  struct{ wFHR }
	wPRC   struct{ wPR }
	wFPRC  struct{ wFPR }
	wHPRC  struct{ wHPR }
	wFHPRC struct{ wFHPR }
)

func (w wF) Flush()                                          { w.flush() }
func (w wH) Hijack() (net.Conn, *bufio.ReadWriter, error)    { return w.hijack() }
func (w wFH) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.hijack() }
func (w wP) Push(target string, o *http.PushOptions) error   { return w.push(target, o) }
func (w wFP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w wHP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w wFHP) Push(target string, o *http.PushOptions) error { return w.push(target, o) }
func (w wR) ReadFrom(src io.Reader) (int64, error)           { return w.readFrom(src) }
func (w wFR) ReadFrom(src io.Reader) (int64, error)          { return w.readFrom(src) }
func (w wHR) ReadFrom(src io.Reader) (int64, error)          { return w.readFrom(src) }
func (w wFHR) ReadFrom(src io.Reader) (int64, error)         { return w.readFrom(src) }
func (w wPR) ReadFrom(src io.Reader) (int64, error)          { return w.readFrom(src) }
func (w wFPR) ReadFrom(src io.Reader) (int64, error)         { return w.readFrom(src) }
func (w wHPR) ReadFrom(src io.Reader) (int64, error)         { return w.readFrom(src) }
func (w wFHPR) ReadFrom(src io.Reader) (int64, error)        { return w.readFrom(src) }
func (w wC) CloseNotify() <-chan bool                        { return w.closeNotify() }
func (w wFC) CloseNotify() <-chan bool                       { return w.closeNotify() }
func (w wHC) CloseNotify() <-chan bool                       { return w.closeNotify() }
func (w wFHC) CloseNotify() <-chan bool                      { return w.closeNotify() }
func (w wPC) CloseNotify() <-chan bool                       { return w.closeNotify() }
func (w wFPC) CloseNotify() <-chan bool                      { return w.closeNotify() }
func (w wHPC) CloseNotify() <-chan bool                      { return w.closeNotify() }
func (w wFHPC) CloseNotify() <-chan bool                     { return w.closeNotify() }
func (w wRC) CloseNotify() <-chan bool                       { return w.closeNotify() }
func (w wFRC) CloseNotify() <-chan bool                      { return w.closeNotify() }
func (w wHRC) CloseNotify() <-chan bool                      { return w.closeNotify() }
func (w wFHRC) CloseNotify() <-chan bool                     { return w.closeNotify() }
func (w wPRC) CloseNotify() <-chan bool                      { return w.closeNotify() }
func (w wFPRC) CloseNotify() <-chan bool                     { return w.closeNotify() }
func (w wHPRC) CloseNotify() <-chan bool                     { return w.closeNotify() }
func (w wFHPRC) CloseNotify() <-chan bool                    { return w.closeNotify() }

// claim returns w as a type that has the optional methods of what is under it,
// and no others.
func (w *writer) claim() http.ResponseWriter {
	can := 0
	if _, ok := w.under.(http.Flusher); ok {
		can |= 1
	}
	if _, ok := w.under.(http.Hijacker); ok {
		can |= 2
	}
	if _, ok := w.under.(http.Pusher); ok {
		can |= 4
	}
	if _, ok := w.under.(io.ReaderFrom); ok {
		can |= 8
	}
	if _, ok := w.under.(closeNotifier); ok {
		can |= 16
	}
	switch can {
	case 1:
		return wF{w}
	case 2:
		return wH{w}
	case 3:
		return wFH{wF{w}}
	case 4:
		return wP{w}
	case 5:
		return wFP{wF{w}}
	case 6:
		return wHP{wH{w}}
	case 7:
		return wFHP{wFH{wF{w}}}
	case 8:
		return wR{w}
	case 9:
		return wFR{wF{w}}
	case 10:
		return wHR{wH{w}}
	case 11:
		return wFHR{wFH{wF{w}}}
	case 12:
		return wPR{wP{w}}
	case 13:
		return wFPR{wFP{wF{w}}}
	case 14:
		return wHPR{wHP{wH{w}}}
	case 15:
		return wFHPR{wFHP{wFH{wF{w}}}}
	case 16:
		return wC{w}
	case 17:
		return wFC{wF{w}}
	case 18:
		return wHC{wH{w}}
	case 19:
		return wFHC{wFH{wF{w}}}
	case 20:
		return wPC{wP{w}}
	case 21:
		return wFPC{wFP{wF{w}}}
	case 22:
		return wHPC{wHP{wH{w}}}
	case 23:
		return wFHPC{wFHP{wFH{wF{w}}}}
	case 24:
		return wRC{wR{w}}
	case 25:
		return wFRC{wFR{wF{w}}}
	case 26:
		return wHRC{wHR{wH{w}}}
	case 27:
		return wFHRC{wFHR{wFH{wF{w}}}}
	case 28:
		return wPRC{wPR{wP{w}}}
	case 29:
		return wFPRC{wFPR{wFP{wF{w}}}}
	case 30:
		return wHPRC{wHPR{wHP{wH{w}}}}
	case 31:
		return wFHPRC{wFHPR{wFHP{wFH{wF{w}}}}}
	default:
		return w
	}
}

func (w *writer) flush() {
	w.send()
	w.under.(http.Flusher).Flush()
}

// hijack settles too: a reverse proxy answers an upgrade by hand, with the
// fields of the header as they are then.
func (w *writer) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := w.under.(http.Hijacker).Hijack()
	if err == nil {
		w.send()
	}
	return conn, buffered, err
}

func (w *writer) push(target string, o *http.PushOptions) error {
	return w.under.(http.Pusher).Push(target, o)
}

// readFrom does not count as the header's end where nothing was read, since
// nothing is written then.
func (w *writer) readFrom(src io.Reader) (int64, error) {
	if !w.sent {
		w.settle(w.under)
	}
	n, err := w.under.(io.ReaderFrom).ReadFrom(src)
	w.sent = w.sent || n > 0
	return n, err
}

func (w *writer) closeNotify() <-chan bool {
	return w.under.(closeNotifier).CloseNotify()
}
