package signin

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestTheSignInPageIsAFormThatNeedsNoScript(t *testing.T) {
	site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		got := b.Get("/login?return_to=/inbox", site.Click...)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		site.RequireNoCookie(t, got)
		assert.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
		assert.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
		assert.Equal(t, "same-origin", got.Header.Get("Referrer-Policy"))

		policy := got.Header.Get("Content-Security-Policy")
		assert.Regexp(t, `^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$`, policy)
		assert.NotContains(t, policy, "script")
		for _, script := range []string{"<script", "javascript:", " onload", " onclick", " onsubmit", " style=", "http://", "https://", "//"} {
			assert.NotContains(t, strings.ToLower(got.Text), script)
		}

		for _, field := range []string{
			`<form method="post">`, // no action: it posts to where it stands, return_to and all
			`name="login"`, `name="password" type="password"`, `name="api_key" type="password"`,
			`autocomplete="username"`, `autocomplete="current-password"`,
		} {
			assert.Contains(t, got.Text, field)
		}
		assert.NotContains(t, got.Text, "/inbox", "nothing of the query is echoed")

		head := b.Do(http.MethodHead, "/login", nil, site.Click...)
		assert.Equal(t, http.StatusOK, head.StatusCode)
		assert.Empty(t, head.Text)
		assert.Equal(t, policy, head.Header.Get("Content-Security-Policy"))
		assert.Empty(t, s.Grid.Calls(""))
	})
}

func TestSignInAnswersEachClientInTheWayThatItUnderstands(t *testing.T) {
	for name, form := range site.Forms {
		for client, c := range map[string]struct {
			header   []string
			status   int
			location string
			htmx     string
		}{
			"a browser":                {site.Click, http.StatusSeeOther, "/home", ""},
			"a client without a word":  {nil, http.StatusSeeOther, "/home", ""},
			"a script that wants JSON": {[]string{"Accept", "application/json"}, http.StatusOK, "", ""},
			"fetch()":                  {site.FetchCall, http.StatusOK, "", ""},
			"htmx":                     {append([]string{"HX-Request", "true"}, site.FetchCall...), http.StatusNoContent, "", "/home"},
		} {
			t.Run(name+", "+client, func(t *testing.T) {
				site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
					got := b.Post("/login", form, c.header...)
					assert.Equal(t, c.status, got.StatusCode)
					assert.Equal(t, c.location, got.Header.Get("Location"))
					assert.Equal(t, c.htmx, got.Header.Get("HX-Redirect"))
					assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
					require.Len(t, got.Header["Set-Cookie"], 1)
					require.Len(t, got.SessionCookies(), 1)
					if c.status != http.StatusOK {
						assert.Empty(t, got.Text)
					} else {
						assert.JSONEq(t, b.Get("/session").Text, got.Text)
					}
					assert.True(t, b.SignedIn())
				}, func(cfg *ecgridsession.Config) { cfg.AfterLogin = "/home" })
			})
		}
	}
}

func TestAMultipartFormAsFetchSendsItSignsIn(t *testing.T) {
	site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		require.NoError(t, w.WriteField("login", site.Demo.Login))
		require.NoError(t, w.WriteField("password", site.Demo.Password))
		require.NoError(t, w.WriteField("return_to", "/inbox"))
		require.NoError(t, w.Close())
		got := b.Do(http.MethodPost, "/login", &form, "Content-Type", w.FormDataContentType())
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/inbox", got.Header.Get("Location"))
		assert.True(t, b.SignedIn())
	})
}

func TestAFormThatTheAppHasReadAlreadySignsIn(t *testing.T) {
	site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Mux.HandleFunc("/counted", func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, site.Demo.Login, r.FormValue("login")) // as a middleware that guards against guessing
			s.Middleware.LoginHandler().ServeHTTP(w, r)
		})
		got := b.Post("/counted", url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}, "return_to": {"/inbox"}})
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		assert.Equal(t, "/inbox", got.Header.Get("Location"))
	})
}

func TestAQueryThatCannotBeReadKeepsNobodyFromSigningIn(t *testing.T) {
	site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for _, query := range []string{"?return_to=%zz", "?a;b", "?%", "?" + strings.Repeat("a=%zz&", 1000)} {
			got := b.Post("/login"+query, site.Forms["password"])
			assert.Equal(t, http.StatusSeeOther, got.StatusCode)
			assert.Equal(t, "/", got.Header.Get("Location"))
		}
	})
}

func TestAFormThatCannotBeReadIsRefusedBeforeECGridHearsOfIt(t *testing.T) {
	const urlencoded = "application/x-www-form-urlencoded"
	good := site.Forms["password"].Encode()
	long := good + "&x=" + strings.Repeat("x", 64<<10)
	part := func(text string) string {
		return "--B\r\nContent-Disposition: form-data; name=\"login\"\r\n\r\n" + text
	}
	for name, c := range map[string]struct {
		contentType, body string
		status            int
	}{
		"over 64 KiB":               {urlencoded, long, http.StatusRequestEntityTooLarge},
		"over 64 KiB, multipart":    {"multipart/form-data; boundary=B", part(long) + "\r\n--B--\r\n", http.StatusRequestEntityTooLarge},
		"a gigabyte":                {urlencoded, "GIGABYTE", http.StatusRequestEntityTooLarge},
		"a broken encoding":         {urlencoded, good + "&x=%zz", http.StatusBadRequest},
		"a semicolon":               {urlencoded, good + ";x=1", http.StatusBadRequest},
		"multipart that breaks off": {"multipart/form-data; boundary=B", part("demo"), http.StatusBadRequest},
		"multipart without parts":   {"multipart/form-data; boundary=B", good, http.StatusBadRequest},
		"multipart, no boundary":    {"multipart/form-data", good, http.StatusBadRequest},
		"JSON":                      {"application/json", `{"login":"demo","password":"x"}`, http.StatusUnsupportedMediaType},
		"JSON of a kind":            {"application/vnd.api+json; charset=utf-8", `{}`, http.StatusUnsupportedMediaType},
		"plain text":                {"text/plain", good, http.StatusBadRequest},
		"no type at all":            {"", good, http.StatusBadRequest},
		"a broken type":             {urlencoded + "; =", good, http.StatusBadRequest},
		"nothing":                   {urlencoded, "", http.StatusBadRequest},
		"a login alone":             {urlencoded, "login=demo", http.StatusBadRequest},
		"a password alone":          {urlencoded, "password=x", http.StatusBadRequest},
		"a password and a key":      {urlencoded, "login=demo&password=x&api_key=y", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				var sent io.Reader = strings.NewReader(c.body)
				if c.body == "GIGABYTE" {
					sent = io.LimitReader(&site.Endless{}, 1<<30)
				}
				got := b.Do(http.MethodPost, "/login", sent, "Content-Type", c.contentType, "Accept", "text/html")
				assert.Equal(t, c.status, got.StatusCode)
				site.RequireNoCookie(t, got)
				assert.Empty(t, s.Grid.Calls(""))
			})
		})
	}
}

func TestSecretsInTheQueryAreNotTaken(t *testing.T) {
	s := site.New(t)
	got := s.Browser().Post("/login?"+site.Forms["password"].Encode(), nil)
	assert.Equal(t, http.StatusBadRequest, got.StatusCode)
	assert.Empty(t, s.Grid.Calls(""), "addresses end up in logs: nobody is to get used to it")
}

func TestWrongCredentialsShowTheFormAgainWithTheLoginAndNoSecret(t *testing.T) {
	for name, c := range map[string]struct {
		form    url.Values
		problem string
		login   string
	}{
		"a wrong password":         {url.Values{"login": {site.Demo.Login}, "password": {"canary-wrong"}}, "Login or password is not correct.", `value="demo"`},
		"a login that nobody has":  {url.Values{"login": {"nobody"}, "password": {"canary-wrong"}}, "Login or password is not correct.", `value="nobody"`},
		"a login out of markup":    {url.Values{"login": {`"><script>alert(1)</script>`}, "password": {"canary-wrong"}}, "Login or password is not correct.", `value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"`},
		"a wrong key":              {url.Values{"api_key": {"canary-wrong"}}, "This API key is not valid.", `value=""`},
		"a key that no header has": {url.Values{"api_key": {"canary-wrong\r\nX-Evil: 1"}}, "This API key is not valid.", `value=""`},
		"a key of other letters":   {url.Values{"api_key": {"canary-wröng"}}, "This API key is not valid.", `value=""`},
	} {
		t.Run(name, func(t *testing.T) {
			site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				got := b.Post("/login?return_to=/inbox", c.form, site.Click...)
				assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
				site.RequireNoCookie(t, got)
				assert.Contains(t, got.Text, c.problem)
				assert.Contains(t, got.Text, c.login)
				assert.Contains(t, got.Text, `role="alert"`)
				assert.NotContains(t, got.Text, "canary-wrong")
				assert.NotContains(t, got.Text, "<script")
				assert.NotEmpty(t, got.Header.Get("Content-Security-Policy"))
				assert.Empty(t, s.Events.Of(ecgridsession.SessionStarted))
				assert.NotContains(t, s.Logs.String(), "canary-wrong")

				script := b.Post("/login", c.form, site.FetchCall...)
				assert.Equal(t, http.StatusUnauthorized, script.StatusCode)
				var told struct {
					Authenticated bool
					Error         string
				}
				require.NoError(t, json.Unmarshal([]byte(script.Text), &told))
				assert.False(t, told.Authenticated)
				assert.Equal(t, c.problem, told.Error)
				assert.NotContains(t, script.Text, "canary")

				htmx := b.Post("/login", c.form, append([]string{"HX-Request", "true"}, site.FetchCall...)...)
				assert.Equal(t, http.StatusUnauthorized, htmx.StatusCode)
				assert.Contains(t, htmx.Text, c.problem, "the form, to be swapped in")
			})
		})
	}
}

func TestAKeyThatIsFarTooLongIsRefused(t *testing.T) {
	s := site.New(t)
	got := s.Browser().Post("/login", url.Values{"api_key": {strings.Repeat("k", 16<<10+1)}})
	assert.Equal(t, http.StatusBadRequest, got.StatusCode)
	site.RequireNoCookie(t, got)
	assert.Empty(t, s.Grid.Calls(""))
}

func TestAPageOfAnotherSiteSignsNobodyIn(t *testing.T) {
	for name, header := range site.FromOtherSites {
		t.Run(name, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				s.Overdue(b)
				before := len(s.Grid.Calls(""))
				for _, form := range site.Forms {
					got := b.Post("/login", form, site.WithOwnOrigin(s, header)...)
					assert.Equal(t, http.StatusForbidden, got.StatusCode)
					site.RequireNoCookie(t, got)
				}
				assert.Len(t, s.Grid.Calls(""), before)
				assert.True(t, b.SignedIn(), "as whoever it was")
			}, site.With(site.TrustExample))
		})
	}
}

func TestATrustedOriginMaySignIn(t *testing.T) {
	s := site.New(t, site.With(site.TrustExample))
	b := s.Browser()
	got := b.Post("/login", site.Forms["password"], "Sec-Fetch-Site", "cross-site", "Origin", "https://www.example.com")
	assert.Equal(t, http.StatusSeeOther, got.StatusCode)
	assert.True(t, b.SignedIn())
}

func TestNoOtherMethodSignsIn(t *testing.T) {
	for _, method := range []string{http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodTrace} {
		t.Run(method, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				s.Overdue(b)
				got := b.Do(method, "/login", nil)
				assert.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
				assert.Equal(t, []string{"GET, HEAD, POST"}, got.Header["Allow"])
				site.RequireNoCookie(t, got)
				assert.True(t, b.SignedIn())
			})
		})
	}
}

func TestAGETOfTheSignInPageSignsNobodyIn(t *testing.T) {
	s := site.New(t)
	got := s.Browser().Get("/login?"+site.Forms["password"].Encode(), site.Click...)
	assert.Equal(t, http.StatusOK, got.StatusCode)
	site.RequireNoCookie(t, got)
	assert.Empty(t, s.Grid.Calls(""))
	assert.NotContains(t, got.Text, site.Demo.Login)
}

func TestSignInWorksOutsideOfWrapAndEndsWhatWasThere(t *testing.T) {
	s := site.New(t)
	bare := site.Serve(t, s.Middleware.LoginHandler())
	b := s.Browser().SignIn()
	req, err := http.NewRequest(http.MethodPost, bare.URL, strings.NewReader(site.Forms["password"].Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.AddCookie(b.Cookie())
	resp, err := bare.Client().Transport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	assert.False(t, b.SignedIn(), "the session that was there has ended")
	require.Eventually(t, func() bool { return s.Grid.LiveTokens(site.Demo.ID) == 1 }, 10*time.Second, time.Millisecond)
}

func TestTheRestOfARequestThatSignedInHasTheSession(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Mux.HandleFunc("/in", func(w http.ResponseWriter, r *http.Request) {
			started, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
			assert.NoError(t, err)
			seen, ok := s.Middleware.Session(r.Context())
			assert.True(t, ok)
			assert.Equal(t, started, seen)
			credential, err := s.Middleware.Credential(r.Context())
			assert.NoError(t, err)
			assert.NotEmpty(t, credential.Token)
		})
		got := b.Post("/in", nil)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Len(t, got.SessionCookies(), 1)
	})
}

// Tests of apps make their requests with http.NewRequest, and hand them to the
// app's handler without a server in between.
func TestASignInWithoutABodyIsABadRequest(t *testing.T) {
	s := site.New(t)
	for _, contentType := range []string{"", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		r, err := http.NewRequest(http.MethodPost, "/login", nil)
		require.NoError(t, err)
		require.Nil(t, r.Body)
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		s.Middleware.LoginHandler().ServeHTTP(w, r)
		assert.Equal(t, http.StatusBadRequest, w.Code, contentType)
	}
}
