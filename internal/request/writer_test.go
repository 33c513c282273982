package request

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

// counting is a settler that marks the header.
type counting struct{ settled, retracted int }

func (c *counting) settle(w http.ResponseWriter) {
	c.settled++
	w.Header().Set("X-Settled", "yes")
}

func (c *counting) retract(header http.Header) {
	c.retracted++
	header.Del("X-Settled")
}

func TestEachWayToWriteTheHeaderSettlesItOnceBefore(t *testing.T) {
	for name, write := range map[string]func(w http.ResponseWriter){
		"WriteHeader":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) },
		"Write":          func(w http.ResponseWriter) { w.Write([]byte("text")) },
		"an empty Write": func(w http.ResponseWriter) { w.Write(nil) },
		"WriteString":    func(w http.ResponseWriter) { io.WriteString(w, "text") },
		"Flush":          func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"FlushError":     func(w http.ResponseWriter) { assert.NoError(t, http.NewResponseController(w).Flush()) },
		"101":            func(w http.ResponseWriter) { w.WriteHeader(http.StatusSwitchingProtocols) },
	} {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			var s counting
			inner := &writer{under: recorder, settler: &s}
			w := inner.claim()
			write(w)
			assert.Equal(t, "yes", recorder.Result().Header.Get("X-Settled"))
			write(w)
			w.Write([]byte("more"))
			inner.finish()
			assert.Equal(t, 1, s.settled)
		})
	}
}

func TestAnInformationalAnswerIsRetractedAndTheAnswerSettled(t *testing.T) {
	var s counting
	w := (&writer{under: plain{httptest.NewRecorder()}, settler: &s}).claim()
	w.Header().Set("X-Settled", "set by the sign-in")
	w.WriteHeader(http.StatusEarlyHints)
	assert.Equal(t, counting{retracted: 1}, s)
	assert.Empty(t, w.Header().Get("X-Settled"))
	w.WriteHeader(http.StatusOK)
	assert.Equal(t, counting{settled: 1, retracted: 1}, s)
	w.WriteHeader(http.StatusEarlyHints) // superfluous, and changes nothing
	assert.Equal(t, counting{settled: 1, retracted: 1}, s)
}

func TestAnAnswerThatWasNotWrittenIsSettledAtTheEndAndAgainWhenItIsWritten(t *testing.T) {
	var s counting
	inner := &writer{under: httptest.NewRecorder(), settler: &s}
	w := inner.claim()
	inner.finish()
	assert.Equal(t, 1, s.settled)
	w.WriteHeader(http.StatusOK) // by something between the server and Wrap
	assert.Equal(t, 2, s.settled)
}

func TestAFlushThatIsNotPossibleSettlesNothing(t *testing.T) {
	var s counting
	w := (&writer{under: plain{httptest.NewRecorder()}, settler: &s}).claim()
	assert.ErrorIs(t, http.NewResponseController(w).Flush(), errors.ErrUnsupported)
	assert.Zero(t, s.settled)
}

// unwraps can flush only through what it wraps.
type unwraps struct{ plain }

func (u unwraps) Unwrap() http.ResponseWriter { return u.plain.ResponseWriter }

func TestAControllerThatFlushesThroughAWrapperIsSettledToo(t *testing.T) {
	var s counting
	recorder := httptest.NewRecorder()
	w := (&writer{under: unwraps{plain{recorder}}, settler: &s}).claim()
	_, claims := w.(http.Flusher)
	assert.False(t, claims)
	assert.NoError(t, http.NewResponseController(w).Flush())
	assert.True(t, recorder.Flushed)
	assert.Equal(t, 1, s.settled)
}

// A reverse proxy answers an upgrade by hand, with the header as it is then.
func TestAHijackSettlesTheHeaderForAnAnswerByHand(t *testing.T) {
	var log []string
	var s counting
	type hijackable struct {
		plain
		canHijack
	}
	inner := &writer{under: hijackable{plain{httptest.NewRecorder()}, canHijack{&log}}, settler: &s}
	w := inner.claim()
	_, _, err := w.(http.Hijacker).Hijack()
	assert.NoError(t, err)
	assert.Equal(t, "yes", w.Header().Get("X-Settled"))
	inner.finish()
	assert.Equal(t, 1, s.settled)
}

func TestTheSettlerIsFoundBehindOtherWriters(t *testing.T) {
	var s counting
	w := (&writer{under: httptest.NewRecorder(), settler: &s}).claim()
	assert.Same(t, &s, behind(unwraps{plain{w}}))
	assert.Nil(t, behind(httptest.NewRecorder()))
}
