package ecgridsession_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// tokenSize is the length of the bearer token, a JWT, that is measured with.
const tokenSize = 700

// BenchmarkOpenASession measures what a session costs each request of an app:
// from the Cookie header to the token, beside what an app would write by hand.
func BenchmarkOpenASession(b *testing.B) {
	b.Run("Wrap", func(b *testing.B) {
		m, cookie, token := wrappedSession(b)
		benchmark(b, readThroughWrap(b, m, token), cookie)
	})
	// As gorilla's README has it: one key, so the token is signed, but anyone
	// who sees the cookie can read it.
	b.Run("gorilla", func(b *testing.B) {
		store := sessions.NewCookieStore(randomKey(b))
		benchmark(b, readThroughGorilla(b, store), cookieOfGorilla(b, store))
	})
	// With the second key that makes it encrypt, as Wrap does.
	b.Run("gorilla, encrypted", func(b *testing.B) {
		store := sessions.NewCookieStore(randomKey(b), randomKey(b))
		benchmark(b, readThroughGorilla(b, store), cookieOfGorilla(b, store))
	})
	// What no encrypted cookie can do without.
	b.Run("base64 and AES-GCM alone", func(b *testing.B) {
		_, cookie, _ := wrappedSession(b)
		benchmarkBareDecryption(b, len(cookie.Value))
	})
}

// BenchmarkNoSession measures what a request without a session pays.
func BenchmarkNoSession(b *testing.B) {
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	b.Run("no middleware", func(b *testing.B) { benchmark(b, nothing, nil) })
	b.Run("Wrap", func(b *testing.B) {
		m := newBenchMiddleware(b, ecgridtest.NewServer(b))
		benchmark(b, m.Wrap(nothing), nil)
	})
}

// benchmark serves one request after the other, all with the same cookies.
func benchmark(b *testing.B, h http.Handler, cookie *http.Cookie) {
	serve := repeatedly(h, cookie)
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
	if cookie != nil {
		b.ReportMetric(float64(len(cookie.Name)+len("=")+len(cookie.Value)), "cookie-bytes")
	}
}

func benchmarkBareDecryption(b *testing.B, length int) {
	block, err := aes.NewCipher(randomKey(b))
	require.NoError(b, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(b, err)
	encoding := base64.RawURLEncoding.Strict()
	value := encoding.EncodeToString(aead.Seal(nil, nil, make([]byte, encoding.DecodedLen(length)-aead.Overhead()), nil))
	b.ReportAllocs()
	for b.Loop() {
		sealed, err := encoding.DecodeString(value)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := aead.Open(sealed[:0:0], nil, sealed, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func TestOpeningASessionAllocatesAtMost14Times(t *testing.T) {
	m, cookie, token := wrappedSession(t)
	allocations := testing.AllocsPerRun(1000, repeatedly(readThroughWrap(t, m, token), cookie))
	assert.LessOrEqual(t, allocations, 14.0)
	t.Log("allocations:", allocations)
}

func TestTheCookieIsHardlyLongerThanTheToken(t *testing.T) {
	_, cookie, token := wrappedSession(t)
	require.Len(t, token, tokenSize)
	length := len(cookie.Name) + len("=") + len(cookie.Value)
	assert.LessOrEqual(t, length, tokenSize*12/10)
	t.Log("bytes:", length)
}

// repeatedly returns a function that serves a request which has seven cookies,
// that of the session in their midst, and allocates nothing of its own.
func repeatedly(h http.Handler, cookie *http.Cookie) func() {
	fresh := httptest.NewRequest(http.MethodGet, "https://app.example/inbox", nil)
	fresh.Header.Set("Cookie", "theme=dark; lang=en-GB; _ga=GA1.1.1234567890.1700000000; ")
	if cookie != nil {
		fresh.Header["Cookie"][0] += cookie.Name + "=" + cookie.Value + "; "
	}
	fresh.Header["Cookie"][0] += "consent=1; tz=Europe%2FBerlin; last_mailbox=100001"
	var r http.Request
	w := &headerWriter{}
	return func() {
		r = *fresh // gorilla keeps what it has decoded in the request
		h.ServeHTTP(w, &r)
	}
}

// headerWriter is a ResponseWriter for handlers that write nothing.
type headerWriter struct{ header http.Header }

func (w *headerWriter) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}
func (w *headerWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *headerWriter) WriteHeader(int)             {}

// wrappedSession signs demo in and returns the cookie, and the token in it.
func wrappedSession(t testing.TB) (*ecgridsession.Middleware, *http.Cookie, string) {
	t.Helper()
	grid := ecgridtest.NewServer(t)
	grid.AddUser(demo)
	grid.SetTokenSize(tokenSize)
	m := newBenchMiddleware(t, grid)

	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "https://app.example/login", nil)
	var token string
	m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := m.Login(w, r, demo.Login, demo.Password)
		require.NoError(t, err)
		credential, err := m.Credential(r.Context())
		require.NoError(t, err)
		token = credential.Token
	})).ServeHTTP(w, r)
	cookies := w.Result().Cookies()
	require.Len(t, cookies, 1)
	return m, cookies[0], token
}

func newBenchMiddleware(t testing.TB, grid *ecgridtest.Server) *ecgridsession.Middleware {
	t.Helper()
	m, err := ecgridsession.New(ecgridsession.Config{Upstream: grid.URL, Keys: [][]byte{randomKey(t)}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close(context.Background())) })
	return m
}

// readThroughWrap is an app's handler that takes the token from the session.
func readThroughWrap(t testing.TB, m *ecgridsession.Middleware, token string) http.Handler {
	return m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if c, err := m.Credential(r.Context()); err != nil || c.Token != token {
			t.Error("the session was not opened")
		}
	}))
}

// readThroughGorilla is the least that an app can write by hand.
func readThroughGorilla(t testing.TB, store sessions.Store) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, "__Host-ecgrid")
		if err != nil {
			t.Error(err)
			return
		}
		if token, ok := session.Values["token"].(string); !ok || len(token) != tokenSize {
			t.Error("the session was not opened")
		}
	})
}

func cookieOfGorilla(t testing.TB, store sessions.Store) *http.Cookie {
	t.Helper()
	_, _, token := wrappedSession(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "https://app.example/login", nil)
	session, err := store.New(r, "__Host-ecgrid")
	require.NoError(t, err)
	session.Values["token"] = token
	require.NoError(t, store.Save(r, w, session))
	cookies := w.Result().Cookies()
	require.Len(t, cookies, 1)
	return cookies[0]
}
