package load

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession"
)

// The apps, each on a port of its own. They serve
//
//	/         the page
//	/static/  the style sheet
//	/inbox    what ECGrid answers to one call with the user's token
//	/login    POST starts the session; /logout POST ends it
//	/wait     nothing, after LogoutTimeout: how long a wait is on this machine
//
// but for what nobody asks of one of them.
const (
	appMiddleware = "the middleware"
	appGorilla    = "gorilla/sessions by hand"
	appBare       = "neither"            // and takes everybody for the signed-in user
	appBareNobody = "neither, anonymous" // and takes nobody for signed in
)

// appsConfig is what the process of the apps needs to know.
type appsConfig struct {
	ECGrid        string // base URL
	Login, Token  string // who is signed in
	Static        string // directory
	LogoutTimeout time.Duration
}

// newApps builds the apps, by name. close ends what they have in the background.
func newApps(c appsConfig) (apps map[string]http.Handler, close func(context.Context) error, err error) {
	m, err := newMiddleware(c)
	if err != nil {
		return nil, nil, err
	}
	demo := user{c.Login, c.Token}
	return map[string]http.Handler{
		appMiddleware: middlewareApp(c, m),
		appGorilla:    gorillaApp(demo),
		appBare:       bareApp(c, demo),
		appBareNobody: bareApp(c, user{}),
	}, m.Close, nil
}

func newMiddleware(c appsConfig) (*ecgridsession.Middleware, error) {
	return ecgridsession.New(ecgridsession.Config{
		Upstream: c.ECGrid,
		Keys:     [][]byte{randomKey()},
		Logger:   slog.New(slog.DiscardHandler),
		// The generator never takes a new cookie, as a browser would: none
		// must be due while it runs.
		IdleTimeout:   24 * time.Hour,
		Lifetime:      24 * time.Hour,
		LogoutTimeout: c.LogoutTimeout,
	})
}

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

func middlewareApp(c appsConfig, m *ecgridsession.Middleware) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/{$}", page(func(r *http.Request) user {
		session, ok := m.Session(r.Context())
		if !ok {
			return user{}
		}
		credential, err := m.Credential(r.Context())
		if err != nil {
			return user{}
		}
		return user{session.Login, credential.Token}
	}))
	mux.Handle("/static/", static(c.Static))
	mux.Handle("/inbox", inbox(c.ECGrid, m.Transport(outbound()), func(*http.Request) {}))
	mux.Handle("/login", m.LoginHandler())
	mux.Handle("/logout", m.LogoutHandler())
	return m.Wrap(mux)
}

// gorillaApp is what one writes by hand, after the README of gorilla/sessions: a
// store with one key, and the session's values by their names.
func gorillaApp(demo user) http.Handler {
	const sessionName = "session-name"
	store := sessions.NewCookieStore(randomKey())
	mux := http.NewServeMux()
	mux.Handle("/{$}", page(func(r *http.Request) user {
		session, err := store.Get(r, sessionName)
		if err != nil {
			return user{}
		}
		login, _ := session.Values["login"].(string)
		token, _ := session.Values["token"].(string)
		return user{login, token}
	}))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, sessionName)
		if err == nil {
			session.Values["login"], session.Values["token"] = demo.login, demo.token
			err = session.Save(r, w)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return mux
}

func bareApp(c appsConfig, u user) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/{$}", page(func(*http.Request) user { return u }))
	mux.Handle("/static/", static(c.Static))
	mux.HandleFunc("/wait", func(http.ResponseWriter, *http.Request) { time.Sleep(c.LogoutTimeout) })
	mux.Handle("/inbox", inbox(c.ECGrid, outbound(), func(call *http.Request) {
		call.Header.Set("Authorization", "Bearer "+u.token)
	}))
	return mux
}

func static(dir string) http.Handler {
	return http.StripPrefix("/static/", http.FileServer(http.Dir(dir)))
}

// inbox passes on what ECGrid says of the user's parcels.
func inbox(ecgrid string, transport http.RoundTripper, authorize func(*http.Request)) http.Handler {
	client := &http.Client{Transport: transport}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, err := http.NewRequestWithContext(r.Context(), http.MethodPost, ecgrid+"/v2/parcels/inbox-list", strings.NewReader("{}"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		authorize(call)
		answer, err := client.Do(call)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		// The generator reads no answer in chunks.
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.StatusCode)
		w.Write(body)
	})
}

// outbound keeps as many connections to ECGrid as the generator keeps to an app:
// with the two of http.DefaultTransport, dialling would be what is measured.
func outbound() http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return transport
}
