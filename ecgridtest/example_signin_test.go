package ecgridtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// exampleT is a test's *testing.T to an example, which has none.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Context() context.Context          { return context.Background() }
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (t *exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// end does what the end of a test does.
func (t *exampleT) end() {
	for i := range t.cleanups {
		t.cleanups[len(t.cleanups)-1-i]()
	}
}

// A test of an app has an ECGrid of its own on loopback, which is closed with it.
func ExampleNewServer() {
	t := &exampleT{} // a test is given its own
	defer t.end()
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse"})

	resp, err := http.Post(ecgrid.URL+"/v2/auth/version", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, call := range ecgrid.Calls("") {
		fmt.Println(call.Method, call.Path, call.Kind)
	}
	// Output: POST /v2/auth/version none
}

// A test of an app's page begins with a user who is signed in, and need not know
// how the sign-in form is made.
func ExampleSignIn() {
	t := &exampleT{} // a test is given its own
	defer t.end()
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(ecgridtest.User{ID: 1042, Login: "alice"})
	sessions, err := ecgridsession.New(ecgridsession.Config{
		Upstream: ecgrid.URL,
		Keys:     [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")},
	})
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewTLSServer(sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := sessions.Session(r.Context())
		fmt.Fprint(w, "the inbox of user ", user.UserID)
	})))
	defer app.Close()

	client := app.Client()
	ecgridtest.SignIn(t, sessions, client, app.URL, ecgrid.Issue(1042))
	resp, err := client.Get(app.URL + "/inbox")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(page))
	// Output: 200 the inbox of user 1042
}

// A credential without a sign-in: what Start and SignIn take.
func ExampleAPI_Issue() {
	api := ecgridtest.NewAPI()
	api.AddUser(ecgridtest.User{ID: 1042, Login: "alice"})
	credential := api.Issue(1042)
	fmt.Println(credential, credential.UserID, api.LiveTokens(1042))
	// Output: credential(bearer, redacted) 1042 1
}
