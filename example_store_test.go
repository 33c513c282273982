package ecgridsession_test

import (
	"fmt"
	"net/http"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession"
)

// An app's own gorilla sessions, with the same keys. Cookies that gorilla's
// store wrote are still read, and sealed anew when they are saved.
func ExampleNewCookieStore() {
	oldSecret := []byte("what the app gave to sessions.NewCookieStore")
	store, err := ecgridsession.NewCookieStore(ecgridsession.CookieStoreConfig{
		Keys:     [][]byte{newKey()},
		ReadAlso: securecookie.CodecsFromPairs(oldSecret),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		settings, err := store.Get(r, "settings")
		if err != nil {
			fmt.Fprint(w, "not ours; ")
		}
		if theme := r.FormValue("theme"); theme != "" {
			settings.Values["theme"] = theme
			if err := settings.Save(r, w); err != nil {
				http.Error(w, "not saved", http.StatusInternalServerError)
				return
			}
		}
		fmt.Fprint(w, "theme: ", settings.Values["theme"])
	})
	before := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		settings, _ := sessions.NewCookieStore(oldSecret).Get(r, "settings")
		settings.Values["theme"] = "dark"
		settings.Save(r, w)
	})

	browser := browse(before)
	browser.get("/")
	browser.app = app
	fmt.Println(browser.get("/"))
	fmt.Println(browser.get("/?theme=light"))
	fmt.Println(browser.get("/"))
	browser.cookies["settings"] += "x"
	fmt.Println(browser.get("/"))
	// Output:
	// 200 theme: dark
	// 200 theme: light
	// 200 theme: light
	// 200 not ours; theme: <nil>
}
