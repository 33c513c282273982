package stores

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// panickingLedger panics in every call.
type panickingLedger struct{}

func (panickingLedger) Load(context.Context, ...string) ([][]byte, error) { panic("a nil pool") }

func (panickingLedger) CompareAndSwap(context.Context, string, []byte, []byte, time.Duration) (bool, error) {
	panic("a nil pool")
}

func TestALedgerThatPanicsAtSignInLeavesNoTokenWithoutASession(t *testing.T) {
	s := site.New(t, site.With(func(c *ecgridsession.Config) { c.Ledger, c.CredentialInLedger = panickingLedger{}, true }))
	got := s.Browser().Post("/login", as(site.Demo))
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	assert.NotEmpty(t, s.Grid.Calls(site.LoginCall))
	require.Eventually(t, func() bool { return s.Grid.LiveTokens(site.Demo.ID) == 0 }, 10*time.Second, 5*time.Millisecond)
}

// oneID gives every session the same id.
type oneID struct{ *tableStore }

func (s oneID) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	session.ID = "one"
	return s.tableStore.Save(r, w, session)
}

func TestAStoreThatGivesANewSessionTheOldOnesIDIsRefused(t *testing.T) {
	store := oneID{newTable(kind{})}
	s := site.New(t, site.With(func(c *ecgridsession.Config) { c.Store = store }))
	s.Grid.AddUser(other)
	b := s.Browser().SignIn()
	got := b.Post("/login", as(other))
	assert.Equal(t, http.StatusInternalServerError, got.StatusCode)
	assert.Empty(t, got.SessionCookies())
	require.Eventually(t, func() bool { return s.Grid.LiveTokens(other.ID) == 0 }, 10*time.Second, 5*time.Millisecond)
}
