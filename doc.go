// Package ecgridsession is for web apps whose users sign in at the ECGrid REST
// API. It keeps the user's token in an encrypted cookie, hands it to calls to
// ECGrid, refreshes it before it expires, and ends it at sign-out: here, on
// every copy of the cookie, and at ECGrid.
//
//	key, _ := base64.StdEncoding.DecodeString(os.Getenv("SESSION_KEY"))
//	sessions, err := ecgridsession.New(ecgridsession.Config{Keys: [][]byte{key}})
//	if err != nil {
//		log.Fatal(err) // every fault of the Config, the key's among them
//	}
//	app := http.NewServeMux()
//	app.Handle("/login", sessions.LoginHandler())
//	app.Handle("/logout", sessions.LogoutHandler())
//	app.Handle("/", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		url := "https://rest.ecgrid.io/v2/parcels/inbox-list"
//		call, _ := http.NewRequestWithContext(r.Context(), "POST", url, nil)
//		inbox, err := sessions.Client().Do(call) // with this user's token
//		if err != nil {
//			http.Error(w, "ECGrid cannot be reached.", http.StatusBadGateway)
//			return
//		}
//		defer inbox.Body.Close()
//		io.Copy(w, inbox.Body)
//	})))
//	log.Fatal(http.ListenAndServeTLS(":8443", "cert.pem", "key.pem", sessions.Wrap(app)))
//
// # Sessions
//
// [Middleware.Wrap] opens the session of each request, [Middleware.Require] lets
// only signed-in requests through, and both hand the request on with a context
// from which [Middleware.Session] and [Middleware.Transport] take what they need.
// A request that brings a cookie of ours gets a ResponseWriter of ours, which
// settles the cookie when the header of the answer is written; any other keeps
// the server's own. A session begins with
// [Middleware.LoginHandler], [Middleware.Login], or [Middleware.Start] for a
// credential that the app already has. It ends at sign-out, when the browser
// signs in anew, 30 minutes after the last use, 8 hours after sign-in, or when
// ECGrid refuses its credential.
//
// The cookie holds the session. The [Ledger] holds what a cookie cannot know,
// has the last word, and is asked once for each request that brings a session.
// [MemoryLedger], the default, is right for an app of one process; replicas need
// one that they share. API keys are kept in the ledger and never in the cookie,
// and so are tokens that are too long for it.
//
// A request whose session has ended is anonymous, not an error. Where the ledger
// does not answer, a session with its token in the cookie goes on, since ECGrid
// still refuses a token that was revoked; one whose credential is in the ledger
// cannot, and gets [ErrLedgerUnavailable] and 503.
//
// # Refresh
//
// A token is refreshed 2 minutes before it expires, or when half of its life has
// passed if that is later. ECGrid ends the old token when it gives a new one, so
// there is one refresh for each session, however many requests ask and on
// however many replicas: whoever claims it in the ledger makes the call, and the
// others wait for the outcome. Require, [Middleware.Credential] and Transport see
// to a token that is due. Wrap never does, so that a sign-out, a public page and
// an image never wait. While the token is good a request waits a second at most,
// and continues with the token that it has.
//
// A session in use outlives its token. If no request comes while its token is
// due, the process that set the session's cookie last refreshes it, until
// Config.IdleTimeout has passed since then. This is for tokens without a refresh
// token: the others can be refreshed when they have expired.
//
// The new token stays in the ledger until it expires. A browser that missed the
// new cookie, or sends an older one, goes on. A refresh to which ECGrid does not
// answer, or answers 429 or 5xx, leaves the token so far in place and is tried
// again with a growing pause, or after Retry-After. ECGrid's refusal ends the
// session, unless the ledger could not be asked whether the token has been
// replaced. A 400, 403 or 404 leaves the token its life, and ends the session
// once ECGrid refuses the token in a call as well. A token that has
// expired while the browser slept is given one refresh. Should a call through
// [Middleware.Transport] meet a token that has just been replaced, it is sent
// once more with the new one, if its body can be had again.
//
// # Logout
//
// [Middleware.LogoutHandler] takes a POST from this site, or a click on this
// site that Fetch Metadata proves; anything else changes nothing. First the
// session ends in the ledger: from then on no copy of the cookie opens it, and
// no request under way brings it back. Then the cookie is deleted, and the
// token ended at ECGrid, within 3 seconds and even if the browser has gone. Where
// ECGrid does not answer, that goes on in the background for a bounded number of
// tries; [Middleware.Close] waits for them. A refresh that was under way revokes
// what it brings. A refresh token whose access token has expired is exchanged in
// the background, and what comes is ended. The user is signed out whatever ECGrid
// does; [LogoutOutcome] says what it did.
//
// A request that is under way makes no further call to ECGrid for the session. A
// sign-out in this process stops it at once. One on another replica stops a
// request with an API key within 2 seconds, and ECGrid refuses a token.
//
// Where the ledger does not answer, ECGrid's word that it has ended the token is
// enough. Where there is none either, or the credential is a key, which lives on,
// the cookie is deleted all the same and the answer is [ErrLogoutUnconfirmed] and
// 503, never a false success; the rest is made up for in the background.
//
// [Middleware.LogoutEverywhere] ends all sessions of the user.
// [Middleware.EndWithSession] ends streams and WebSockets with their session.
//
// # Security
//
// The cookie is sealed with AES-256-GCM under keys that are derived from
// Config.Keys, and bound to its name and to the upstream. It is "__Host-",
// Secure, HttpOnly and SameSite=Lax. It has one spelling, and bytes that were not
// sealed by us are anonymous. Values in the ledger are sealed too, and bound to
// their place there. To rotate keys, add the new one last on every replica, then
// put it first on every replica, and drop the old one when Lifetime and 5 minutes
// have passed.
//
// The credential goes to Config.Upstream only: [Middleware.Transport] refuses
// to send a request elsewhere, and [Middleware.Client] to follow a redirect
// there. [Credential], [Config] and whatever holds them print, log and marshal
// redacted, and the binary encoders of the standard library refuse them. No error, log line or page holds anything that ECGrid sent but
// numbers and documented codes; an [Event] names the user, besides.
//
// Sign-in and sign-out are refused to pages of other sites. Targets of return_to
// are paths on this site. X-Forwarded headers are not read. What is behind
// Require, and each answer that sets the cookie, is sent with Cache-Control:
// no-store, whatever its handler sets, and so for the fields that speak to one
// cache alone, such as CDN-Cache-Control.
//
// Not covered: forged requests to the app's own handlers, for which there is
// [net/http.CrossOriginProtection]; scripts that run in the app's pages, which
// can use the session though not read it; a cookie that is stolen from the
// browser, which works until its session ends; guessed passwords, which ECGrid
// has to limit, and of which an Event tells; and whoever can write to the ledger,
// who can put an older entry back in its place.
//
// docs/security.md has the threat model, and what ASVS 5.0 and RFC 10017 ask,
// each with its test. docs/migrating.md shows the way here from gorilla/sessions
// and x/oauth2.
//
// # The live service
//
// The pages of ECGrid's vendor disagree about the name of the login field, the
// answer to a login, the refresh and the errors. The library takes what each of
// them says, and Config.LoginField names the field. It was never run against the
// live service. docs/live-service.md has a program that asks the service and
// prints what differs.
//
// # Limits
//
// A token that ECGrid gave in an answer that never arrived, or to a process that
// was killed before it could publish it, is unknown here and lives until it
// expires. So does one whose revocation was given up, or was still to be tried
// when the process died; an [Event] tells of the former.
//
// With MemoryLedger a restart forgets which sessions have ended: a copy of the
// cookie of one opens pages again, until ECGrid answers 401 to the first call
// with its token. Sessions whose credential was in the ledger end. A shared
// ledger that loses its data is the same.
//
// Idleness is known to the cookie alone, so one that comes back too late is
// anonymous but revokes nothing: it may be an old copy of one in use. The cookie
// is set anew when a tenth of the idle limit has passed, so a session may end by
// as much earlier than the limit says.
//
// A session whose token cannot be refreshed once it has expired is kept alive by
// the process that set its cookie last, until the idle limit has passed. A restart
// of that process, or more than 262,144 such sessions or 256 MiB of them at once,
// leaves the session its token's life, unless another replica has set its cookie
// too. With MemoryLedger a restart also loses the tokens of such refreshes, and
// those users sign in again.
//
// A token's life is measured by the Date of the answer that brought it. If ECGrid
// sends no Date and its clock is apart from ours, a token without a refresh token
// may expire before it is refreshed.
//
// EndSessionsOf ends sessions in this app. Their tokens live at ECGrid until they
// expire or the user is reset there.
//
// ECGrid ends no API key at sign-out, and resets a user's tokens for some
// authLevels only: where it refuses, or does not answer, LogoutEverywhere ends
// every session of this app, and at ECGrid the token at hand. It does not try the
// reset again, which would end a sign-in that came meanwhile.
//
// One key may seal 2^32 values, since AES-GCM's nonces are random (NIST SP
// 800-38D, 8.3). A cookie is sealed at sign-in, at each refresh, and every 3
// minutes of use by default, with which a thousand users who never rest reach
// the bound in 24 years. Once a year is often enough to rotate.
//
// Replicas' clocks may be 5 minutes apart. A session may end by as much earlier
// or later than its limits say, as each replica judges by its own clock.
//
// A sign-in sets its cookie at once in a request that brought none, because the
// ResponseWriter is then the server's own. A handler that calls Login and clears
// the header afterwards, or sets Cache-Control, undoes that.
//
// Tokens and keys are at most 16 KiB long. Of several ECGrids, each takes a
// Middleware of its own.
package ecgridsession
