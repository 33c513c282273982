package site

import (
	"io"
	"net/http"
	"strings"
)

// routes are those of every site:
//
//	/        a page that needs no session and names the user
//	/private a page behind Require
//	/inbox   calls ECGrid through the middleware, and passes the answer on
//	/token   gives the token that an outbound call would carry
//	/login, /logout, /everywhere, /session: the handlers of the library
func (s *Site) routes() {
	m := s.Middleware
	s.Mux.Handle("/login", m.LoginHandler())
	s.Mux.Handle("/logout", m.LogoutHandler())
	s.Mux.Handle("/everywhere", m.LogoutEverywhereHandler())
	s.Mux.Handle("/session", m.SessionHandler())
	s.Mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if session, ok := m.Session(r.Context()); ok {
			io.WriteString(w, "user "+session.Login)
			return
		}
		io.WriteString(w, "anonymous")
	})
	s.Mux.Handle("/private", m.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "private")
	})))
	s.Mux.Handle("/token", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		credential, err := m.Credential(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		io.WriteString(w, credential.Token)
	})))
	client := m.Client()
	if s.settings.inProcess {
		client = &http.Client{Transport: m.Transport(HandlerTransport{Handler: s.Grid.API})}
	}
	s.Mux.Handle("/inbox", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, _ := http.NewRequestWithContext(r.Context(), http.MethodPost, s.Grid.URL+InboxCall, strings.NewReader("{}"))
		resp, err := client.Do(call)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})))
}
