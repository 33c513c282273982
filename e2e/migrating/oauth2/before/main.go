// A web app that keeps ECGrid's tokens in memory and attaches them with
// golang.org/x/oauth2.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

var (
	upstream = os.Getenv("ECGRID_URL") // https://rest.ecgrid.io
	clients  sync.Map                  // an *http.Client for each session
)

func main() {
	app := http.NewServeMux()
	app.HandleFunc("GET /login", signInForm)
	app.HandleFunc("POST /login", signIn)
	app.HandleFunc("/logout", signOut)
	app.HandleFunc("GET /{$}", inbox)
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), app)) // TLS ends in front of it
}

// refresher is an oauth2.TokenSource. ECGrid speaks no OAuth, so oauth2.Config is
// of no use.
type refresher struct{ token string }

func (s *refresher) Token() (*oauth2.Token, error) {
	token, err := ask("/v2/auth/refresh", map[string]string{"token": s.token})
	if err == nil {
		s.token = token.AccessToken
	}
	return token, err
}

func ask(path string, body map[string]string) (*oauth2.Token, error) {
	sent, _ := json.Marshal(body)
	resp, err := http.Post(upstream+path, "application/json", bytes.NewReader(sent))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Token     string
			ExpiresAt time.Time
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("ECGrid answers " + resp.Status)
	}
	return &oauth2.Token{AccessToken: answer.Data.Token, Expiry: answer.Data.ExpiresAt}, nil
}

func signInForm(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, `<form method="post"><input name="login"><input name="password" type="password"><button>Sign in</button></form>`)
}

func signIn(w http.ResponseWriter, r *http.Request) {
	token, err := ask("/v2/auth/login", map[string]string{"login": r.PostFormValue("login"), "password": r.PostFormValue("password")})
	if err != nil {
		http.Error(w, "Login or password is not correct.", http.StatusUnauthorized)
		return
	}
	source := oauth2.ReuseTokenSourceWithExpiry(token, &refresher{token.AccessToken}, 2*time.Minute)
	id := rand.Text()
	clients.Store(id, oauth2.NewClient(context.Background(), source))
	http.SetCookie(w, &http.Cookie{Name: "id", Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func signOut(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie("id"); err == nil {
		clients.Delete(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: "id", Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func inbox(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("id")
	if err != nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	client, ok := clients.Load(cookie.Value)
	if !ok {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	call, _ := http.NewRequestWithContext(r.Context(), http.MethodPost, upstream+"/v2/parcels/inbox-list", nil)
	resp, err := client.(*http.Client).Do(call)
	if err != nil {
		http.Error(w, "ECGrid cannot be reached.", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	io.Copy(w, resp.Body)
}
