// A web app that keeps ECGrid's token in a session of ecgridsession, and values of
// its own in a gorilla session.
package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/gorilla/securecookie"

	"github.com/ecgrid-contrib/ecgridsession"
)

var (
	upstream = os.Getenv("ECGRID_URL") // https://rest.ecgrid.io
	store    *ecgridsession.CookieStore
	users    *ecgridsession.Middleware
	ecgrid   *http.Client
)

func main() {
	key, _ := base64.StdEncoding.DecodeString(os.Getenv("SESSION_KEY")) // New refuses a bad one
	own := ecgridsession.CookieStoreConfig{Keys: [][]byte{key}}
	if old := os.Getenv("COOKIE_SECRET"); old != "" { // until the last old cookie has expired
		own.ReadAlso = securecookie.CodecsFromPairs([]byte(old))
	}
	var err error
	if store, err = ecgridsession.NewCookieStore(own); err != nil {
		log.Fatal(err)
	}
	if users, err = ecgridsession.New(ecgridsession.Config{Upstream: upstream, Keys: [][]byte{key}}); err != nil {
		log.Fatal(err)
	}
	ecgrid = users.Client()
	app := http.NewServeMux()
	app.Handle("/login", users.LoginHandler())
	app.Handle("/logout", users.LogoutHandler())
	app.HandleFunc("POST /theme", setTheme)
	app.Handle("GET /{$}", users.Require(http.HandlerFunc(inbox)))
	site := http.NewCrossOriginProtection().Handler(users.Wrap(carryOver(app)))
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), site)) // TLS ends in front of it
}

// carryOver starts a session with the token of an old one. Start asks ECGrid
// whether it is still good.
func carryOver(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := store.Get(r, "session")
		if token, ok := session.Values["token"].(string); ok {
			if _, signedIn := users.Session(r.Context()); !signedIn {
				users.Start(w, r, ecgridsession.Credential{Token: token}) // else the user signs in
			}
			delete(session.Values, "token")
			session.Save(r, w)
		}
		next.ServeHTTP(w, r)
	})
}

// setTheme keeps a value of the app's own.
func setTheme(w http.ResponseWriter, r *http.Request) {
	session, _ := store.Get(r, "session")
	delete(session.Values, "token") // of before
	session.Values["theme"] = r.PostFormValue("theme")
	session.Save(r, w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func inbox(w http.ResponseWriter, r *http.Request) {
	session, _ := store.Get(r, "session")
	call, _ := http.NewRequestWithContext(r.Context(), http.MethodPost, upstream+"/v2/parcels/inbox-list", nil)
	resp, err := ecgrid.Do(call)
	if err != nil {
		http.Error(w, "ECGrid cannot be reached.", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	fmt.Fprintln(w, "theme:", session.Values["theme"])
	io.Copy(w, resp.Body)
}
