package ecgridsession

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// What apps learn of sessions: one Event for each thing that happened, for
// audit logs and metrics (ASVS 5.0, 16.3.1), and a line of the log for those
// who set no OnEvent. Events are emitted by whoever brought the thing about,
// after it is done and, within a request, before the answer, so that a hook
// that looks finds it so.

// Event is something that happened to a session, for audit logs and metrics.
// No field holds a secret.
type Event struct {
	// Kind is what happened.
	Kind EventKind
	// Session is whose session it was; the zero Session where it is not known.
	Session Session
	// Outcome is set with LoggedOut, RevocationDone and RevocationGaveUp.
	Outcome LogoutOutcome
	// Duration is how long the call to ECGrid took, the last one where there
	// were several; 0 where there was none.
	Duration time.Duration
	// Err is why, where something failed.
	Err error
}

// EventKind says what an Event is about. Its zero value is none of them.
type EventKind int

// The kinds of events.
const (
	// SessionStarted: a user signed in.
	SessionStarted EventKind = iota + 1
	// SessionRefreshed: a new token took the place of the old one.
	SessionRefreshed
	// RefreshFailed: ECGrid gave no verdict, or an answer that cannot be used;
	// the session goes on with the token it has.
	RefreshFailed
	// SessionEnded: a session ended otherwise than by Logout: ECGrid refused
	// its credential, its absolute limit passed, a new sign-in took its place,
	// or its ledger entry could not be read.
	SessionEnded
	// LoggedOut: the user signed out. Once per session.
	LoggedOut
	// RevocationDone: ECGrid ended a token that could not be ended within the
	// request.
	RevocationDone
	// RevocationGaveUp: it could not be ended; the token lives until it
	// expires.
	RevocationGaveUp
	// CookieRejected: a cookie of our name could not be opened.
	CookieRejected
	// LedgerUnavailable: the ledger did not answer in time, or with an error.
	LedgerUnavailable
	// RevocationPending: a token is still to be ended at ECGrid, in the
	// background. Each is followed by one RevocationDone or RevocationGaveUp,
	// and each of those follows one.
	RevocationPending
	// SignInFailed: Login or Start gave an error other than for its arguments.
	// Err tells what ECGrid refused from what it did not answer; who it was is
	// not told.
	SignInFailed
)

// eventKindNames are in logs and metrics of apps: a name never changes.
var eventKindNames = [...]string{
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
}

// String gives the kind in lower-case words, joined by hyphens: fit for a log
// field or a metric's label.
func (k EventKind) String() string {
	if k > 0 && int(k) < len(eventKindNames) {
		return eventKindNames[k]
	}
	return fmt.Sprintf("event(%d)", int(k))
}

// emit logs the event and hands it to Config.OnEvent. A panic there is
// contained: an audit hook that breaks must not keep a user signed in. ctx is
// the request's, or one that nothing ends where the event is of the background:
// its values are the app's for tracing.
func (m *Middleware) emit(ctx context.Context, e Event) {
	m.logEvent(ctx, e)
	if m.cfg.OnEvent == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			// The panic's value is the app's own and may hold anything.
			m.cfg.Logger.ErrorContext(ctx, "ecgridsession: OnEvent panicked", "event", e.Kind.String())
		}
	}()
	m.cfg.OnEvent(ctx, e)
}

// logEvent chooses the level: what an operator must see is a warning, and what
// anybody with a browser can cause at will stays at debug.
func (m *Middleware) logEvent(ctx context.Context, e Event) {
	level := slog.LevelDebug
	switch e.Kind {
	// CookieRejected is not among them: anybody can send garbage, and a log
	// that each of them makes grow is of no use to whoever reads it.
	case RevocationGaveUp, LedgerUnavailable, RefreshFailed:
		level = slog.LevelWarn
	case LoggedOut:
		if e.Outcome == LogoutRefused || e.Err != nil {
			level = slog.LevelWarn
		}
	}
	if !m.cfg.Logger.Enabled(ctx, level) {
		return
	}
	// No login name, which is a person's: Ref and user find the session.
	attrs := make([]slog.Attr, 0, 5)
	attrs = append(attrs, slog.String("event", e.Kind.String()))
	if e.Session.Ref != "" {
		attrs = append(attrs, slog.String("session", e.Session.Ref), slog.Int64("user", e.Session.UserID))
	}
	switch e.Kind {
	case LoggedOut, RevocationDone, RevocationGaveUp:
		attrs = append(attrs, slog.String("outcome", e.Outcome.String()))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	m.cfg.Logger.LogAttrs(ctx, level, "ecgridsession", attrs...)
}
