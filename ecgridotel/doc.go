// Package ecgridotel turns the events of an ecgridsession middleware into
// OpenTelemetry metrics, and notes them on the span of the request.
//
//	record, err := ecgridotel.OnEvent(ecgridotel.Config{})
//	if err != nil {
//		log.Fatal(err)
//	}
//	sessions, err := ecgridsession.New(ecgridsession.Config{Keys: keys, OnEvent: record})
//
// It depends on OpenTelemetry's API alone. Where the numbers go, the app decides
// by the provider that it sets up; until then nothing is recorded.
//
// # Metrics
//
// The meter's name is that of this package. Each line gives the instrument, the
// unit, what is counted, and the attributes.
//
//   - ecgridsession.logins: counter, {login}. Users who signed in
//     (SessionStarted). Attribute: ecgridsession.credential, "bearer" or "api-key".
//   - ecgridsession.login.failures: counter, {login}. Sign-ins that came to
//     nothing (SignInFailed). Attribute: error.type, which is ECGrid's own code
//     where the credential was wrong. Anybody with a browser can cause them.
//   - ecgridsession.refreshes: counter, {refresh}. Calls that asked ECGrid for a
//     new token, and what came of them. Attributes: ecgridsession.refresh.outcome,
//     which is "refreshed" (SessionRefreshed), "failed" where the session goes on
//     with the token it has (RefreshFailed), or "ended" where the session ended by
//     it, nearly always because ECGrid refused the token (SessionEnded after a
//     call); error.type.
//   - ecgridsession.logouts: counter, {logout}. Users who signed out, once per
//     session (LoggedOut). Attributes: ecgridsession.logout.outcome, the words of
//     [ecgridsession.LogoutOutcome]; error.type.
//   - ecgridsession.ends: counter, {session}. Sessions that ended otherwise
//     (SessionEnded). Attribute: error.type, which is "_OTHER" where the ledger's
//     entry could not be read. It is not there where the absolute limit had
//     passed, a new sign-in took the session's place, or ECGrid refused the token
//     in a call of the app's own.
//   - ecgridsession.revocations: counter, {revocation}. Revocations in the
//     background that are over; one that succeeds within the sign-out is none.
//     Attributes: ecgridsession.revocation.outcome, which is "confirmed" or
//     "already-invalid" (RevocationDone), "refused" where ECGrid's answer rules
//     out another try, or "gave-up" after the last of them (RevocationGaveUp);
//     error.type. The reset of LogoutEverywhere, which is tried once and within the
//     request, is "refused" however it failed.
//   - ecgridsession.revocations.pending: up-down counter, {revocation}. Those that
//     are not over (RevocationPending). It has no attributes, and what waits dies
//     with the process.
//   - ecgridsession.cookie.rejections: counter, {cookie}. Cookies of our name that
//     could not be opened (CookieRejected). Anybody with a browser can cause them.
//   - ecgridsession.ledger.failures: counter, {failure}. Times that the ledger, or
//     a Config.Store with a backend, could not be asked (LedgerUnavailable). Not
//     each call of it: a sign-out that met one has error.type "ledger" instead.
//   - ecgridsession.upstream.duration: histogram, s. How long a call to ECGrid
//     took, with the wait for its turn where many sign out at once. Attributes:
//     ecgridsession.upstream.call, which is "login", "refresh", "logout" or
//     "revocation" (of the last try alone); error.type.
//
// error.type is ECGrid's documented error code where it gave one, else the HTTP
// status, "timeout", "canceled", "no_answer" where ECGrid gave none that can be
// used, "ledger", or "_OTHER". It is never an error's text.
//
// Not counted, since there is no event for it: a refresh whose token another
// replica's overtook.
//
// # Spans
//
// Each event is added to the current span, where that is recorded, as
// "ecgridsession." and the event's kind, such as ecgridsession.logged-out, with the
// attributes of its counter, ecgridsession.session.ref and
// ecgridsession.upstream.duration. The span must be in the request's context before
// the middleware sees it, so wrap the middleware's handler in otelhttp's, not the
// other way round. What happens in the background, refreshes and revocations
// above all, is on no request's span. The span's status is left alone: a user who
// signs out while ECGrid is down was served.
//
// # Privacy
//
// No event holds a secret, so none is in any attribute. Login and UserID are
// personal data, and are left out. [ecgridsession.Session.Ref] is a one-way
// reference to the session that logs show too: it is on spans, to find the log
// lines by, and not on metrics, where each session would be a series of its own.
// An app that wants more adds it to the span in Config.Next.
package ecgridotel
