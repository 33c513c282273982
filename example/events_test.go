package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// reader reads an event stream.
type reader struct {
	t      *testing.T
	events chan event
	close  context.CancelFunc
}

type event struct{ name, data string }

// watch opens the event stream, as a visitor without a session or as one who
// has these cookies.
func watch(t *testing.T, url string, cookies ...*http.Cookie) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events", nil)
	require.NoError(t, err)
	for _, c := range cookies {
		req.AddCookie(c)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/event-stream; charset=utf-8", resp.Header.Get("Content-Type"))
	r := &reader{t: t, events: make(chan event, 100), close: cancel}
	t.Cleanup(cancel)
	go func() {
		defer resp.Body.Close()
		defer close(r.events)
		var e event
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			switch line := lines.Text(); {
			case line == "" && e != event{}:
				r.events <- e
				e = event{}
			case strings.HasPrefix(line, "event: "):
				e.name = strings.TrimPrefix(line, "event: ")
			case strings.HasPrefix(line, "data: "):
				e.data = strings.TrimPrefix(line, "data: ")
			}
		}
	}()
	return r
}

// until reads on to a token event of that state and returns all that came.
func (r *reader) until(state string) []event {
	r.t.Helper()
	var seen []event
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e, open := <-r.events:
			require.True(r.t, open, "the stream ended; so far: %v", seen)
			seen = append(seen, e)
			if e.name == "token" && strings.Contains(e.data, `"state":"`+state+`"`) {
				return seen
			}
		case <-deadline:
			require.FailNow(r.t, "no token event", "of state %s; so far: %v", state, seen)
		}
	}
}

func TestTheStreamShowsTheLogoutReachECGrid(t *testing.T) {
	_, b := serveApp(t)
	stream := watch(t, b.url)
	stream.until("none")
	b.signIn()
	stream.until("alive")
	b.get("/")
	b.post("/logout", nil)
	seen := stream.until("revoked")

	var logout call
	for _, e := range seen {
		if e.name == "call" && strings.Contains(e.data, "/v2/auth/logout") {
			require.NoError(t, json.Unmarshal([]byte(e.data), &logout))
		}
	}
	assert.Equal(t, http.MethodPost, logout.Method)
	assert.Equal(t, http.StatusOK, logout.Status)
	assert.Equal(t, "bearer", logout.Kind)
	assert.WithinDuration(t, time.Now(), logout.At, time.Minute)
}

func TestAReaderWhoComesLaterSeesTheLatestCallsFirst(t *testing.T) {
	_, b := serveApp(t)
	b.signIn()
	for range maxShown {
		b.get("/")
	}
	b.post("/logout", nil)
	var shown []string
	for _, e := range watch(t, b.url).until("revoked") {
		shown = append(shown, e.name)
	}
	assert.Len(t, shown, maxShown+1)
	assert.Equal(t, maxShown, strings.Count(b.get("/").body, "<li data-id=")-1, "and the template")
}

func TestACallThatIsStillUnderWayIsShownAgainWithItsStatus(t *testing.T) {
	a, b := serveApp(t)
	b.signIn()
	a.grid.Inject(ecgridtest.Fault{Path: inboxPath, Delay: 500 * time.Millisecond})
	done := make(chan answer, 1)
	go func() { done <- b.get("/") }()
	require.Eventually(t, func() bool { return len(a.grid.Calls(inboxPath)) == 1 }, 10*time.Second, time.Millisecond)

	stream := watch(t, b.url)
	assert.Contains(t, dataOf(stream.until("alive"), inboxPath), `"status":0`)
	assert.Equal(t, http.StatusOK, (<-done).status)
	b.post("/logout", nil)
	assert.Contains(t, dataOf(stream.until("revoked"), inboxPath), `"status":200`)
}

func dataOf(events []event, path string) string {
	var all strings.Builder
	for _, e := range events {
		if strings.Contains(e.data, path) {
			all.WriteString(e.data + "\n")
		}
	}
	return all.String()
}

func TestAnExpiredTokenIsShownWithoutACall(t *testing.T) {
	a, b := serveApp(t)
	a.grid.SetTokenTTL(time.Second)
	stream := watch(t, b.url)
	// Without a session: the token of one that is in use is refreshed in time.
	login, err := http.Post(a.grid.url+"/v2/auth/login", "application/json", strings.NewReader(`{"login":"demo","password":"demo"}`))
	require.NoError(t, err)
	require.NoError(t, login.Body.Close())
	stream.until("alive")
	for _, e := range stream.until("expired") {
		assert.Equal(t, "token", e.name)
	}
}

func TestNoSecretIsEverInTheStreamOrOnAPage(t *testing.T) {
	const password, key = "canary-password-qX7", "canary-api-key-zW3-0123456789"
	a, b := serveApp(t)
	a.grid.AddUser(ecgridtest.User{ID: 77, Login: "canary", Password: password, APIKey: key})
	stream := watch(t, b.url)
	secrets := []string{password, key}
	var seen []string

	for _, form := range []url.Values{{"login": {"canary"}, "password": {password}}, {"api_key": {key}}} {
		require.Equal(t, http.StatusSeeOther, b.post("/login", form).status)
		cookies := b.cookies()
		require.Len(t, cookies, 1)
		secrets = append(secrets, cookies[0].Value)
		if c := credentialOf(t, a, cookies[0]); c.Token != "" {
			secrets = append(secrets, c.Token)
		}
		seen = append(seen, b.get("/").body)
		b.post("/logout", nil)
		seen = append(seen, b.get("/").body)
	}
	require.Len(t, secrets, 5)
	b.post("/login", url.Values{"login": {"canary"}, "password": {password + "!"}})
	b.signIn()
	for _, e := range stream.until("alive") {
		seen = append(seen, e.data)
	}

	all := strings.Join(seen, "\n")
	require.Contains(t, all, "/v2/auth/logout")
	for i, secret := range secrets {
		for _, form := range []string{
			secret, secret[:8], base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)),
		} {
			assert.NotContains(t, all, form, "secret %d", i)
		}
	}
}

// credentialOf is what a session cookie holds.
func credentialOf(t *testing.T, a *app, cookie *http.Cookie) (c ecgridsession.Credential) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.AddCookie(cookie)
	a.m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var err error
		c, err = a.m.Credential(r.Context())
		require.NoError(t, err)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return c
}

func TestASignedInReaderLearnsThatTheSessionHasEnded(t *testing.T) {
	a, b := serveApp(t)
	b.signIn()
	otherTab, visitor := watch(t, b.url, b.cookies()...), watch(t, b.url)
	otherTab.until("alive")
	b.post("/logout", nil)

	var last event
	for e := range otherTab.events {
		last = e
	}
	assert.Equal(t, event{"session-ended", "{}"}, last)
	visitor.until("revoked") // whose stream goes on
	assert.Zero(t, a.grid.LiveTokens(demo.ID))
}

func TestAReaderLearnsOfTheEndWithTheRealECGridToo(t *testing.T) {
	ecgrid := ecgridtest.NewServer(t)
	ecgrid.AddUser(demo)
	real := startProgram(t, encodedKey(1), "-addr", "localhost:0", "-upstream", ecgrid.URL)
	b := newBrowser(t, real.url).signIn()
	otherTab := watch(t, b.url, b.cookies()...)
	b.post("/logout", nil)

	var all []event
	for e := range otherTab.events {
		all = append(all, e)
	}
	assert.Equal(t, []event{{"session-ended", "{}"}}, all)
	assert.Zero(t, real.exit())
}

func TestTheStreamEndsWithItsReader(t *testing.T) {
	url, ended := serveEvents(t)
	stream := watch(t, url)
	stream.until("none")
	stream.close()
	ends(t, ended)
}

func TestAHeadRequestForTheStreamIsNotKeptOpen(t *testing.T) {
	url, ended := serveEvents(t)
	assert.Equal(t, http.StatusOK, newBrowser(t, url).do(http.MethodHead, "/events", nil).status)
	ends(t, ended)
}

// serveEvents serves the event stream alone, and tells when its first reader
// was let go.
func serveEvents(t *testing.T) (url string, ended <-chan struct{}) {
	t.Helper()
	a, _ := serveApp(t)
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		a.events(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL, done
}

func ends(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(keepAlive / 2): // later, a failed write would end it too
		require.FailNow(t, "the handler goes on without a reader")
	}
}

func TestReadersAreToldOfACallWhenItIsAnswered(t *testing.T) {
	a, b := serveApp(t)
	changed := a.grid.nextChange()
	b.signIn()
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		assert.Fail(t, "nobody was told")
	}
}
