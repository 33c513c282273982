package ecgridsession

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryKindOfEventHasAName(t *testing.T) {
	for kind, name := range map[EventKind]string{
		SessionStarted:    "session-started",
		SessionRefreshed:  "session-refreshed",
		RefreshFailed:     "refresh-failed",
		SessionEnded:      "session-ended",
		LoggedOut:         "logged-out",
		RevocationDone:    "revocation-done",
		RevocationGaveUp:  "revocation-gave-up",
		CookieRejected:    "cookie-rejected",
		LedgerUnavailable: "ledger-unavailable",
		RevocationPending: "revocation-pending",
		SignInFailed:      "sign-in-failed",
		0:                 "event(0)",
		-1:                "event(-1)",
		12:                "event(12)",
	} {
		assert.Equal(t, name, kind.String())
	}
}

func TestEveryOutcomeHasAName(t *testing.T) {
	for outcome, name := range map[LogoutOutcome]string{
		LogoutNone:           "none",
		LogoutConfirmed:      "confirmed",
		LogoutAlreadyInvalid: "already-invalid",
		LogoutPending:        "pending",
		LogoutRefused:        "refused",
		5:                    "outcome(5)",
		-1:                   "outcome(-1)",
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
func emitted(t *testing.T, level slog.Level, e Event) (line logged) {
	t.Helper()
	var logs bytes.Buffer
	o := &observer{logger: slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: level}))}
	o.emit(t.Context(), e)
	if logs.String() != "" {
		require.NoError(t, json.Unmarshal(logs.Bytes(), &line), logs.String())
	}
	return line
}

func TestWhatAnOperatorMustSeeIsAWarningAndAllElseIsDebug(t *testing.T) {
	fault := errors.New("some fault")
	for _, c := range []struct {
		event Event
		level string
	}{
		{Event{Kind: SessionStarted}, "DEBUG"},
		{Event{Kind: SessionRefreshed}, "DEBUG"},
		{Event{Kind: RefreshFailed, Err: fault}, "WARN"},
		{Event{Kind: SessionEnded}, "DEBUG"},
		{Event{Kind: LoggedOut, Outcome: LogoutConfirmed}, "DEBUG"},
		{Event{Kind: LoggedOut, Outcome: LogoutAlreadyInvalid}, "DEBUG"},
		{Event{Kind: LoggedOut, Outcome: LogoutPending}, "DEBUG"},
		{Event{Kind: LoggedOut, Outcome: LogoutPending, Err: fault}, "WARN"},
		{Event{Kind: LoggedOut, Outcome: LogoutRefused}, "WARN"},
		{Event{Kind: RevocationDone, Outcome: LogoutConfirmed}, "DEBUG"},
		{Event{Kind: RevocationGaveUp, Err: fault}, "WARN"},
		{Event{Kind: CookieRejected}, "DEBUG"},
		{Event{Kind: LedgerUnavailable, Err: fault}, "WARN"},
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
	session := Session{Ref: "0123456789", UserID: 4711, Login: "canary-login", StartedAt: time.Now()}
	line := emitted(t, slog.LevelDebug, Event{Kind: LoggedOut, Session: session, Outcome: LogoutPending})
	assert.Equal(t, logged{Level: "DEBUG", Msg: "ecgridsession", Event: "logged-out", Session: "0123456789", User: 4711, Outcome: "pending"}, line)
	line = emitted(t, slog.LevelDebug, Event{Kind: SessionStarted, Session: session})
	assert.Empty(t, line.Outcome, "only what ends a token has one")
}

func TestTheLogOfAnEventWithoutASessionNamesNone(t *testing.T) {
	var logs bytes.Buffer
	o := &observer{logger: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	o.emit(t.Context(), Event{Kind: CookieRejected})
	assert.Regexp(t, `^time=\S+ level=DEBUG msg=ecgridsession event=cookie-rejected\n$`, logs.String())
}

func TestTheContextOfAnEventIsTheRequests(t *testing.T) {
	type traceKey struct{}
	var seen any
	o := &observer{logger: slog.New(slog.DiscardHandler), onEvent: func(ctx context.Context, _ Event) { seen = ctx.Value(traceKey{}) }}
	o.emit(context.WithValue(t.Context(), traceKey{}, "trace-7"), Event{Kind: CookieRejected})
	assert.Equal(t, "trace-7", seen)
}
