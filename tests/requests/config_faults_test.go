package requests

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// A ledger that panics does so at the first sign-out, which then ends nothing.
func TestNewRefusesALedgerOfOursThatNobodyMade(t *testing.T) {
	for name, ledger := range map[string]ecgridsession.Ledger{
		"zero": new(ecgridsession.MemoryLedger), "nil": (*ecgridsession.MemoryLedger)(nil),
	} {
		_, err := ecgridsession.New(ecgridsession.Config{Keys: [][]byte{site.NewKey(t)}, Ledger: ledger})
		assert.EqualError(t, err, "ecgridsession: Config.Ledger: a MemoryLedger comes from NewMemoryLedger", name)
	}
}

func TestNewRefusesAStoreOfOursThatNobodyMade(t *testing.T) {
	for name, store := range map[string]sessions.Store{
		"zero": new(ecgridsession.CookieStore), "nil": (*ecgridsession.CookieStore)(nil),
	} {
		_, err := ecgridsession.New(ecgridsession.Config{Keys: [][]byte{site.NewKey(t)}, Store: store})
		assert.EqualError(t, err, "ecgridsession: Config.Store: a CookieStore comes from NewCookieStore", name)
	}
}

// Tests of apps make their requests with http.NewRequest, and hand them to the
// app's handler without a server in between.
func TestASignInWithoutABodyIsABadRequest(t *testing.T) {
	s := site.New(t)
	for _, contentType := range []string{"", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		r, err := http.NewRequest(http.MethodPost, "/login", nil)
		require.NoError(t, err)
		require.Nil(t, r.Body)
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		s.Middleware.LoginHandler().ServeHTTP(w, r)
		assert.Equal(t, http.StatusBadRequest, w.Code, contentType)
	}
}
