package ecgridsession_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// tellTale collects everything that an app, an operator or a browser gets to
// see, and every secret that none of it may show.
type tellTale struct {
	mu      sync.Mutex
	shown   map[string]struct{} // each only once
	cookies map[string]struct{} // the same for lines that set a session cookie
	secrets map[string]string   // by a name, from the distinctive character on
}

func (tt *tellTale) show(v any) {
	text := everyVerb(v)
	if inJSON, err := json.Marshal(v); err == nil {
		text += string(inJSON)
	}
	if err, ok := v.(error); ok {
		text += showErrors(err)
	}
	tt.mu.Lock()
	defer tt.mu.Unlock()
	tt.shown[text] = struct{}{}
}

// showErrors prints an error and all that it wraps.
func showErrors(err error) string {
	text := everyVerb(err)
	switch wrapping := err.(type) {
	case interface{ Unwrap() error }:
		if inner := wrapping.Unwrap(); inner != nil {
			text += showErrors(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range wrapping.Unwrap() {
			text += showErrors(inner)
		}
	}
	return text
}

func (tt *tellTale) secret(name, value string) {
	if value == "" {
		return
	}
	tt.mu.Lock()
	defer tt.mu.Unlock()
	for _, known := range tt.secrets {
		if known == value {
			return
		}
	}
	tt.secrets[fmt.Sprintf("%s %d", name, len(tt.secrets))] = value
}

// credential notes the secrets of one.
func (tt *tellTale) credential(c ecgridsession.Credential) {
	if c.Token != "" {
		tt.secret("token", distinctive(c.Token))
		// Its claims, past what every token of the user begins with.
		claims := c.Token[:strings.LastIndexByte(c.Token, '.')]
		tt.secret("claims", claims[len(claims)-32:])
	}
	tt.secret("refresh token", c.RefreshToken)
	tt.secret("API key", c.APIKey)
}

// answer takes in the body of an answer and its headers. A session cookie is
// where its own value belongs; it is held to show nothing else.
func (tt *tellTale) answer(a answer) {
	for name, values := range a.Header {
		for _, value := range values {
			if name == "Set-Cookie" && strings.HasPrefix(value, "__Host-ecgrid=") {
				c, err := http.ParseSetCookie(value)
				if err != nil {
					tt.show("a cookie that does not parse: " + value)
					continue
				}
				if c.Value != "" {
					// Past version, key id and the first of the nonce.
					tt.secret("cookie", c.Value[16:])
				}
				tt.show(fmt.Sprint(c.MaxAge, c.Path, c.Domain, c.Unparsed))
				tt.mu.Lock()
				tt.cookies[value] = struct{}{}
				tt.mu.Unlock()
				continue
			}
			tt.show(name + ": " + value)
		}
	}
	tt.show(a.body)
	tt.show(a.Request.URL.String())
}

// verdict looks for every secret in all that was shown.
func (tt *tellTale) verdict(t *testing.T) {
	t.Helper()
	tt.mu.Lock()
	defer tt.mu.Unlock()
	require.NotEmpty(t, tt.secrets)
	assertNoSecret(t, joined(tt.shown), tt.secrets)
	others := make(map[string]string)
	for name, value := range tt.secrets {
		if !strings.HasPrefix(name, "cookie") {
			others[name] = value
		}
	}
	assertNoSecret(t, joined(tt.cookies), others)
}

func joined(texts map[string]struct{}) string {
	return strings.Join(slices.Collect(maps.Keys(texts)), "\n")
}

// tellingLedger is a ledger that keeps all that it was ever given, and breaks when
// told to.
type tellingLedger struct {
	ecgridsession.Ledger
	tale   *tellTale
	broken atomic.Bool
}

var errLedgerBroken = errors.New("the ledger is broken")

func (l *tellingLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	for _, key := range keys {
		l.dump(key)
	}
	if l.broken.Load() {
		return nil, errLedgerBroken
	}
	return l.Ledger.Load(ctx, keys...)
}

func (l *tellingLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	l.dump(key, string(old), string(next))
	if l.broken.Load() {
		return false, errLedgerBroken
	}
	return l.Ledger.CompareAndSwap(ctx, key, old, next, ttl)
}

func (l *tellingLedger) dump(parts ...string) {
	l.tale.mu.Lock()
	defer l.tale.mu.Unlock()
	for _, part := range parts {
		l.tale.shown[part] = struct{}{}
	}
}

// talkative is a site whose every word is kept.
type talkative struct {
	*site
	tale   *tellTale
	ledger *tellingLedger
}

func newTalkative(t *testing.T, changes ...func(*ecgridsession.Config)) *talkative {
	t.Helper()
	tale := &tellTale{shown: make(map[string]struct{}), cookies: make(map[string]struct{}), secrets: make(map[string]string)}
	ts := &talkative{tale: tale, ledger: &tellingLedger{Ledger: ecgridsession.NewMemoryLedger(), tale: tale}}
	ts.site = newSite(t, append(changes, func(cfg *ecgridsession.Config) {
		cfg.Ledger = ts.ledger
		cfg.ErrorHandler = nil
		events := cfg.OnEvent
		cfg.OnEvent = func(ctx context.Context, e ecgridsession.Event) {
			events(ctx, e)
			tale.show(e)
			tale.show(ctx)
			if e.Err != nil {
				tale.show(e.Err)
			}
			if e.Kind == ecgridsession.SessionStarted {
				panic(fmt.Sprint("a hook that breaks: ", e, ctx)) // contained, and logged without its value
			}
		}
		tale.show(*cfg)
		tale.show(cfg)
	})...)
	ts.grid.SetRefreshTokens(true)
	tale.secret("key", string(ts.key))
	tale.secret("password", demo.Password)
	tale.secret("API key", demo.APIKey)
	tale.show(ts.m)

	// Panics of handlers end in the log of the server, with a stack.
	server := httptest.NewUnstartedServer(ts.m.Wrap(ts.mux))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(ts.logs, nil), slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	ts.app = server
	ts.routesThatTell()
	return ts
}

// routesThatTell are handlers that show all that they can get hold of.
func (ts *talkative) routesThatTell() {
	// What the app may know, and the secrets that go with it.
	ts.mux.HandleFunc("/know", func(w http.ResponseWriter, r *http.Request) {
		c, err := ts.m.Credential(r.Context())
		ts.tale.credential(c)
		session, _ := ts.m.Session(r.Context())
		for _, v := range []any{c, &c, err, session, &session, r.Context(), w.Header()} {
			ts.tale.show(v)
		}
		fmt.Fprint(w, c, session, r.Context())
	})
	ts.mux.HandleFunc("/panic", func(_ http.ResponseWriter, r *http.Request) {
		c, err := ts.m.Credential(r.Context())
		panic(fmt.Sprintf("%v %+v %#v %s %v", c, &c, c, r.Context(), err))
	})
	ts.mux.HandleFunc("/panic/value", func(_ http.ResponseWriter, r *http.Request) {
		c, _ := ts.m.Credential(r.Context())
		panic(c)
	})
	ts.mux.HandleFunc("/everywhere", func(w http.ResponseWriter, r *http.Request) {
		ts.m.LogoutEverywhereHandler().ServeHTTP(w, r)
	})
	ts.mux.HandleFunc("/call", func(w http.ResponseWriter, r *http.Request) {
		for _, target := range []string{ts.grid.URL + inboxPath, ts.grid.URL + "/no/such/path", "https://evil.example/", "http://user@" + strings.TrimPrefix(ts.grid.URL, "http://")} {
			for _, header := range []string{"", "Authorization", "X-API-Key"} {
				req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, target, strings.NewReader("{}"))
				if err != nil {
					ts.tale.show(err)
					continue
				}
				if header != "" {
					req.Header.Set(header, "canary-of-the-caller")
				}
				resp, err := ts.m.Client().Do(req)
				ts.tale.show(err)
				ts.tale.show(req)
				if err != nil {
					continue
				}
				if dump, err := httputil.DumpRequestOut(resp.Request, false); err == nil {
					ts.tale.show(string(dump))
				}
				body, _ := io.ReadAll(resp.Body) // it may break off: a fault
				resp.Body.Close()
				fmt.Fprint(w, resp.StatusCode, len(body))
			}
		}
	})
}

// take follows an answer into the tale.
func (ts *talkative) take(got answer, err error) {
	if err != nil {
		ts.tale.show(errors.Unwrap(err)) // a *url.Error names the app, whose client is the test's
		return
	}
	ts.tale.answer(got)
}

// visit calls every route in every manner that a browser could.
func (ts *talkative) visit(t *testing.T, b *browser, method, path string, form url.Values) {
	t.Helper()
	for _, header := range [][]string{nil, click, fetchCall, crossSite, {"HX-Request", "true"}, {"Accept", "application/json"}} {
		var body io.Reader
		if form != nil {
			body = strings.NewReader(form.Encode())
			header = append(header[:len(header):len(header)], "Content-Type", "application/x-www-form-urlencoded")
		}
		ts.take(b.try(t.Context(), method, path, body, header...))
	}
}

// upstreamFaults are the failures that ECGrid answers with; some of them repeat
// to the caller what it sent.
func (ts *talkative) upstreamFaults(token string) map[string]ecgridtest.Fault {
	echo := func(form string) string { return fmt.Sprintf(form, token+" "+demo.APIKey+" "+demo.Password) }
	return map[string]ecgridtest.Fault{
		"500":                    {Status: 500},
		"429":                    {Status: 429},
		"503 of a gateway":       {Status: 503, Body: echo("<html>%s</html>")},
		"reset":                  {Reset: true},
		"lost":                   {DropAfter: true},
		"403":                    {Status: 403},
		"400 that repeats":       {Status: 400, Body: echo(`{"success":false,"errorCode":"InvalidParameter","message":"%s"}`)},
		"401 that repeats":       {Status: 401, Body: echo(`{"success":false,"errorCode":"InvalidSession","message":"%s"}`)},
		"a code that repeats":    {Status: 500, Body: echo(`{"success":false,"errorCode":"%s","message":null}`)},
		"JSON that repeats":      {Status: 200, Body: echo(`{"success":"%s"}`)},
		"data that repeats":      {Status: 200, Body: echo(`{"success":true,"data":{"token":7,"userId":"%s"}}`)},
		"a header that repeats":  {Status: 500, Header: http.Header{"Retry-After": {token}, "X-Echo": {token}}},
		"a redirect that does":   {Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:9/?token=" + token}}},
		"a status line that is":  {Status: 999, Body: echo("%s")},
		"an answer that breaks ": {Status: 200, Body: echo("%s"), Header: http.Header{"Content-Length": {"100000"}}},
	}
}

func TestNoSecretShowsAnywhere(t *testing.T) {
	for name, change := range map[string]func(*ecgridsession.Config){
		"credential in the cookie": func(*ecgridsession.Config) {},
		"credential in the ledger": func(cfg *ecgridsession.Config) { cfg.CredentialInLedger = true },
	} {
		t.Run(name, func(t *testing.T) {
			ts := newTalkative(t, change, func(cfg *ecgridsession.Config) {
				cfg.LogoutTimeout, cfg.AuthTimeout = time.Second, time.Second
			})
			for kind, form := range map[string]url.Values{
				"password": {"login": {demo.Login}, "password": {demo.Password}},
				"API key":  {"api_key": {demo.APIKey}},
			} {
				t.Run(kind, func(t *testing.T) { ts.tellAll(t, form) })
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			ts.tale.show(ts.m.Close(ctx)) // what is left is given up, with an event each
			ts.tale.show(ts.logs.String())
			ts.tale.verdict(t)
		})
	}
}

// tellAll goes through sign-in, calls, failures of every kind and sign-out.
func (ts *talkative) tellAll(t *testing.T, form url.Values) {
	wrong := url.Values{"login": {demo.Login}, "password": {"wrong-" + demo.Password}, "return_to": {"/private"}}
	badKey := url.Values{"api_key": {demo.APIKey + "\r\nX: 1"}}
	both := url.Values{"login": {demo.Login}, "password": {demo.Password}, "api_key": {demo.APIKey}}

	b := ts.browser()
	signIn := func() {
		t.Helper()
		got := b.post("/login", form)
		require.Equal(t, http.StatusSeeOther, got.StatusCode)
		ts.take(got, nil)
		ts.take(b.get("/know"), nil)
	}
	for _, bad := range []url.Values{wrong, badKey, both, {}} {
		ts.visit(t, b, http.MethodPost, "/login", bad)
	}
	signIn()
	for _, path := range []string{"/", "/private", "/inbox", "/session", "/login", "/logout", "/know", "/call", "/panic", "/panic/value", "/everywhere"} {
		if path != "/logout" && path != "/everywhere" {
			ts.visit(t, b, http.MethodGet, path, nil)
		}
		ts.visit(t, b, http.MethodDelete, path, nil)
	}

	// Cookies that are not quite ours.
	value := b.cookie().Value
	for _, spoilt := range []string{value[:len(value)-1], value + "A", strings.ToLower(value), value + "; __Host-ecgrid=" + value, strings.Repeat(value, 40)} {
		ts.take(ts.browser().try(t.Context(), http.MethodGet, "/private", nil, "Cookie", "__Host-ecgrid="+spoilt))
	}

	// ECGrid fails, at each of its endpoints.
	token := "canary-token-in-an-echo"
	ts.tale.secret("echo", token)
	for name, fault := range ts.upstreamFaults(token) {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/v2/auth/login", "/v2/auth/session", inboxPath, "/v2/auth/logout"} {
				if path == inboxPath && fault.Header.Get("Location") != "" {
					continue // http.Client itself names where it was led
				}
				fault.Path = path
				ts.grid.Inject(fault)
			}
			ts.take(ts.browser().try(t.Context(), http.MethodPost, "/login", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded"))
			ts.take(b.get("/call"), nil)
			ts.take(b.post("/logout", nil), nil)
			ts.grid.ClearFaults()
			signIn()
		})
	}

	// The ledger fails.
	ts.ledger.broken.Store(true)
	for _, path := range []string{"/", "/private", "/inbox", "/session", "/know", "/call"} {
		ts.visit(t, b, http.MethodGet, path, nil)
	}
	ts.visit(t, ts.browser(), http.MethodPost, "/login", form)
	ts.visit(t, b, http.MethodPost, "/logout", nil)
	ts.ledger.broken.Store(false)

	// And all goes well.
	signIn()
	ts.take(b.post("/everywhere", nil), nil)
	signIn()
	ts.take(b.post("/logout", nil), nil)
	ts.visit(t, b, http.MethodGet, "/know", nil)
}

func TestTheErrorsOfNewNameNoSecret(t *testing.T) {
	const secret = "canary-secret-0123456789"
	short, long := []byte(secret), []byte(secret+secret)
	for name, cfg := range map[string]ecgridsession.Config{
		"keys of other lengths":       {Keys: [][]byte{short, long, nil}},
		"the same key twice":          {Keys: [][]byte{long[:32], long[:32]}},
		"an upstream with a password": {Keys: [][]byte{randomKey(t)}, Upstream: "https://user:" + secret + "@rest.ecgrid.io"},
		"an upstream with a user":     {Keys: [][]byte{randomKey(t)}, Upstream: "https://" + secret + "@rest.ecgrid.io"},
		"an upstream with a query":    {Keys: [][]byte{randomKey(t)}, Upstream: "https://rest.ecgrid.io?key=" + secret},
		"an upstream with a fragment": {Keys: [][]byte{randomKey(t)}, Upstream: "https://rest.ecgrid.io#" + secret},
		"an upstream that is no URL":  {Keys: [][]byte{randomKey(t)}, Upstream: "https://user:" + secret + "@rest\x7f"},
		"an opaque upstream":          {Keys: [][]byte{randomKey(t)}, Upstream: "https:" + secret},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ecgridsession.New(cfg)
			require.Error(t, err)
			inJSON, jsonErr := json.Marshal(cfg)
			require.NoError(t, jsonErr)
			var log strings.Builder
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", cfg, "pointer", &cfg, "err", err)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "cfg", cfg, "pointer", &cfg, "err", err)
			shown := showErrors(err) + everyVerb(cfg) + everyVerb(&cfg) + everyVerb([]ecgridsession.Config{cfg}) + string(inJSON) + log.String()
			assertNoSecret(t, shown, map[string]string{"secret": secret})
		})
	}
}
