package ecgridsession_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// The examples sign in as alice at a fake ECGrid and print what her browser
// sees.

// fakeECGrid is ECGrid with one user.
func fakeECGrid() (api *ecgridtest.API, server *httptest.Server) {
	api = ecgridtest.NewAPI()
	api.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse", APIKey: "alices-api-key"})
	return api, httptest.NewServer(api)
}

// newKey is what an app reads from where it keeps its passwords.
func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// exampleSessions is a Middleware in front of a fake ECGrid.
func exampleSessions(changes ...func(*ecgridsession.Config)) (*ecgridsession.Middleware, *ecgridtest.API, *httptest.Server) {
	api, server := fakeECGrid()
	cfg := ecgridsession.Config{
		Upstream: server.URL,
		Keys:     [][]byte{newKey()},
		Logger:   slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&cfg)
	}
	sessions, err := ecgridsession.New(cfg)
	if err != nil {
		panic(err)
	}
	return sessions, api, server
}

// exampleBrowser is a browser in front of an app, without a network in between.
type exampleBrowser struct {
	app     http.Handler
	cookies map[string]string
}

func browse(app http.Handler) *exampleBrowser {
	return &exampleBrowser{app: app, cookies: make(map[string]string)}
}

// get and post return the status and what the answer says, or where it leads.
func (v *exampleBrowser) get(path string) string { return v.do(http.MethodGet, path, "") }

func (v *exampleBrowser) post(path, form string) string { return v.do(http.MethodPost, path, form) }

// signIn signs alice in.
func (v *exampleBrowser) signIn() string {
	return v.post("/login", url.Values{"login": {"alice"}, "password": {"correct horse"}}.Encode())
}

func (v *exampleBrowser) do(method, path, form string) string {
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	v.app.ServeHTTP(w, r)
	for _, cookie := range w.Result().Cookies() {
		if cookie.MaxAge < 0 {
			delete(v.cookies, cookie.Name)
		} else {
			v.cookies[cookie.Name] = cookie.Value
		}
	}
	told := w.Header().Get("Location")
	if told == "" && !strings.Contains(w.Body.String(), "<html") {
		told = strings.TrimSpace(w.Body.String())
	}
	return strings.TrimSpace(fmt.Sprint(w.Code, " ", told))
}

// copied is another browser with a copy of the cookies, such as a thief's.
func (v *exampleBrowser) copied() *exampleBrowser {
	other := browse(v.app)
	for name, value := range v.cookies {
		other.cookies[name] = value
	}
	return other
}
