// A web app that keeps ECGrid's tokens in sessions of ecgridsession, which
// attaches them, too.
package main

import (
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/ecgrid-contrib/ecgridsession"
)

var (
	upstream = os.Getenv("ECGRID_URL") // https://rest.ecgrid.io
	ecgrid   *http.Client              // one for all sessions
)

func main() {
	key, _ := base64.StdEncoding.DecodeString(os.Getenv("SESSION_KEY")) // New refuses a bad one
	users, err := ecgridsession.New(ecgridsession.Config{Upstream: upstream, Keys: [][]byte{key}})
	if err != nil {
		log.Fatal(err)
	}
	ecgrid = users.Client()
	app := http.NewServeMux()
	app.Handle("/login", users.LoginHandler())
	app.Handle("/logout", users.LogoutHandler())
	app.Handle("GET /{$}", users.Require(http.HandlerFunc(inbox)))
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), app)) // TLS ends in front of it
}

func inbox(w http.ResponseWriter, r *http.Request) {
	call, _ := http.NewRequestWithContext(r.Context(), http.MethodPost, upstream+"/v2/parcels/inbox-list", nil)
	resp, err := ecgrid.Do(call)
	if err != nil {
		http.Error(w, "ECGrid cannot be reached.", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	io.Copy(w, resp.Body)
}
