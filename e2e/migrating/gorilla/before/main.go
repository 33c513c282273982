// A web app that keeps ECGrid's token in a gorilla session, by hand.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/gorilla/sessions"
)

var (
	upstream = os.Getenv("ECGRID_URL") // https://rest.ecgrid.io
	store    = sessions.NewCookieStore([]byte(os.Getenv("COOKIE_SECRET")))
)

func main() {
	store.Options = &sessions.Options{Path: "/", MaxAge: 8 * 3600, Secure: true, HttpOnly: true}
	app := http.NewServeMux()
	app.HandleFunc("GET /login", signInForm)
	app.HandleFunc("POST /login", signIn)
	app.HandleFunc("/logout", signOut)
	app.HandleFunc("POST /theme", setTheme)
	app.HandleFunc("GET /{$}", inbox)
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), app)) // TLS ends in front of it
}

func signInForm(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, `<form method="post"><input name="login"><input name="password" type="password"><button>Sign in</button></form>`)
}

func signIn(w http.ResponseWriter, r *http.Request) {
	body, _ := json.Marshal(map[string]string{"login": r.PostFormValue("login"), "password": r.PostFormValue("password")})
	resp, err := http.Post(upstream+"/v2/auth/login", "application/json", bytes.NewReader(body))
	if err != nil {
		http.Error(w, "ECGrid cannot be reached.", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	var answer struct{ Data struct{ Token string } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		http.Error(w, "Login or password is not correct.", http.StatusUnauthorized)
		return
	}
	session, _ := store.Get(r, "session")
	session.Values["token"] = answer.Data.Token
	if err := session.Save(r, w); err != nil {
		http.Error(w, "The session could not be saved.", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func signOut(w http.ResponseWriter, r *http.Request) {
	session, _ := store.Get(r, "session")
	delete(session.Values, "token")
	session.Save(r, w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// setTheme keeps a value of the app's own.
func setTheme(w http.ResponseWriter, r *http.Request) {
	session, _ := store.Get(r, "session")
	session.Values["theme"] = r.PostFormValue("theme")
	session.Save(r, w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func inbox(w http.ResponseWriter, r *http.Request) {
	session, _ := store.Get(r, "session")
	token, ok := session.Values["token"].(string)
	if !ok {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	call, _ := http.NewRequestWithContext(r.Context(), http.MethodPost, upstream+"/v2/parcels/inbox-list", nil)
	call.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(call)
	if err != nil {
		http.Error(w, "ECGrid cannot be reached.", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	fmt.Fprintln(w, "theme:", session.Values["theme"])
	io.Copy(w, resp.Body)
}
