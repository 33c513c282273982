package subject

import (
	"net/http"

	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Names of what Sealing returns.
const (
	OurStart     = "ecgridsession, Start"
	OurReissue   = "ecgridsession, Wrap, cookie set anew for an older key"
	OurStore     = "ecgridsession, CookieStore.Save"
	GorillaSave  = "gorilla, Save as its README shows it"
	CompactSave  = "gorilla, Save with a compact Serializer"
	GCMCodecSave = "gorilla, Save with an AES-GCM Codec"
)

// Sealing returns the subjects that set a session's cookie: of a new session,
// and of one that came with the request.
func Sealing(token Token) ([]Subject, error) {
	keys := NewKeys(2)
	in, err := SignIn(keys[:1], token)
	if err != nil {
		return nil, err
	}
	older, err := SignIn(keys[1:], token)
	if err != nil {
		return nil, err
	}
	m, err := newMiddleware(keys, nil)
	if err != nil {
		return nil, err
	}
	var credential ecgridsession.Credential
	in.Middleware.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		credential, err = in.Middleware.Credential(r.Context())
	})).ServeHTTP(&writer{header: make(http.Header)}, request(Document, pair(in.Cookie)))
	if err != nil {
		return nil, err
	}
	signIn := request(Document, cookieLine("", true))
	subjects := []Subject{
		{Name: OurStart, Cookie: length(in.Cookie), Begin: func() Operation {
			return setting(func(w http.ResponseWriter, r *http.Request) error {
				_, err := in.Middleware.Start(w, r, credential)
				return err
			}, signIn, length(in.Cookie))
		}},
		{Name: OurReissue, Cookie: length(older.Cookie), Begin: func() Operation {
			h := m.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			return setting(func(w http.ResponseWriter, r *http.Request) error {
				h.ServeHTTP(w, r)
				return nil
			}, request(Document, cookieLine(pair(older.Cookie), true)), length(older.Cookie))
		}},
	}
	ours, err := ecgridsession.NewCookieStore(ecgridsession.CookieStoreConfig{Keys: keys})
	if err != nil {
		return nil, err
	}
	for _, peer := range []struct {
		name  string
		store gorillaStore
	}{
		{OurStore, func([][]byte) (sessions.Store, error) { return ours, nil }},
		{GCMCodecSave, withSealing}, {CompactSave, withCompact}, {GorillaSave, asReadme},
	} {
		store, err := peer.store(keys)
		if err != nil {
			return nil, err
		}
		cookie, err := saved(store, in.Token)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, Subject{Name: peer.name, Cookie: length(cookie), Begin: func() Operation {
			return setting(func(w http.ResponseWriter, r *http.Request) error {
				return saveToken(store, w, r, in.Token)
			}, signIn, length(cookie))
		}})
	}
	return subjects, nil
}

// setting is serving for what sets one cookie, of at least that length.
func setting(set func(http.ResponseWriter, *http.Request) error, fresh *http.Request, long int) Operation {
	var err error
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { err = set(w, r) })
	return serving(h, fresh, func(w *writer) error {
		if err != nil {
			return err
		}
		if lines := w.header["Set-Cookie"]; len(lines) != 1 || len(lines[0]) < long {
			return errIdle
		}
		return nil
	})
}
