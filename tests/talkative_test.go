package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// talkative is a site whose every word is kept.
type talkative struct {
	*site
	tale   *tellTale
	ledger *tellingLedger
	clock  *advancingClock
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
				panic(fmt.Sprint("canary-of-a-hook-that-breaks ", e, ctx)) // contained, and logged without its value
			}
		}
		tale.show(*cfg)
		tale.show(cfg)
	})...)
	ts.clock = ts.clockOf()
	ts.grid.SetRefreshTokens(true)
	tale.secret("key", string(ts.key))
	tale.secret("password", demo.Password)
	tale.secret("panic value of a hook", "of-a-hook-that-breaks")
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
