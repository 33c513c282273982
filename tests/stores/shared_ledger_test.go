package stores

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

const sharedWithAnotherApp = "Does another app, with keys of its own, use the same ledger"

func TestAnAppThatSharesItsLedgerWithAnotherIsToldInItsLog(t *testing.T) {
	s := site.New(t)
	another := s.Replica(func(c *ecgridsession.Config) { c.Keys = [][]byte{site.NewKey(t)} })
	one, two, theirs := s.Browser().SignIn(), s.Browser().SignIn(), another.Browser().SignIn()
	assert.NotContains(t, s.Logs.String(), sharedWithAnotherApp)
	theirs.Post("/everywhere", nil)
	assert.Equal(t, "anonymous", one.Get("/").Text, "what cannot be read ends the session: a writer there must not keep it open")
	assert.Equal(t, "anonymous", two.Get("/").Text)
	assert.Equal(t, 1, strings.Count(s.Logs.String(), sharedWithAnotherApp), "once")
}

func TestAKeyThatIsRotatedIsNotTakenForAnotherApp(t *testing.T) {
	next := site.NewKey(t)
	s := site.New(t)
	both := s.Replica(func(c *ecgridsession.Config) { c.Keys = [][]byte{next, s.Key} })
	copied := s.Browser().SignIn()
	old := copied.WithCookie(both)
	s.Browser().SignIn().Post("/everywhere", nil)
	assert.Equal(t, "anonymous", old.Get("/").Text)
	assert.NotContains(t, both.Logs.String(), sharedWithAnotherApp)
}
