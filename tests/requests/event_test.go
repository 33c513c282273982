package requests

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/inside"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestEveryKindOfEventHasAName(t *testing.T) {
	for kind, name := range map[ecgridsession.EventKind]string{
		ecgridsession.SessionStarted:    "session-started",
		ecgridsession.SessionRefreshed:  "session-refreshed",
		ecgridsession.RefreshFailed:     "refresh-failed",
		ecgridsession.SessionEnded:      "session-ended",
		ecgridsession.LoggedOut:         "logged-out",
		ecgridsession.RevocationDone:    "revocation-done",
		ecgridsession.RevocationGaveUp:  "revocation-gave-up",
		ecgridsession.CookieRejected:    "cookie-rejected",
		ecgridsession.LedgerUnavailable: "ledger-unavailable",
		ecgridsession.RevocationPending: "revocation-pending",
		ecgridsession.SignInFailed:      "sign-in-failed",
		0:                               "event(0)",
		-1:                              "event(-1)",
		12:                              "event(12)",
	} {
		assert.Equal(t, name, kind.String())
	}
}

func TestEveryOutcomeHasAName(t *testing.T) {
	for outcome, name := range map[ecgridsession.LogoutOutcome]string{
		ecgridsession.LogoutNone:           "none",
		ecgridsession.LogoutConfirmed:      "confirmed",
		ecgridsession.LogoutAlreadyInvalid: "already-invalid",
		ecgridsession.LogoutPending:        "pending",
		ecgridsession.LogoutRefused:        "refused",
		5:                                  "outcome(5)",
		-1:                                 "outcome(-1)",
	} {
		assert.Equal(t, name, outcome.String())
	}
}

// logged is one line of a log in JSON.
type logged struct {
	Level, Msg, Event, Session, Outcome, Error string
	User                                       int64
}

// emitted is what the log gets of an event, at debug; zero for nothing.
func emitted(t *testing.T, level slog.Level, e ecgridsession.Event) (line logged) {
	t.Helper()
	logs := &site.LogBuffer{}
	m := site.NewMiddleware(t, ecgridsession.Config{
		Keys:   [][]byte{site.NewKey(t)},
		Logger: slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: level})),
	})
	inside.Of(m).Emit(t.Context(), e)
	if logs.String() != "" {
		require.NoError(t, json.Unmarshal([]byte(logs.String()), &line), logs.String())
	}
	return line
}

func TestWhatAnOperatorMustSeeIsAWarningAndAllElseIsDebug(t *testing.T) {
	fault := errors.New("some fault")
	for _, c := range []struct {
		event ecgridsession.Event
		level string
	}{
		{ecgridsession.Event{Kind: ecgridsession.SessionStarted}, "DEBUG"},
		{ecgridsession.Event{Kind: ecgridsession.SessionRefreshed}, "DEBUG"},
		{ecgridsession.Event{Kind: ecgridsession.RefreshFailed, Err: fault}, "WARN"},
		{ecgridsession.Event{Kind: ecgridsession.SessionEnded}, "DEBUG"},
		{ecgridsession.Event{Kind: ecgridsession.LoggedOut, Outcome: ecgridsession.LogoutConfirmed}, "DEBUG"},
		{ecgridsession.Event{Kind: ecgridsession.LoggedOut, Outcome: ecgridsession.LogoutAlreadyInvalid}, "DEBUG"},
		{ecgridsession.Event{Kind: ecgridsession.LoggedOut, Outcome: ecgridsession.LogoutPending}, "DEBUG"},
		{ecgridsession.Event{Kind: ecgridsession.LoggedOut, Outcome: ecgridsession.LogoutPending, Err: fault}, "WARN"},
		{ecgridsession.Event{Kind: ecgridsession.LoggedOut, Outcome: ecgridsession.LogoutRefused}, "WARN"},
		{ecgridsession.Event{Kind: ecgridsession.RevocationDone, Outcome: ecgridsession.LogoutConfirmed}, "DEBUG"},
		{ecgridsession.Event{Kind: ecgridsession.RevocationGaveUp, Err: fault}, "WARN"},
		{ecgridsession.Event{Kind: ecgridsession.CookieRejected}, "DEBUG"},
		{ecgridsession.Event{Kind: ecgridsession.LedgerUnavailable, Err: fault}, "WARN"},
	} {
		line := emitted(t, slog.LevelDebug, c.event)
		assert.Equal(t, c.level, line.Level, c.event.Kind)
		assert.Equal(t, "ecgridsession", line.Msg)
		assert.Equal(t, c.event.Kind.String(), line.Event)
		if c.event.Err != nil {
			assert.Equal(t, "some fault", line.Error)
		}
		if c.level == "DEBUG" {
			assert.Zero(t, emitted(t, slog.LevelInfo, c.event), "anybody with a browser can cause it at will")
		}
	}
}

func TestTheLogNamesTheSessionAndItsOutcomeAndNothingElse(t *testing.T) {
	session := ecgridsession.Session{Ref: "0123456789", UserID: 4711, Login: "canary-login", StartedAt: time.Now()}
	line := emitted(t, slog.LevelDebug, ecgridsession.Event{Kind: ecgridsession.LoggedOut, Session: session, Outcome: ecgridsession.LogoutPending})
	assert.Equal(t, logged{Level: "DEBUG", Msg: "ecgridsession", Event: "logged-out", Session: "0123456789", User: 4711, Outcome: "pending"}, line)
	line = emitted(t, slog.LevelDebug, ecgridsession.Event{Kind: ecgridsession.SessionStarted, Session: session})
	assert.Empty(t, line.Outcome, "only what ends a token has one")
}

func TestTheLogOfAnEventWithoutASessionNamesNone(t *testing.T) {
	logs := &site.LogBuffer{}
	m := site.NewMiddleware(t, ecgridsession.Config{
		Keys:   [][]byte{site.NewKey(t)},
		Logger: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	inside.Of(m).Emit(t.Context(), ecgridsession.Event{Kind: ecgridsession.CookieRejected})
	assert.Regexp(t, `^time=\S+ level=DEBUG msg=ecgridsession event=cookie-rejected\n$`, logs.String())
}

func TestAPanicInOnEventIsContainedAndItsValueNotLogged(t *testing.T) {
	for name, value := range map[string]any{
		"a string": "canary-panic-value", "an error": errors.New("canary-panic-value"), "nil": nil, "abort": http.ErrAbortHandler,
	} {
		site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
			assert.Equal(t, "user demo", b.Get("/").Text, name)
			thief := b.WithCookie(s)
			got := b.Post("/logout", nil)
			assert.Equal(t, http.StatusSeeOther, got.StatusCode, name)
			assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
			assert.False(t, thief.SignedIn())
			assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
			assert.Contains(t, s.Logs.String(), `msg="ecgridsession: OnEvent panicked" event=logged-out`)
			assert.NotContains(t, s.Logs.String(), "canary-panic-value")
		}, site.With(func(c *ecgridsession.Config) {
			c.OnEvent = func(context.Context, ecgridsession.Event) { panic(value) }
		}))
	}
}

func TestOnEventIsCalledBeforeTheAnswer(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		started := s.Events.Of(ecgridsession.SessionStarted)
		require.Len(t, started, 1)
		assert.Equal(t, site.Demo.ID, started[0].Session.UserID)
		b.Post("/logout", nil)
		out := s.Events.Of(ecgridsession.LoggedOut)
		require.Len(t, out, 1)
		assert.Equal(t, started[0].Session.Ref, out[0].Session.Ref, "the same reference from first to last")
		assert.Equal(t, ecgridsession.LogoutConfirmed, out[0].Outcome)
		assert.Positive(t, out[0].Duration)
		assert.NoError(t, out[0].Err)
	})
}

func TestTheContextOfAnEventIsTheRequests(t *testing.T) {
	type traceKey struct{}
	var seen any
	m := site.NewMiddleware(t, ecgridsession.Config{Keys: [][]byte{site.NewKey(t)}, OnEvent: func(ctx context.Context, _ ecgridsession.Event) {
		seen = ctx.Value(traceKey{})
	}})
	inside.Of(m).Emit(context.WithValue(t.Context(), traceKey{}, "trace-7"), ecgridsession.Event{Kind: ecgridsession.CookieRejected})
	assert.Equal(t, "trace-7", seen)
}

func TestAMiddlewareWithoutOnEventWorks(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		assert.Equal(t, http.StatusSeeOther, b.Post("/logout", nil).StatusCode)
	}, site.With(func(c *ecgridsession.Config) { c.OnEvent = nil }))
}
