package subject

import (
	"fmt"
	"net/http"
)

// Sealer says which of an app's keys a cookie was sealed by.
type Sealer string

const (
	Newest  Sealer = "newest"
	Oldest  Sealer = "oldest"
	Unknown Sealer = "unknown"
)

// KeyCase is one request to an app with several keys.
type KeyCase struct {
	Keys   int
	Sealer Sealer
	// Dest decides what follows. Only a Document's answer sets the cookie again
	// for an older key. Wrap never deletes one.
	Dest Dest
}

// OursBy and GorillaBy name the subject of a case.
func (c KeyCase) OursBy() string    { return "ecgridsession, " + c.String() }
func (c KeyCase) GorillaBy() string { return "gorilla, " + c.String() }

// String is what tables call it.
func (c KeyCase) String() string {
	if c.Keys == 1 {
		return fmt.Sprintf("1 key, by %s, %s", c.Sealer, c.Dest)
	}
	return fmt.Sprintf("%d keys, by %s, %s", c.Keys, c.Sealer, c.Dest)
}

// Keys returns, for each case, ours and gorilla as its README shows it: that
// opens the session or, with an unknown key, refuses it.
func Keys(token Token, cases []KeyCase) ([]Subject, error) {
	var subjects []Subject
	for _, c := range cases {
		keys := NewKeys(c.Keys)
		by := keys[:1]
		switch c.Sealer {
		case Oldest:
			by = keys[c.Keys-1:]
		case Unknown:
			by = NewKeys(1)
		}
		in, err := SignIn(by, token)
		if err != nil {
			return nil, err
		}
		m, err := newMiddleware(keys, nil)
		if err != nil {
			return nil, err
		}
		writes, err := asReadme(by)
		if err != nil {
			return nil, err
		}
		cookie, err := saved(writes, in.Token)
		if err != nil {
			return nil, err
		}
		store, err := asReadme(keys)
		if err != nil {
			return nil, err
		}
		if c.Sealer != Unknown {
			subjects = append(subjects,
				openingOurs(c.OursBy(), m, in, c.Dest, true),
				openingGorilla(c.GorillaBy(), store, cookie, in.Token, true, false))
			continue
		}
		fresh, gorillas := request(c.Dest, cookieLine(pair(in.Cookie), true)), request(c.Dest, cookieLine(pair(cookie), true))
		subjects = append(subjects,
			Subject{Name: c.OursBy(), Begin: func() Operation {
				var refused bool
				h := m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, open := m.Session(r.Context())
					refused = !open
				}))
				return refusing(h, fresh, &refused, false)
			}},
			Subject{Name: c.GorillaBy(), Begin: func() Operation {
				var refused bool
				h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					session, err := store.Get(r, CookieName)
					refused = err != nil && session.IsNew && len(session.Values) == 0
				})
				return refusing(h, gorillas, &refused, false)
			}})
	}
	return subjects, nil
}

// refusing is serving for handlers that say whether they were asked for a page
// without a session. With deleted the answer has to delete the cookie.
func refusing(h http.Handler, fresh *http.Request, refused *bool, deleted bool) Operation {
	return serving(h, fresh, func(w *writer) error {
		if !*refused || (len(w.header["Set-Cookie"]) > 0) != deleted {
			return errIdle
		}
		*refused = false
		return nil
	})
}
