package ecgridsession

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/lifecycle"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/request"
	"github.com/ecgrid-contrib/ecgridsession/internal/revoke"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
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

// LogoutOutcome is what became of the session at ECGrid. The user is signed out
// here whichever it is.
type LogoutOutcome int

// The outcomes of a sign-out.
const (
	// LogoutNone: there was no session, or another request had just ended it.
	LogoutNone LogoutOutcome = iota
	// LogoutConfirmed: ECGrid ended it. An API key itself lives on.
	LogoutConfirmed
	// LogoutAlreadyInvalid: ECGrid no longer knew the token, which is as good.
	LogoutAlreadyInvalid
	// LogoutPending: ECGrid was unreachable, slow, or answered 429 or 5xx, or a
	// refresh was under way: seen to in the background.
	LogoutPending
	// LogoutRefused: ECGrid answered something that a retry cannot mend.
	LogoutRefused
)

// A revoke.Outcome is converted to a LogoutOutcome. If the two lists had another
// order, one of these indexes would not be 0, and this would not compile.
var (
	_ = [1]int{}[int(LogoutNone)-int(revoke.None)]
	_ = [1]int{}[int(LogoutConfirmed)-int(revoke.Confirmed)]
	_ = [1]int{}[int(LogoutAlreadyInvalid)-int(revoke.AlreadyInvalid)]
	_ = [1]int{}[int(LogoutPending)-int(revoke.Pending)]
	_ = [1]int{}[int(LogoutRefused)-int(revoke.Refused)]
)

// String gives the outcome as a lower-case word.
func (o LogoutOutcome) String() string {
	switch o {
	case LogoutNone:
		return "none"
	case LogoutConfirmed:
		return "confirmed"
	case LogoutAlreadyInvalid:
		return "already-invalid"
	case LogoutPending:
		return "pending"
	case LogoutRefused:
		return "refused"
	default:
		return fmt.Sprintf("outcome(%d)", int(o))
	}
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
	// RevocationPending: a token is still to be ended at ECGrid, or an end to be
	// written to the ledger, in the background. Each is followed by one RevocationDone or RevocationGaveUp,
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

// observer tells the app. The packages that do the work know it by the
// interfaces of what each of them tells.
type observer struct {
	logger   *slog.Logger
	onEvent  func(context.Context, Event)
	idle     time.Duration
	lifetime time.Duration
}

var (
	_ lifecycle.Events = (*observer)(nil)
	_ request.Events   = (*observer)(nil)
	_ revoke.Told      = told{}
)

// describe is the public view of a session. Ref is of the half of the session's
// hash that is no part of the ledger's key, so a log line names no entry.
func (o *observer) describe(snap *session.Snapshot) Session {
	if snap == nil {
		return Session{} // it is not known whose
	}
	rec, ref := &snap.Record, snap.Keys.Ref()
	started := time.UnixMilli(rec.StartedAt).UTC()
	end := started.Add(o.lifetime)
	return Session{
		Ref:            hex.EncodeToString(ref[:]),
		UserID:         rec.UserID,
		Login:          rec.Login,
		APIKey:         rec.APIKey,
		StartedAt:      started,
		TokenExpiresAt: record.Time(rec.Credential.ExpiresAt),
		EndsAt:         end,
		IdleEndsAt:     o.idleEnd(rec.SeenAt, end),
	}
}

// idleEnd is the end of a session that was last used at seenAt, in ms, and is
// not used again.
func (o *observer) idleEnd(seenAt int64, end time.Time) time.Time {
	if idle := record.Time(seenAt).Add(o.idle); idle.Before(end) {
		return idle
	}
	return end
}

// describeUse is describe for the request that s is the session of. Its own
// answer may move the idle end.
func (o *observer) describeUse(s *request.Session, snap *session.Snapshot) Session {
	d := o.describe(snap)
	d.IdleEndsAt = o.idleEnd(s.UsedAt(snap), d.EndsAt)
	return d
}

// CookieRejected implements [request.Events].
func (o *observer) CookieRejected(ctx context.Context) { o.emit(ctx, Event{Kind: CookieRejected}) }

// Refreshed implements [lifecycle.Events].
func (o *observer) Refreshed(ctx context.Context, snap *session.Snapshot, expiresAt int64, took time.Duration, err error) {
	e := Event{Kind: SessionRefreshed, Session: o.describe(snap), Duration: took, Err: err}
	e.Session.TokenExpiresAt = record.Time(expiresAt)
	o.emit(ctx, e)
}

// RefreshFailed implements [lifecycle.Events].
func (o *observer) RefreshFailed(ctx context.Context, snap *session.Snapshot, took time.Duration, err error) {
	o.emit(ctx, Event{Kind: RefreshFailed, Session: o.describe(snap), Duration: took, Err: err})
}

// SessionEnded implements [lifecycle.Events] and [request.Events].
func (o *observer) SessionEnded(ctx context.Context, snap *session.Snapshot, took time.Duration, err error) {
	o.emit(ctx, Event{Kind: SessionEnded, Session: o.describe(snap), Duration: took, Err: err})
}

// LedgerUnavailable implements [lifecycle.Events] and [request.Events].
func (o *observer) LedgerUnavailable(ctx context.Context, snap *session.Snapshot, err error) {
	o.emit(ctx, Event{Kind: LedgerUnavailable, Session: o.describe(snap), Err: err})
}

// told tells of the token of one session that is still to be ended.
type told struct {
	o       *observer
	session Session
}

// Pending implements [revoke.Told].
func (t told) Pending() {
	t.o.emit(context.Background(), Event{Kind: RevocationPending, Session: t.session})
}

// Done implements [revoke.Told].
func (t told) Done(outcome revoke.Outcome, took time.Duration) {
	t.o.emit(context.Background(), Event{Kind: RevocationDone, Session: t.session, Outcome: LogoutOutcome(outcome), Duration: took})
}

// GaveUp implements [revoke.Told].
func (t told) GaveUp(outcome revoke.Outcome, took time.Duration, err error) {
	t.o.emit(context.Background(), Event{
		Kind: RevocationGaveUp, Session: t.session, Outcome: LogoutOutcome(outcome), Duration: took, Err: err,
	})
}

// emit logs the event and hands it to Config.OnEvent. A panic there is
// contained: an audit hook that breaks must not keep a user signed in. ctx is
// the request's, or one that nothing ends where the event is of the background:
// its values are the app's for tracing.
func (o *observer) emit(ctx context.Context, e Event) {
	o.logEvent(ctx, e)
	if o.onEvent == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			// The panic's value is the app's own and may hold anything.
			o.logger.ErrorContext(ctx, "ecgridsession: OnEvent panicked", "event", e.Kind.String())
		}
	}()
	o.onEvent(ctx, e)
}

// logEvent chooses the level: what an operator must see is a warning, and what
// anybody with a browser can cause at will stays at debug.
func (o *observer) logEvent(ctx context.Context, e Event) {
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
	if !o.logger.Enabled(ctx, level) {
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
	o.logger.LogAttrs(ctx, level, "ecgridsession", attrs...)
}
