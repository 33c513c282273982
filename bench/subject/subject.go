// Package subject holds what is measured: for each thing that an app does with
// a session, the ways to do it, ours and others'. The Go benchmarks and the
// command that measures in rounds take the same subjects from here, so that
// both run the same code.
//
// A subject checks its own work each time, at the same small cost for all, so
// that none is measured while it fails.
package subject

import (
	"errors"
	"net/http"
)

// Operation does once what is measured. Its error says that it did not.
type Operation func() error

// Subject is one way to do what is measured.
type Subject struct {
	Name string

	// Begin returns an Operation for one goroutine: requests and buffers are
	// its own, and what an app shares between its requests is shared.
	Begin func() Operation

	// Cookie is the length of the cookie's name and value together, 0 where
	// none is measured.
	Cookie int
	// Token is the length of the token in it, 0 where none is measured.
	Token int
}

// CookieName is the name of the session's cookie, the same for all: whoever
// has the longer one would have to look for more.
const CookieName = "__Host-ecgrid"

// errIdle is of a subject that came back without having done its work.
var errIdle = errors.New("subject: the work was not done")

// Dest is what a request is for, as Sec-Fetch-Dest has it. It decides whether a
// cookie may be set: a static file's answer carries none of ours.
type Dest string

const (
	Document Dest = "document"
	Image    Dest = "image"
)

// others are cookies of other parts of a site, as many as the measured request
// with seven has beside the session's: three before it, three after.
var (
	before = "theme=dark; lang=en-GB; _ga=GA1.1.1234567890.1700000000; "
	after  = "; consent=1; tz=Europe%2FBerlin; last_mailbox=100001"
)

// Others is how many cookies come with the session's in a request of seven.
const Others = 6

// cookieLine is the Cookie header of a request with that pair, alone or in the
// midst of the others. It is "" where there is nothing to send.
func cookieLine(pair string, amongOthers bool) string {
	switch {
	case !amongOthers:
		return pair
	case pair == "":
		return before[:len(before)-len("; ")] + after
	default:
		return before + pair + after
	}
}

// request is a browser's GET with that Cookie line.
func request(dest Dest, cookies string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "https://app.example/inbox", nil)
	if err != nil {
		panic(err) // of a constant
	}
	r.RequestURI = "/inbox"
	for name, value := range map[string]string{
		"User-Agent":      "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Accept":          "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Language": "en-GB,en;q=0.7",
		"Accept-Encoding": "gzip, deflate, br, zstd",
		"Sec-Fetch-Site":  "same-origin",
		"Sec-Fetch-Mode":  "navigate",
		"Sec-Fetch-Dest":  string(dest),
	} {
		r.Header.Set(name, value)
	}
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	return r
}

// serving has h serve the same request again and again, and then asks done
// whether it did what it should. It allocates nothing of its own.
func serving(h http.Handler, fresh *http.Request, done func(w *writer) error) Operation {
	r := new(http.Request)
	w := &writer{header: make(http.Header)}
	return func() error {
		*r = *fresh // gorilla keeps what it has decoded in the request
		clear(w.header)
		h.ServeHTTP(w, r)
		return done(w)
	}
}

// reading is serving for handlers that write down the token they have found.
// found is theirs to write.
func reading(h http.Handler, fresh *http.Request, found *string, want string) Operation {
	return serving(h, fresh, func(*writer) error {
		if *found != want {
			return errIdle
		}
		*found = ""
		return nil
	})
}

// writer is a ResponseWriter for handlers that write no body.
type writer struct{ header http.Header }

func (w *writer) Header() http.Header         { return w.header }
func (w *writer) Write(p []byte) (int, error) { return len(p), nil }
func (w *writer) WriteHeader(int)             {}
