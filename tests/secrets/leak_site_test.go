package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// leakSite is a site whose every word is kept.
type leakSite struct {
	*site.Site
	leaks  *leaks
	ledger *recordingLedger
}

func newLeakSite(t *testing.T, changes ...func(*ecgridsession.Config)) *leakSite {
	t.Helper()
	seen := &leaks{shown: make(map[string]struct{}), cookies: make(map[string]struct{}), secrets: make(map[string]string)}
	ts := &leakSite{leaks: seen, ledger: &recordingLedger{Ledger: ecgridsession.NewMemoryLedger(), leaks: seen}}
	ts.Site = site.New(t, site.ExpectPanics(), site.With(append(changes, func(cfg *ecgridsession.Config) {
		cfg.Ledger = ts.ledger
		cfg.ErrorHandler = nil
		events := cfg.OnEvent
		cfg.OnEvent = func(ctx context.Context, e ecgridsession.Event) {
			events(ctx, e)
			seen.show(e)
			seen.show(ctx)
			if e.Err != nil {
				seen.show(e.Err)
			}
			if e.Kind == ecgridsession.SessionStarted {
				panic(fmt.Sprint("canary-of-a-hook-that-breaks ", e, ctx)) // contained, and logged without its value
			}
		}
		seen.show(*cfg)
		seen.show(cfg)
	})...))
	ts.Grid.SetRefreshTokens(true)
	seen.secret("key", string(ts.Key))
	seen.secret("password", site.Demo.Password)
	seen.secret("panic value of a hook", "of-a-hook-that-breaks")
	seen.secret("API key", site.Demo.APIKey)
	seen.show(ts.Middleware)

	ts.leakingRoutes()
	return ts
}

// leakingRoutes are handlers that show all that they can get hold of.
func (ts *leakSite) leakingRoutes() {
	// What the app may know, and the secrets that go with it.
	ts.Mux.HandleFunc("/know", func(w http.ResponseWriter, r *http.Request) {
		c, err := ts.Middleware.Credential(r.Context())
		ts.leaks.credential(c)
		session, _ := ts.Middleware.Session(r.Context())
		for _, v := range []any{c, &c, err, session, &session, r.Context(), w.Header()} {
			ts.leaks.show(v)
		}
		fmt.Fprint(w, c, session, r.Context())
	})
	ts.Mux.HandleFunc("/panic", func(_ http.ResponseWriter, r *http.Request) {
		c, err := ts.Middleware.Credential(r.Context())
		panic(fmt.Sprintf("%v %+v %#v %s %v", c, &c, c, r.Context(), err))
	})
	ts.Mux.HandleFunc("/panic/value", func(_ http.ResponseWriter, r *http.Request) {
		c, _ := ts.Middleware.Credential(r.Context())
		panic(c)
	})
	ts.Mux.HandleFunc("/call", func(w http.ResponseWriter, r *http.Request) {
		for _, target := range []string{ts.Grid.URL + site.InboxCall, ts.Grid.URL + "/no/such/path", "https://evil.example/", "http://user@" + strings.TrimPrefix(ts.Grid.URL, "http://")} {
			for _, header := range []string{"", "Authorization", "X-API-Key"} {
				req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, target, strings.NewReader("{}"))
				if err != nil {
					ts.leaks.show(err)
					continue
				}
				if header != "" {
					req.Header.Set(header, "canary-of-the-caller")
				}
				resp, err := ts.Middleware.Client().Do(req)
				ts.leaks.show(err)
				ts.leaks.show(req)
				if err != nil {
					continue
				}
				if dump, err := httputil.DumpRequestOut(resp.Request, false); err == nil {
					ts.leaks.show(string(dump))
				}
				body, _ := io.ReadAll(resp.Body) // it may break off: a fault
				resp.Body.Close()
				fmt.Fprint(w, resp.StatusCode, len(body))
			}
		}
	})
}

// take follows an answer into the seen.
func (ts *leakSite) take(got site.Answer, err error) {
	if err != nil {
		ts.leaks.show(errors.Unwrap(err)) // a *url.Error names the app, whose client is the test's
		return
	}
	ts.leaks.answer(got)
}

// visit calls every route in every manner that a browser could.
func (ts *leakSite) visit(t *testing.T, b *site.Browser, method, path string, form url.Values) {
	t.Helper()
	for _, header := range [][]string{nil, site.Click, site.FetchCall, site.CrossSite, {"HX-Request", "true"}, {"Accept", "application/json"}} {
		var body io.Reader
		if form != nil {
			body = strings.NewReader(form.Encode())
			header = append(header[:len(header):len(header)], "Content-Type", "application/x-www-form-urlencoded")
		}
		ts.take(b.Try(t.Context(), method, path, body, header...))
	}
}

// UpstreamFaults are the failures that ECGrid answers with; some of them repeat
// to the caller what it sent.
func (ts *leakSite) upstreamFaults(token string) map[string]ecgridtest.Fault {
	echo := func(form string) string { return fmt.Sprintf(form, token+" "+site.Demo.APIKey+" "+site.Demo.Password) }
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
