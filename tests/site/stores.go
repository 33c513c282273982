package site

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// ErrBackend is what a failing backend of a store says.
var ErrBackend = errors.New("dial tcp 10.0.0.7:6379: connection refused")

// NewStore returns a CookieStore.
func NewStore(t *testing.T, cfg ecgridsession.CookieStoreConfig) *ecgridsession.CookieStore {
	t.Helper()
	if cfg.Keys == nil {
		cfg.Keys = [][]byte{NewKey(t)}
	}
	store, err := ecgridsession.NewCookieStore(cfg)
	require.NoError(t, err)
	return store
}
