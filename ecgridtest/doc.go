// Package ecgridtest is a fake ECGrid REST API, for the tests of apps that use
// ecgridsession, and for running such an app without an ECGrid account.
//
// [NewServer] starts one for a test; [NewAPI] gives the same as a handler, without
// a server. Add the users that the test needs, point the library at it, and sign
// a client in:
//
//	func TestInboxShowsTheUsersParcels(t *testing.T) {
//		ecgrid := ecgridtest.NewServer(t)
//		ecgrid.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse"})
//
//		sessions, err := ecgridsession.New(ecgridsession.Config{
//			Upstream: ecgrid.URL,
//			Keys:     [][]byte{key}, // 32 random bytes
//		})
//		if err != nil {
//			t.Fatal(err)
//		}
//		app := httptest.NewTLSServer(sessions.Wrap(newApp(sessions)))
//		defer app.Close()
//
//		client := app.Client()
//		ecgridtest.SignIn(t, sessions, client, app.URL, ecgrid.Issue(1042))
//		resp, err := client.Get(app.URL + "/inbox")
//		// …
//	}
//
// A whole one, with an outage of ECGrid in it, is example/app_test.go in this
// module.
//
// # What it does
//
// It keeps the contract that ecgridsession is written against: login, refresh,
// logout, session, password and version under /v2/auth, /v2/users/reset/{id}
// and /v2/parcels/inbox-list, each answer in ECGrid's envelope. A token is dead
// from the moment of its logout, its refresh, a reset of its user, or its
// expiry; an API key outlives its logout, and so do tokens a change of password.
// Tokens have the form of JWTs, signed with a key of their API's own, but they
// count only for the API that issued them.
//
// The vendor's pages disagree about logins, refreshes and errors.
// [API.SetDialect] chooses which of them the API follows.
//
// [API.SetTokenTTL], [API.SetTokenSize] and [API.SetRefreshTokens] vary what a
// login answers. [API.Inject] makes calls fail, slow, hang or lose their answer:
//
//	ecgrid.Inject(ecgridtest.Fault{Path: "/v2/auth/logout", Times: 2, Status: 503})
//
// [API.Calls] and [API.LiveTokens] tell what came of it: which calls arrived,
// with which kind of credential, and how many of a user's tokens still work.
//
// # Where ECGrid's documents are silent
//
// These are decisions of the fake, on which an app's test had better not rely:
//
//   - Login with a wrong login or password: 401 InvalidSession. It takes the
//     login as "login", "email" or "username", and exactly one of them.
//   - Refresh takes exactly one of "token" and "refreshToken"; a token that has
//     expired cannot be refreshed, a refresh token works once and has no expiry.
//   - Authorization and X-API-Key on one call, or either of them twice: 400
//     InvalidParameter. Calls that need no credential look at neither, but for
//     this.
//   - A wrong currentPassword: 400 InvalidParameter. The password of the user
//     whom the credential names is changed, with an API key too.
//   - A reset of a user's sessions is for Root, TechOps, NetOps, NetworkAdmin and
//     MailboxAdmin, whoever the user is. All others are refused with 403
//     AccessDenied, even for themselves.
//   - Every user finds the same 12 files in a mailbox, for good: 8 of status
//     InBoxReady and 4 InBoxTransferred. A page has 100 unless recordsPerPage
//     says otherwise. Another's mailbox: 403 AccessDenied.
//   - The expiresAt of an API key's session is null.
//   - A path that is not in the list above: 404 ObjectNotFound; another method:
//     405 without an errorCode; a body over 1 MiB, or one that is not the JSON
//     object that the call wants: 400 InvalidParameter.
//
// # Time
//
// A fake that is made inside a testing/synctest bubble follows the bubble's
// clock, if it is called there without a network: as a handler, through a
// RoundTripper.
package ecgridtest
