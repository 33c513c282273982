package site

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// UntilDue takes a session of the fake's default, a token of 15 minutes, to
// where that is to be refreshed and still works.
const UntilDue = 14 * time.Minute

// InLedger keeps bearer tokens in the ledger.
func InLedger(cfg *ecgridsession.Config) { cfg.CredentialInLedger = true }

// InBubble runs a property of a site in process, in a bubble.
func InBubble(t *testing.T, property func(t *testing.T, s *Site), options ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { property(t, New(t, append(options, InProcess())...)) })
}

// BothPlaces runs a property with the token in the cookie and in the ledger, in
// a bubble each.
func BothPlaces(t *testing.T, property func(t *testing.T, s *Site)) {
	t.Helper()
	for name, option := range map[string]Option{
		"token in the cookie": With(),
		"token in the ledger": With(InLedger),
	} {
		t.Run(name, func(t *testing.T) { InBubble(t, property, option) })
	}
}

// SignedInBothPlaces is BothPlaces with a visitor who has just signed in with a
// password.
func SignedInBothPlaces(t *testing.T, property func(t *testing.T, s *Site, v *Visitor)) {
	t.Helper()
	BothPlaces(t, func(t *testing.T, s *Site) { property(t, s, s.SignIn(Demo)) })
}

// SignedInEarlier is SignedInBothPlaces with [Site.SignInEarlier].
func SignedInEarlier(t *testing.T, property func(t *testing.T, s *Site, v *Visitor)) {
	t.Helper()
	BothPlaces(t, func(t *testing.T, s *Site) { property(t, s, s.SignInEarlier(Demo)) })
}

// EachKind runs a property with a visitor of each kind of session, in a bubble.
func EachKind(t *testing.T, property func(t *testing.T, s *Site, v *Visitor)) {
	t.Helper()
	BothPlaces(t, func(t *testing.T, s *Site) { property(t, s, s.SignIn(Demo)) })
	t.Run("API key", func(t *testing.T) {
		InBubble(t, func(t *testing.T, s *Site) { property(t, s, s.SignInByKey(Demo)) })
	})
}
