package cookie

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// stuckStore has a row for each cookie and deletes none.
type stuckStore struct{}

func (s stuckStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return s.New(r, name)
}

func (s stuckStore) New(_ *http.Request, name string) (*sessions.Session, error) {
	return sessions.NewSession(s, name), nil
}

func (stuckStore) Save(*http.Request, http.ResponseWriter, *sessions.Session) error {
	return errors.New("disk full")
}

func TestAStoreThatKeepsItsRowIsReportedAsUnavailable(t *testing.T) {
	sealed, err := NewSealed([][]byte{[]byte("0123456789abcdef0123456789abcdef")}, "id", "https://rest.ecgrid.io")
	require.NoError(t, err)
	carrier := InStore(sealed, stuckStore{}, "id", sessions.Options{Path: "/"}, time.Hour)
	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.Header.Set("Cookie", "id=row")
	err = carrier.Delete(httptest.NewRecorder(), r)
	require.ErrorIs(t, err, session.ErrUnavailable)
	assert.EqualError(t, err, "ecgridsession: ledger unavailable: the session store failed: it kept its row: disk full")
}
