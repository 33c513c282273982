package ginadapter

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"reflect"

	"github.com/gin-gonic/gin"
)

// gin's writer holds the status back until the first byte of the body, or until
// the chain is done. A writer that settles the header therefore belongs under it,
// where the header really is written:
//
//	c.Writer, which is gin's own → below → the library's writer → above → the server's
//
// The library's writer is made around what its middleware was given, which is
// above. What the middleware itself writes, as a denial, still goes through gin's
// writer, so that a logger around it sees the status.

// above is what the middleware is given. It is gin's writer, except for what comes
// from below: that continues to the server's.
type above struct {
	gin.ResponseWriter
	server http.ResponseWriter // under gin's writer; nil until something was put there
	below  bool                // the call came from under gin's writer
}

// WriteHeader implements [http.ResponseWriter].
func (a *above) WriteHeader(code int) {
	if a.below {
		a.server.WriteHeader(code)
		return
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write implements [http.ResponseWriter].
func (a *above) Write(p []byte) (int, error) {
	if a.below {
		return a.server.Write(p)
	}
	return a.ResponseWriter.Write(p)
}

// WriteString implements [io.StringWriter].
func (a *above) WriteString(s string) (int, error) {
	if a.below {
		return io.WriteString(a.server, s)
	}
	return a.ResponseWriter.WriteString(s)
}

// Flush implements [http.Flusher].
func (a *above) Flush() {
	if !a.below {
		a.ResponseWriter.Flush()
	} else if f, ok := a.server.(http.Flusher); ok {
		f.Flush()
	}
}

// Hijack implements [http.Hijacker].
func (a *above) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if a.below {
		return a.server.(http.Hijacker).Hijack()
	}
	return a.ResponseWriter.Hijack()
}

// Unwrap is for [http.ResponseController].
func (a *above) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// below is under gin's writer, in the place of the server's. Each call goes through
// the library's writer, which settles, and comes out of above.
type below struct {
	above   *above
	library http.ResponseWriter
}

// through makes a call that above knows to have come from here.
func (b *below) through(call func()) {
	was := b.above.below
	b.above.below = true
	defer func() { b.above.below = was }()
	call()
}

// Header implements [http.ResponseWriter].
func (b *below) Header() http.Header { return b.above.server.Header() }

// WriteHeader implements [http.ResponseWriter].
func (b *below) WriteHeader(code int) { b.through(func() { b.library.WriteHeader(code) }) }

// Write implements [http.ResponseWriter].
func (b *below) Write(p []byte) (n int, err error) {
	b.through(func() { n, err = b.library.Write(p) })
	return n, err
}

// WriteString implements [io.StringWriter].
func (b *below) WriteString(s string) (n int, err error) {
	b.through(func() { n, err = io.WriteString(b.library, s) })
	return n, err
}

// Flush implements [http.Flusher].
func (b *below) Flush() {
	b.through(func() { b.library.(http.Flusher).Flush() }) // as above can
}

// Hijack implements [http.Hijacker].
func (b *below) Hijack() (conn net.Conn, buffered *bufio.ReadWriter, err error) {
	if _, ok := b.above.server.(http.Hijacker); !ok {
		return nil, nil, http.ErrNotSupported
	}
	b.through(func() { conn, buffered, err = b.library.(http.Hijacker).Hijack() })
	return conn, buffered, err
}

// CloseNotify implements http.CloseNotifier, which gin asks for.
func (b *below) CloseNotify() <-chan bool {
	return b.above.server.(interface{ CloseNotify() <-chan bool }).CloseNotify()
}

// Unwrap is for [http.ResponseController].
func (b *below) Unwrap() http.ResponseWriter { return b.above.server }

// pushing is below over HTTP/2: gin asks by type whether the server can push.
type pushing struct {
	*below
	http.Pusher
}

// putUnder puts the library's writer under gin's own, and returns what takes it out
// again. gin has no way to do that, but its writer embeds the server's in an
// exported field. Where another writer of the app is around gin's, gin's is found
// in that.
func putUnder(c *gin.Context, a *above, library http.ResponseWriter) (takeOut func()) {
	field := serversField(reflect.ValueOf(c.Writer))
	if !field.IsValid() {
		// A writer that is nothing of gin's: the library's goes around it.
		was := c.Writer
		c.Writer = &around{ResponseWriter: was, library: library}
		return func() { c.Writer = was }
	}
	server := field.Interface().(http.ResponseWriter)
	a.server = server
	under := &below{above: a, library: library}
	if pusher, ok := server.(http.Pusher); ok {
		field.Set(reflect.ValueOf(pushing{under, pusher}))
	} else {
		field.Set(reflect.ValueOf(under))
	}
	return func() { field.Set(reflect.ValueOf(server)) }
}

// ginsPackage is where gin's own writer is declared.
var ginsPackage = reflect.TypeFor[gin.Context]().PkgPath()

// serversField is the field of gin's own writer that holds the server's, or an
// invalid value where there is none.
func serversField(writer reflect.Value) reflect.Value {
	for range 8 { // more writers around each other than any app has
		for writer.Kind() == reflect.Interface || writer.Kind() == reflect.Pointer {
			writer = writer.Elem()
		}
		if writer.Kind() != reflect.Struct {
			break
		}
		field := writer.FieldByName("ResponseWriter")
		if !field.IsValid() || field.Kind() != reflect.Interface || field.IsNil() {
			break
		}
		if writer.Type().PkgPath() == ginsPackage && field.CanSet() && field.Type() == reflect.TypeFor[http.ResponseWriter]() {
			return field
		}
		writer = field
	}
	return reflect.Value{}
}

// around is a writer of the app's with the library's around it.
type around struct {
	gin.ResponseWriter
	library http.ResponseWriter
}

// WriteHeaderNow implements [gin.ResponseWriter]. WriteHeader alone writes nothing
// in gin, so it settles nothing.
func (w *around) WriteHeaderNow() {
	if !w.Written() {
		w.library.WriteHeader(w.Status())
	}
	w.ResponseWriter.WriteHeaderNow()
}

// Write implements [http.ResponseWriter].
func (w *around) Write(p []byte) (int, error) { return w.library.Write(p) }

// WriteString implements [io.StringWriter].
func (w *around) WriteString(s string) (int, error) { return io.WriteString(w.library, s) }

// Flush implements [http.Flusher].
func (w *around) Flush() { w.library.(http.Flusher).Flush() }

// Hijack implements [http.Hijacker].
func (w *around) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.library.(http.Hijacker).Hijack()
}

// Unwrap is for [http.ResponseController].
func (w *around) Unwrap() http.ResponseWriter { return w.library }
