package ecgridsession_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// inbox is an app of one page: it shows how many files wait for the user who is
// signed in.
type inbox struct {
	sessions *ecgridsession.Middleware
	ecgrid   *http.Client // with the token of the user who asks
	url      string
}

func newInbox(cfg ecgridsession.Config) (http.Handler, error) {
	sessions, err := ecgridsession.New(cfg)
	if err != nil {
		return nil, err
	}
	app := &inbox{sessions: sessions, ecgrid: sessions.Client(), url: cfg.Upstream + "/v2/parcels/inbox-list"}
	routes := http.NewServeMux()
	routes.Handle("/login", sessions.LoginHandler())
	routes.Handle("/logout", sessions.LogoutHandler())
	routes.Handle("/", sessions.Require(app))
	// The app's own forms need what sign-in and sign-out have already.
	return http.NewCrossOriginProtection().Handler(sessions.Wrap(routes)), nil
}

func (app *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, _ := app.sessions.Session(r.Context())
	call, err := http.NewRequestWithContext(r.Context(), http.MethodPost, app.url, nil)
	if err != nil {
		http.Error(w, "This is a mistake of ours.", http.StatusInternalServerError)
		return
	}
	resp, err := app.ecgrid.Do(call)
	if err != nil {
		http.Error(w, "ECGrid cannot be reached.", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	var answer struct{ Data []struct{ FileName string } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		http.Error(w, "ECGrid does not show the inbox.", http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, "%s has %d files", user.Login, len(answer.Data))
}

// This is a whole app, and a day of it. Alice signs in, sees her inbox and signs
// out. After that a copy of her cookie is worthless, here and at ECGrid.
func Example() {
	api := ecgridtest.NewAPI() // in place of https://rest.ecgrid.io
	api.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse"})
	ecgrid := httptest.NewServer(api)
	defer ecgrid.Close()

	key := make([]byte, 32) // an app reads its key from where it keeps its passwords
	rand.Read(key)
	app, err := newInbox(ecgridsession.Config{Upstream: ecgrid.URL, Keys: [][]byte{key}})
	if err != nil {
		log.Fatal(err)
	}
	site := httptest.NewTLSServer(app)
	defer site.Close()
	alice, thief := newBrowser(site), newBrowser(site)

	fmt.Println("signed out:", alice.inbox())
	alice.post("/login", url.Values{"login": {"alice"}, "password": {"correct horse"}})
	fmt.Println("signed in:", alice.inbox())

	thief.Jar.SetCookies(alice.site, alice.Jar.Cookies(alice.site))
	fmt.Println("a copy of the cookie:", thief.inbox())

	alice.post("/logout", nil)
	fmt.Println("the copy after sign-out:", thief.inbox())
	fmt.Println("cookies that alice has left:", len(alice.Jar.Cookies(alice.site)))
	fmt.Println("tokens that ECGrid still takes:", api.LiveTokens(1042))
	// Output:
	// signed out: 401
	// signed in: 200 alice has 12 files
	// a copy of the cookie: 200 alice has 12 files
	// the copy after sign-out: 401
	// cookies that alice has left: 0
	// tokens that ECGrid still takes: 0
}

// browserOfOneSite is a client that keeps the cookies of one site.
type browserOfOneSite struct {
	*http.Client
	site *url.URL
}

func newBrowser(site *httptest.Server) *browserOfOneSite {
	address, _ := url.Parse(site.URL)
	jar, _ := cookiejar.New(nil)
	return &browserOfOneSite{Client: &http.Client{Transport: site.Client().Transport, Jar: jar}, site: address}
}

// inbox asks for the app's page, as a script does: a browser would be led to the
// sign-in form.
func (b *browserOfOneSite) inbox() string {
	resp, err := b.Get(b.site.String())
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Sprint(resp.StatusCode)
	}
	page, _ := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.StatusCode, " ", string(page))
}

func (b *browserOfOneSite) post(path string, form url.Values) {
	resp, err := b.PostForm(b.site.JoinPath(path).String(), form)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
}
