package subject

import (
	"net/http"

	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Case is what a session is opened from.
type Case struct {
	Token  Token
	Others bool   // six more cookies come with it
	Dir    string // for subjects that keep sessions in files
	// Forged: no subject has the key, or knows the id, so none opens it. This
	// is to try the subjects with; there is nothing to measure.
	Forged bool
}

// Opening returns the subjects that open a session: from the request to the
// token, read in the handler.
func Opening(c Case) ([]Subject, error) {
	writing := NewKeys(1)
	keys := writing
	if c.Forged {
		keys = NewKeys(1)
	}
	in, err := SignIn(writing, c.Token)
	if err != nil {
		return nil, err
	}
	m, err := newMiddleware(keys, nil)
	if err != nil {
		return nil, err
	}
	bound, err := newLimit(keys[0], writing[0], in.Token)
	if err != nil {
		return nil, err
	}
	subjects := []Subject{
		openingOurs(Ours, m, in, Document, c.Others),
		openingLimit(bound, len(in.Token), c.Others),
	}
	for _, peer := range []struct {
		name  string
		store gorillaStore
		save  bool
	}{
		{GCMCodec, withSealing, false},
		{Compact, withCompact, false},
		{Gorilla, asReadme, false},
		{GetSave, asReadme, true},
		{Crypted, encrypted, false},
		{Files, inFiles(c.Dir), false},
	} {
		store, err := peer.store(writing)
		if err != nil {
			return nil, err
		}
		cookie, err := saved(store, in.Token)
		if err != nil {
			return nil, err
		}
		if c.Forged {
			if store, err = peer.store(keys); err != nil {
				return nil, err
			}
		}
		subjects = append(subjects, openingGorilla(peer.name, store, cookie, in.Token, c.Others, peer.save))
	}
	manager := newSCS()
	cookie, err := savedBySCS(manager, in.Token)
	if err != nil {
		return nil, err
	}
	if c.Forged {
		manager = newSCS()
	}
	fresh := request(Document, cookieLine(pair(cookie), c.Others))
	return append(subjects, Subject{Name: SCS, Cookie: length(cookie), Token: len(in.Token), Begin: func() Operation {
		var found string
		return reading(readSCS(manager, &found), fresh, &found, in.Token)
	}}), nil
}

// readOurs is an app's handler that takes the token from the session.
func readOurs(m *ecgridsession.Middleware, found *string) http.Handler {
	return m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if credential, err := m.Credential(r.Context()); err == nil {
			*found = credential.Token
		}
	}))
}

func openingOurs(name string, m *ecgridsession.Middleware, in SignedIn, dest Dest, others bool) Subject {
	fresh := request(dest, cookieLine(pair(in.Cookie), others))
	return Subject{Name: name, Cookie: length(in.Cookie), Token: len(in.Token), Begin: func() Operation {
		var found string
		return reading(readOurs(m, &found), fresh, &found, in.Token)
	}}
}

func openingGorilla(name string, store sessions.Store, cookie *http.Cookie, token string, others, save bool) Subject {
	fresh := request(Document, cookieLine(pair(cookie), others))
	return Subject{Name: name, Cookie: length(cookie), Token: len(token), Begin: func() Operation {
		var found string
		return reading(readGorilla(store, &found, save), fresh, &found, token)
	}}
}

func openingLimit(l *limit, token int, others bool) Subject {
	fresh := request(Document, cookieLine(l.prefix+l.value, others))
	want := string(l.plain)
	return Subject{Name: Limit, Cookie: len(CookieName) + len(l.value), Token: token, Begin: func() Operation {
		buffer := make([]byte, 4096)
		r := new(http.Request)
		return func() error {
			*r = *fresh // as for the others
			if string(l.open(r.Header, buffer)) != want {
				return errIdle
			}
			return nil
		}
	}}
}

// Nothing returns the subjects that serve a request without a session: with no
// middleware at all, and through Wrap, without cookies and with six of others.
func Nothing() ([]Subject, error) {
	m, err := newMiddleware(NewKeys(1), nil)
	if err != nil {
		return nil, err
	}
	anonymous := func(name string, wrap func(http.Handler) http.Handler, cookies string) Subject {
		fresh := request(Document, cookies)
		return Subject{Name: name, Begin: func() Operation {
			served := false
			h := wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true }))
			return serving(h, fresh, func(w *writer) error {
				if !served || len(w.header) > 0 {
					return errIdle
				}
				served = false
				return nil
			})
		}}
	}
	bare := func(h http.Handler) http.Handler { return h }
	return []Subject{
		anonymous(Bare, bare, cookieLine("", true)),
		anonymous(NoCookies, m.Wrap, ""),
		anonymous(Foreign, m.Wrap, cookieLine("", true)),
	}, nil
}

// Names of what Nothing returns.
const (
	Bare      = "no middleware"
	NoCookies = "ecgridsession, Wrap, no cookies"
	Foreign   = "ecgridsession, Wrap, 6 cookies of others"
)
