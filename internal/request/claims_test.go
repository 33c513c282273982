package request

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plain hides the optional methods of what is in it.
type plain struct{ http.ResponseWriter }

type (
	canFlush      struct{ log *[]string }
	canHijack     struct{ log *[]string }
	canPush       struct{ log *[]string }
	canReadFrom   struct{ log *[]string }
	canCloseNotif struct{ log *[]string }
)

func (c canFlush) Flush() { *c.log = append(*c.log, "flush") }
func (c canHijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	*c.log = append(*c.log, "hijack")
	return nil, nil, nil
}
func (c canPush) Push(string, *http.PushOptions) error {
	*c.log = append(*c.log, "push")
	return nil
}
func (c canReadFrom) ReadFrom(src io.Reader) (int64, error) {
	*c.log = append(*c.log, "read from")
	return io.Copy(io.Discard, src)
}
func (c canCloseNotif) CloseNotify() <-chan bool {
	*c.log = append(*c.log, "close notify")
	return nil
}

// combinations are a ResponseWriter with each combination of the optional
// methods, by the bits that claim gives them.
func combinations(log *[]string) map[int]http.ResponseWriter {
	p := plain{httptest.NewRecorder()}
	f, h, u, r, c := canFlush{log}, canHijack{log}, canPush{log}, canReadFrom{log}, canCloseNotif{log}
	type (
		F = canFlush
		H = canHijack
		P = canPush
		R = canReadFrom
		C = canCloseNotif
	)
	return map[int]http.ResponseWriter{
		0: struct{ plain }{p},
		1: struct {
			plain
			F
		}{p, f},
		2: struct {
			plain
			H
		}{p, h},
		3: struct {
			plain
			F
			H
		}{p, f, h},
		4: struct {
			plain
			P
		}{p, u},
		5: struct {
			plain
			F
			P
		}{p, f, u},
		6: struct {
			plain
			H
			P
		}{p, h, u},
		7: struct {
			plain
			F
			H
			P
		}{p, f, h, u},
		8: struct {
			plain
			R
		}{p, r},
		9: struct {
			plain
			F
			R
		}{p, f, r},
		10: struct {
			plain
			H
			R
		}{p, h, r},
		11: struct {
			plain
			F
			H
			R
		}{p, f, h, r},
		12: struct {
			plain
			P
			R
		}{p, u, r},
		13: struct {
			plain
			F
			P
			R
		}{p, f, u, r},
		14: struct {
			plain
			H
			P
			R
		}{p, h, u, r},
		15: struct {
			plain
			F
			H
			P
			R
		}{p, f, h, u, r},
		16: struct {
			plain
			C
		}{p, c},
		17: struct {
			plain
			F
			C
		}{p, f, c},
		18: struct {
			plain
			H
			C
		}{p, h, c},
		19: struct {
			plain
			F
			H
			C
		}{p, f, h, c},
		20: struct {
			plain
			P
			C
		}{p, u, c},
		21: struct {
			plain
			F
			P
			C
		}{p, f, u, c},
		22: struct {
			plain
			H
			P
			C
		}{p, h, u, c},
		23: struct {
			plain
			F
			H
			P
			C
		}{p, f, h, u, c},
		24: struct {
			plain
			R
			C
		}{p, r, c},
		25: struct {
			plain
			F
			R
			C
		}{p, f, r, c},
		26: struct {
			plain
			H
			R
			C
		}{p, h, r, c},
		27: struct {
			plain
			F
			H
			R
			C
		}{p, f, h, r, c},
		28: struct {
			plain
			P
			R
			C
		}{p, u, r, c},
		29: struct {
			plain
			F
			P
			R
			C
		}{p, f, u, r, c},
		30: struct {
			plain
			H
			P
			R
			C
		}{p, h, u, r, c},
		31: struct {
			plain
			F
			H
			P
			R
			C
		}{p, f, h, u, r, c},
	}
}

func TestAWriterHasTheOptionalMethodsOfWhatIsUnderItAndNoOthers(t *testing.T) {
	var log []string
	all := combinations(&log)
	require.Len(t, all, 32)
	for bits, under := range all {
		var s counting
		w := (&writer{under: under, settler: &s}).claim()
		assert.Equal(t, under, w.(interface{ Unwrap() http.ResponseWriter }).Unwrap())
		log = nil
		var want []string
		for i, try := range []struct {
			name string
			call func() bool
		}{
			{"flush", func() bool {
				f, ok := w.(http.Flusher)
				if ok {
					f.Flush()
				}
				return ok
			}},
			{"hijack", func() bool {
				h, ok := w.(http.Hijacker)
				if ok {
					_, _, err := h.Hijack()
					assert.NoError(t, err)
				}
				return ok
			}},
			{"push", func() bool {
				p, ok := w.(http.Pusher)
				if ok {
					assert.NoError(t, p.Push("/app.css", nil))
				}
				return ok
			}},
			{"read from", func() bool {
				r, ok := w.(io.ReaderFrom)
				if ok {
					n, err := r.ReadFrom(strings.NewReader("text"))
					assert.NoError(t, err)
					assert.EqualValues(t, 4, n)
				}
				return ok
			}},
			{"close notify", func() bool {
				c, ok := w.(closeNotifier)
				if ok {
					c.CloseNotify()
				}
				return ok
			}},
		} {
			can := bits>>i&1 == 1
			assert.Equal(t, can, try.call(), "%05b: %s", bits, try.name)
			if can {
				want = append(want, try.name)
			}
		}
		assert.Equal(t, want, log, "%05b", bits)
	}
}

func TestAClaimAllocatesNothing(t *testing.T) {
	var log []string
	for bits, under := range combinations(&log) {
		w := &writer{under: under, settler: &counting{}}
		var claimed http.ResponseWriter
		assert.Zero(t, testing.AllocsPerRun(100, func() { claimed = w.claim() }), "%05b", bits)
		assert.NotNil(t, claimed)
	}
}
