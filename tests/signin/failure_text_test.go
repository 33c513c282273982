package signin

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Operators search their logs for these texts.
func TestAFailedCallSaysWhatWasTriedAndWhyItFailed(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a gateway's page": {
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
			"ecgridsession: login: ecgrid answered 502: answer is not an envelope",
		},
		"no answer": {
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"ecgridsession: login: ecgrid gave no answer: answer cut short",
		},
	} {
		t.Run(name, func(t *testing.T) {
			upstream := httptest.NewServer(c.answer)
			defer upstream.Close()
			m, err := ecgridsession.New(ecgridsession.Config{
				Upstream: upstream.URL, Keys: [][]byte{bytes.Repeat([]byte("k1"), 16)}, Logger: slog.New(slog.DiscardHandler),
			})
			require.NoError(t, err)
			_, err = m.Login(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil), "alice", "secret")
			assert.EqualError(t, err, c.want)
		})
	}
}
