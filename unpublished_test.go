package ecgridsession_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// sometimesDown is a ledger that can be out of reach.
type sometimesDown struct {
	ecgridsession.Ledger
	down atomic.Bool
}

var errDown = errors.New("the ledger is down")

func (l *sometimesDown) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if l.down.Load() {
		return nil, errDown
	}
	return l.Ledger.Load(ctx, keys...)
}

func (l *sometimesDown) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	if l.down.Load() {
		return false, errDown
	}
	return l.Ledger.CompareAndSwap(ctx, key, old, next, ttl)
}

func TestATokenThatTheLedgerDoesNotKnowYetServesOlderCookiesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := ecgridtest.NewAPI()
		api.AddUser(demo)
		ledger := &sometimesDown{Ledger: ecgridsession.NewMemoryLedger()}
		key := randomKey(t)
		replica := func() *ecgridsession.Middleware {
			return newMiddleware(t, ecgridsession.Config{
				Upstream: "http://localhost", Keys: [][]byte{key}, Ledger: ledger, BaseTransport: handlerTransport{api},
			})
		}
		m, other := replica(), replica()

		w := httptest.NewRecorder()
		_, err := m.Login(w, httptest.NewRequest(http.MethodPost, "/login", nil), demo.Login, demo.Password)
		require.NoError(t, err)
		older := w.Result().Cookies()[0]
		credential := func(m *ecgridsession.Middleware) (c ecgridsession.Credential, err error) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(older)
			m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c, err = m.Credential(r.Context())
			})).ServeHTTP(httptest.NewRecorder(), r)
			return c, err
		}
		first, err := credential(m)
		require.NoError(t, err)

		ledger.down.Store(true)
		time.Sleep(time.Until(first.ExpiresAt) - 10*time.Second) // due, and urgent
		second, err := credential(m)
		require.NoError(t, err)
		require.NotEqual(t, first.Token, second.Token)
		again, err := credential(m)
		require.NoError(t, err, "the newer token is forgotten")
		assert.Equal(t, second.Token, again.Token)

		// Back, and not told yet: a claim now would end the session, since the
		// older token is refused.
		ledger.down.Store(false)
		again, err = credential(m)
		require.NoError(t, err)
		assert.Equal(t, second.Token, again.Token)
		assert.Len(t, api.Calls("/v2/auth/refresh"), 1)

		time.Sleep(time.Minute)
		again, err = credential(other)
		require.NoError(t, err, "the newer token is not published")
		assert.Equal(t, second.Token, again.Token)
		assert.Len(t, api.Calls("/v2/auth/refresh"), 1)
	})
}
