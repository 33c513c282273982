package ecgridsession_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// This is the main job of the library from end to end. Alice signs in, works
// until her token has to be refreshed, and signs out. A thief has copied her
// cookie twice. Time is that of the synctest bubble, so waiting costs nothing.
func TestASessionFromSignInToSignOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// ECGrid is a fake in this process. Its tokens live for 15 minutes.
		ecgrid := ecgridtest.NewAPI()
		ecgrid.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse"})
		calls := func(path string) int { return len(ecgrid.Calls(path)) }

		// The app has a page for users. The page calls ECGrid.
		sessions, err := ecgridsession.New(ecgridsession.Config{
			Keys:          [][]byte{newKey()},
			BaseTransport: inProcess{ecgrid},
			Logger:        slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		defer sessions.Close(t.Context())
		client := &http.Client{Transport: sessions.Transport(inProcess{ecgrid})}
		routes := http.NewServeMux()
		routes.Handle("/login", sessions.LoginHandler())
		routes.Handle("/logout", sessions.LogoutHandler())
		routes.Handle("/inbox", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _ := sessions.Session(r.Context())
			status, err := post(client, r, "https://rest.ecgrid.io/v2/parcels/inbox-list")
			fmt.Fprintf(w, "%s: ECGrid answers %d, error %v", user.Login, status, err)
		})))
		app := sessions.Wrap(routes)
		const page = "200 alice: ECGrid answers 200, error <nil>"
		const toSignIn = "303 /login?return_to=%2Finbox"

		// A stranger is sent to the form, and back to the page after sign-in.
		alice := browse(app)
		assert.Equal(t, toSignIn, alice.get("/inbox"))
		assert.Equal(t, "200", alice.get("/login?return_to=/inbox"), "the form")
		assert.Equal(t, "401", alice.post("/login", "login=alice&password=guess"))
		assert.Empty(t, alice.cookies)
		assert.Equal(t, "303 /inbox", alice.post("/login?return_to=/inbox", "login=alice&password=correct+horse"))

		// The call to ECGrid carries her token.
		assert.Equal(t, page, alice.get("/inbox"))
		require.Equal(t, 1, calls("/v2/parcels/inbox-list"))
		assert.Equal(t, "bearer", ecgrid.Calls("/v2/parcels/inbox-list")[0].Kind)
		assert.Zero(t, calls("/v2/auth/refresh"))

		// A minute before the token expires it has been refreshed, once. Alice
		// gets a new cookie with the new token, and ECGrid ends the old token.
		early := alice.copied()
		time.Sleep(14 * time.Minute)
		assert.Equal(t, page, alice.get("/inbox"))
		assert.Equal(t, 1, calls("/v2/auth/refresh"))
		assert.NotEqual(t, early.cookies, alice.cookies)
		assert.Equal(t, 1, ecgrid.LiveTokens(1042))
		late := alice.copied()
		assert.Equal(t, page, late.copied().get("/inbox"), "a copy works until sign-out")

		// Sign-out deletes the cookie and ends the token at ECGrid.
		assert.Equal(t, "303 /", alice.post("/logout", ""))
		assert.Empty(t, alice.cookies)
		assert.Zero(t, ecgrid.LiveTokens(1042))

		// No copy of the cookie opens the page, and ECGrid hears nothing of it.
		before := calls("")
		assert.Equal(t, toSignIn, early.get("/inbox"), "the cookie from before the refresh")
		assert.Equal(t, toSignIn, late.get("/inbox"), "the cookie from after it")
		assert.Equal(t, before, calls(""))
	})
}

// post calls ECGrid for the user of r.
func post(client *http.Client, r *http.Request, url string) (status int, err error) {
	call, err := http.NewRequestWithContext(r.Context(), http.MethodPost, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(call)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// inProcess hands a call to a handler, without a network.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	call := r.Clone(r.Context())
	if call.Body == nil {
		call.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, call)
	return w.Result(), nil
}
