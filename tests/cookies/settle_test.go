package cookies

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// setsCookieOnce holds that an answer sets the session's cookie once, and that no
// cache keeps it.
func setsCookieOnce(t *testing.T, got site.Answer, what string) {
	t.Helper()
	assert.Len(t, got.SessionCookies(), 1, what)
	keptByNoCache(t, got.Header, what)
	assert.Contains(t, got.Header["Vary"], "Cookie", what)
}

func keptByNoCache(t *testing.T, header http.Header, what string) {
	t.Helper()
	assert.Equal(t, []string{"no-store"}, header["Cache-Control"], what)
	for field, want := range map[string]string{
		"CDN-Cache-Control": "no-store", "Cloudflare-CDN-Cache-Control": "no-store", "Surrogate-Control": "no-store",
		"Edge-Control": "no-store", "X-Accel-Expires": "0",
	} {
		for _, line := range header.Values(field) {
			assert.Equal(t, want, line, "%s: %s", what, field)
		}
	}
	assert.Empty(t, header.Values("Expires"), what)
}

// public sets every field by which a cache may be told to keep an answer.
func public(header http.Header) {
	header.Set("Cache-Control", "public, max-age=3600")
	header["cache-control"] = []string{"public"}
	for _, field := range []string{"CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control", "Edge-Control"} {
		header.Set(field, "public, max-age=3600")
	}
	header.Set("X-Accel-Expires", "3600")
	header.Set("Expires", "Thu, 01 Dec 2099 16:00:00 GMT")
}

// headerChanges are handlers that do to the header what frameworks do.
var headerChanges = map[string]http.HandlerFunc{
	"says that it is public":      func(w http.ResponseWriter, _ *http.Request) { public(w.Header()) },
	"clears the header":           func(w http.ResponseWriter, _ *http.Request) { clear(w.Header()) },
	"deletes Set-Cookie":          func(w http.ResponseWriter, _ *http.Request) { w.Header().Del("Set-Cookie") },
	"replaces Set-Cookie":         func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "theme=dark") },
	"sets a cookie of our name":   func(w http.ResponseWriter, _ *http.Request) { w.Header().Add("Set-Cookie", "__Host-ecgrid=x; Path=/") },
	"writes nothing, and returns": func(http.ResponseWriter, *http.Request) {},
	"fails as http.FileServer does": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public")
		http.FileServer(http.Dir("nowhere")).ServeHTTP(w, r)
	},
	"flushes first": func(w http.ResponseWriter, _ *http.Request) {
		public(w.Header())
		if f, ok := w.(http.Flusher); ok { // http.TimeoutHandler's is none
			f.Flush()
		}
		io.WriteString(w, "late")
	},
	"flushes by its controller": func(w http.ResponseWriter, _ *http.Request) {
		public(w.Header())
		_ = http.NewResponseController(w).Flush()
	},
	"copies a reader": func(w http.ResponseWriter, _ *http.Request) {
		public(w.Header())
		io.Copy(w, struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 1<<20))}) // by ReadFrom
	},
	"copies an empty reader, and changes its mind": func(w http.ResponseWriter, _ *http.Request) {
		io.Copy(w, struct{ io.Reader }{strings.NewReader("")}) // by ReadFrom
		public(w.Header())
	},
	"writes a string": func(w http.ResponseWriter, _ *http.Request) {
		public(w.Header())
		io.WriteString(w, "text")
	},
	"hints first": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		public(w.Header())
		w.WriteHeader(http.StatusCreated)
	},
}

// around are middlewares between Wrap and the handler that hold the header back
// or replace it.
var around = map[string]func(http.Handler) http.Handler{
	"by itself":           func(h http.Handler) http.Handler { return h },
	"http.TimeoutHandler": func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "") },
}

// dueIn makes the cookies of browsers that signed in before due to be set again.
const dueIn = 4 * time.Minute

func TestWhateverAHandlerDoesToTheHeaderTheCookieArrivesOnceAndInNoCache(t *testing.T) {
	for between, wrap := range around {
		for what, handler := range headerChanges {
			t.Run(between+" "+what, func(t *testing.T) {
				site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
					s.AheadBy(dueIn)
					s.Mux.Handle("/changes", wrap(handler))
					s.Mux.Handle("/out", wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, err := s.Middleware.Logout(w, r)
						assert.NoError(t, err)
						handler(w, r)
					})))
					s.Mux.Handle("/in", wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
						assert.NoError(t, err)
						handler(w, r)
					})))
					before := b.Cookie().Value
					setsCookieOnce(t, b.Get("/changes"), "set again")
					assert.NotEqual(t, before, b.Cookie().Value)
					assert.True(t, b.SignedIn())

					in := b.Post("/in", nil)
					setsCookieOnce(t, in, "a sign-in over a session")
					assert.True(t, b.SignedIn())

					out := b.Post("/out", nil)
					setsCookieOnce(t, out, "deletion")
					assert.Equal(t, []string{site.Deletion}, out.SessionCookies())
					assert.Nil(t, b.Cookie())
				})
			})
		}
	}
}

func TestWhatIsBehindRequireIsInNoCache(t *testing.T) {
	for what, handler := range headerChanges {
		t.Run(what, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				s.Mux.Handle("/kept", s.Middleware.Require(handler))
				got := b.Get("/kept")
				assert.Empty(t, got.SessionCookies(), "nothing is due")
				keptByNoCache(t, got.Header, "kept")
			})
		})
	}
}

func TestAReverseProxyPassesOnNoCookieOfOurName(t *testing.T) {
	backend := site.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", "__Host-ecgrid=of-the-backend; Path=/; Secure")
		w.Header().Add("Set-Cookie", "backend=yes")
		w.Header().Set("Cache-Control", "public, max-age=60")
		io.WriteString(w, "from the backend")
	}))
	target, err := url.Parse(backend.URL)
	require.NoError(t, err)
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Mux.Handle("/proxy", &httputil.ReverseProxy{
			Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(target) }, Transport: backend.Client().Transport,
		})
		before := b.Cookie().Value
		got := b.Get("/proxy")
		assert.Equal(t, "from the backend", got.Text)
		assert.Equal(t, []string{"backend=yes"}, got.Header["Set-Cookie"])
		assert.Equal(t, before, b.Cookie().Value)
		assert.Equal(t, "public, max-age=60", got.Header.Get("Cache-Control"), "no cookie of ours is in it")

		s.AheadBy(dueIn)
		got = b.Get("/proxy")
		setsCookieOnce(t, got, "due")
		assert.Contains(t, got.Header["Set-Cookie"], "backend=yes")
		assert.True(t, b.SignedIn())
	})
}

func TestAnAnswerThatTimedOutCarriesTheCookie(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.AheadBy(dueIn)
		s.Mux.Handle("/slow", http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}), 10*time.Millisecond, "too slow"))
		got := b.Get("/slow")
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		setsCookieOnce(t, got, "timed out")
	})
}

func TestAnInformationalAnswerCarriesNoCookie(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.AheadBy(dueIn)
		s.Mux.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("in") {
				_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
				assert.NoError(t, err)
			}
			w.Header().Set("Link", "</app.css>; rel=preload; as=style")
			w.WriteHeader(http.StatusEarlyHints)
			io.WriteString(w, "page")
		})
		for _, path := range []string{"/hints", "/hints?in"} {
			hints := 0
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
					hints++
					assert.Empty(t, header["Set-Cookie"], path)
					return nil
				},
			})
			got, err := b.Try(ctx, http.MethodGet, path, nil)
			require.NoError(t, err)
			assert.Equal(t, 1, hints)
			setsCookieOnce(t, got, path)
		}
	})
}

func TestAPanicSettlesNothing(t *testing.T) {
	s := site.New(t, site.InProcess())
	v := s.SignIn(site.Demo)
	s.AheadBy(dueIn)
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				assert.NotNil(t, recover())
				http.Error(w, "sorry", http.StatusInternalServerError)
			}()
			next.ServeHTTP(w, r)
		})
	}
	app := outer(s.Middleware.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the app") })))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", site.Sent(v.Cookie))
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	assert.Equal(t, http.StatusInternalServerError, w.Code)
	assert.Empty(t, w.Header()["Set-Cookie"])
}

func TestARefusedRequestSetsNoCookieThoughOneIsDue(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.AheadBy(dueIn)
		for _, path := range []string{"/logout", "/login", "/everywhere"} {
			assert.Empty(t, b.Post(path, nil, site.CrossSite...).Header["Set-Cookie"], path)
			assert.Empty(t, b.Do(http.MethodDelete, path, nil).Header["Set-Cookie"], path)
		}
		setsCookieOnce(t, b.Get("/"), "the next")
	})
}

func TestARefreshWithinAPostReachesTheBrowserWithThatAnswer(t *testing.T) {
	for _, path := range []string{"/token", "/inbox"} {
		t.Run(path, func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, s *site.Site) {
				v := s.SignIn(site.Demo)
				time.Sleep(14 * time.Minute)
				got := v.Post(s, path)
				require.Equal(t, http.StatusOK, got.StatusCode)
				require.Len(t, s.Grid.Calls(site.RefreshCall), 1)
				setsCookieOnce(t, got, path)

				// Another process that knows nothing but the cookie, as after a
				// restart with a MemoryLedger.
				s.Ledger.Memory = site.NewLedger().Memory
				restarted := s.Replica()
				assert.Equal(t, http.StatusOK, v.Post(restarted, "/inbox").StatusCode)
				assert.Len(t, s.Grid.Calls(site.RefreshCall), 1)
			})
		})
	}
}

// The handler of an answer that timed out still runs beside the one that writes it.
func TestASignInAndASignOutBesideATimeoutAreSettledOneWayOrTheOther(t *testing.T) {
	s := site.New(t, site.InProcess())
	beside := func(act func(w http.ResponseWriter, r *http.Request) error) http.Handler {
		return s.Middleware.Wrap(http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = act(w, r) // its request may be over
		}), time.Millisecond, "too slow"))
	}
	for name, app := range map[string]http.Handler{
		"sign-in": beside(func(w http.ResponseWriter, r *http.Request) error {
			_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
			return err
		}),
		"sign-out": beside(func(w http.ResponseWriter, r *http.Request) error {
			_, err := s.Middleware.Logout(w, r)
			return err
		}),
	} {
		for range 50 {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set("Cookie", site.Sent(s.CookieOf("bearer")))
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			if set := w.Header()["Set-Cookie"]; len(set) > 0 {
				assert.Len(t, set, 1, name)
				keptByNoCache(t, w.Header(), name)
			}
		}
	}
}
