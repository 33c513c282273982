package load_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
)

// A wrong answer is often a fast one, so nothing is measured by it.
func TestNothingIsMeasuredByAnotherAnswerThanTheRightOne(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a failure":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, "page") },
		"another page": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "gape") },
		"a new cookie": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "a=b")
			io.WriteString(w, "page")
		},
	} {
		addr := answering(t, answer)
		_, err := load.Probe(addr, load.Get(addr, "/", ""), "page")
		assert.Error(t, err, name)
	}
}

func TestTheRightAnswerIsKnownByItsLength(t *testing.T) {
	addr := answering(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	length, err := load.Probe(addr, load.Get(addr, "/", ""), "page")
	require.NoError(t, err)
	assert.Equal(t, len("page"), length)
}
