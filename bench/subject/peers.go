package subject

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

// Names of the subjects, by which the comparisons look them up. What is called
// gorilla and nothing else is the CookieStore of gorilla/sessions.
const (
	Ours     = "ecgridsession, Wrap"
	Limit    = "the limit: cookie, base64, AES-GCM"
	GCMCodec = "gorilla, AES-GCM Codec"
	Compact  = "gorilla, compact Serializer"
	Gorilla  = "gorilla, as its README shows it"
	GetSave  = "gorilla, README, Save on each request"
	Crypted  = "gorilla, encrypted"
	Files    = "gorilla FilesystemStore"
	SCS      = "scs with memstore"
)

// gorillaStore makes a gorilla store on keys, newest first: the first signs,
// all verify.
type gorillaStore func(keys [][]byte) (sessions.Store, error)

// asReadme is gorilla's README: a key to sign with, and none to encrypt.
func asReadme(keys [][]byte) (sessions.Store, error) {
	return sessions.NewCookieStore(signing(keys)...), nil
}

// encrypted has gorilla's second key, which makes it encrypt.
func encrypted(keys [][]byte) (sessions.Store, error) {
	var pairs [][]byte
	for i, key := range NewKeys(len(keys)) {
		pairs = append(pairs, keys[i], key)
	}
	return sessions.NewCookieStore(pairs...), nil
}

// withCompact has a Serializer that is faster than gob.
func withCompact(keys [][]byte) (sessions.Store, error) {
	store := sessions.NewCookieStore(signing(keys)...)
	for _, codec := range store.Codecs {
		signed, ok := codec.(*securecookie.SecureCookie)
		if !ok {
			return nil, fmt.Errorf("subject: gorilla made a %T", codec)
		}
		signed.SetSerializer(compact{})
	}
	return store, nil
}

// withSealing has a Codec that encrypts, and signs by it.
func withSealing(keys [][]byte) (sessions.Store, error) {
	store := sessions.NewCookieStore()
	for _, key := range keys {
		codec, err := newSealing(key)
		if err != nil {
			return nil, err
		}
		store.Codecs = append(store.Codecs, codec)
	}
	return store, nil
}

// inFiles keeps the session in a file of dir.
func inFiles(dir string) gorillaStore {
	return func(keys [][]byte) (sessions.Store, error) {
		return sessions.NewFilesystemStore(dir, signing(keys)...), nil
	}
}

// signing are gorilla's key pairs without a second key.
func signing(keys [][]byte) [][]byte {
	pairs := make([][]byte, 0, 2*len(keys))
	for _, key := range keys {
		pairs = append(pairs, key, nil)
	}
	return pairs
}

// tokenValue is the only value that the peers' sessions have.
const tokenValue = "token"

// saved is the cookie of a session of that store with the token in it.
func saved(store sessions.Store, token string) (*http.Cookie, error) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "https://app.example/login", nil)
	if err := saveToken(store, w, r, token); err != nil {
		return nil, err
	}
	return onlyCookie(w)
}

// saveToken is a sign-in as one writes it by hand.
func saveToken(store sessions.Store, w http.ResponseWriter, r *http.Request, token string) error {
	session, err := store.Get(r, CookieName)
	if err != nil {
		return err
	}
	session.Values[tokenValue] = token
	return session.Save(r, w)
}

// readGorilla is a handler that finds the token, and saves the session where
// it is to.
func readGorilla(store sessions.Store, found *string, save bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, CookieName)
		if err != nil {
			return
		}
		if token, ok := session.Values[tokenValue].(string); ok {
			*found = token
		}
		if save && session.Save(r, w) != nil {
			*found = ""
		}
	})
}

// newSCS is scs as its README has it, but for the name of the cookie and the
// goroutine that looks for sessions that have expired.
func newSCS() *scs.SessionManager {
	manager := scs.New()
	manager.Store = memstore.NewWithCleanupInterval(0)
	manager.Cookie.Name = CookieName
	return manager
}

// savedBySCS is the cookie of a session with the token in it.
func savedBySCS(manager *scs.SessionManager, token string) (*http.Cookie, error) {
	w := httptest.NewRecorder()
	manager.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		manager.Put(r.Context(), tokenValue, token)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "https://app.example/login", nil))
	return onlyCookie(w)
}

// readSCS is a handler that finds the token.
func readSCS(manager *scs.SessionManager, found *string) http.Handler {
	return manager.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		*found = manager.GetString(r.Context(), tokenValue)
	}))
}
