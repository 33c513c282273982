package main

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

const inboxPath = "/v2/parcels/inbox-list"

func TestAUserSignsInSeesTheInboxAndSignsOutForGood(t *testing.T) {
	for name, signIn := range map[string]func(*browser) *browser{
		"with a password": (*browser).signIn,
		"with an API key": (*browser).signInByKey,
	} {
		t.Run(name, func(t *testing.T) {
			p := startProgram(t, "", "-addr", "localhost:0")
			b := signIn(newBrowser(t, p.url))
			thief := b.thief()

			inbox := b.get("/")
			assert.Equal(t, http.StatusOK, inbox.status)
			assert.Contains(t, inbox.body, "850_PO_20260114_0042.x12")
			assert.Contains(t, inbox.body, "12 parcels")
			assert.Contains(t, inbox.body, `action="/logout"`)
			assert.Contains(t, thief.get("/").body, "12 parcels")

			out := b.post("/logout", nil)
			assert.Equal(t, http.StatusSeeOther, out.status)
			assert.Equal(t, "/", out.header.Get("Location"))
			assert.Empty(t, b.cookies())

			landing := b.get("/")
			assert.Equal(t, http.StatusOK, landing.status)
			assert.NotContains(t, landing.body, "12 parcels")
			assert.Contains(t, landing.body, `href="/login"`)
			assert.Contains(t, landing.body, "POST /v2/auth/logout")

			assert.NotContains(t, thief.get("/").body, "12 parcels")
			assert.Equal(t, http.StatusUnauthorized, thief.get("/session").status)
			assert.Zero(t, p.exit(), p.output)
		})
	}
}

func TestTheLandingShowsHowToSignInOnlyWithTheFake(t *testing.T) {
	_, b := serveApp(t)
	assert.Contains(t, b.get("/").body, demo.APIKey)

	real := startProgram(t, encodedKey(1), "-addr", "localhost:0", "-upstream", "https://rest.ecgrid.io")
	landing := newBrowser(t, real.url).get("/")
	assert.Equal(t, http.StatusOK, landing.status)
	assert.NotContains(t, landing.body, demo.APIKey)
	assert.NotContains(t, landing.body, "What ECGrid sees")
	assert.Equal(t, http.StatusNoContent, newBrowser(t, real.url).get("/events").status, "nothing to tell a visitor")
	assert.Zero(t, real.exit())
}

func TestTheInboxTellsItsStatesApart(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    ecgridtest.Fault
		status   int
		says     string
		signedIn bool
	}{
		{"empty", ecgridtest.Fault{Body: `{"success":true,"data":[],"errorCode":null,"message":null}`},
			http.StatusOK, "Nothing is waiting", true},
		{"one parcel without a date", ecgridtest.Fault{Body: `{"success":true,"data":[{"fileName":"a&b.x12","created":"soon"}]}`},
			http.StatusOK, "a&amp;b.x12", true},
		{"cut connection", ecgridtest.Fault{Reset: true},
			http.StatusBadGateway, "The inbox cannot be shown right now", true},
		{"something else than JSON", ecgridtest.Fault{Body: "<html>"},
			http.StatusBadGateway, "The inbox cannot be shown right now", true},
		{"success:false", ecgridtest.Fault{Body: `{"success":false,"data":[]}`},
			http.StatusBadGateway, "The inbox cannot be shown right now", true},
		{"a good answer with a failing status", ecgridtest.Fault{Status: http.StatusInternalServerError, Body: `{"success":true,"data":[]}`},
			http.StatusBadGateway, "The inbox cannot be shown right now", true},
		{"no access", ecgridtest.Fault{Status: http.StatusForbidden},
			http.StatusBadGateway, "The inbox cannot be shown right now", true},
		{"credential refused", ecgridtest.Fault{Status: http.StatusUnauthorized},
			http.StatusUnauthorized, "Your session has ended", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := serveApp(t)
			b.signIn()
			c.fault.Path = inboxPath
			a.grid.Inject(c.fault)
			got := b.get("/")
			assert.Equal(t, c.status, got.status)
			assert.Contains(t, got.body, c.says)
			assert.Equal(t, c.signedIn, b.get("/session").status == http.StatusOK)
		})
	}
}

func TestThePageSaysWhoIsSignedInAndForHowLong(t *testing.T) {
	_, b := serveApp(t)
	byPassword := b.signIn().get("/").body
	assert.Contains(t, byPassword, "</span>demo</span>")
	assert.Regexp(t, `data-clock="tokenExpiresAt" datetime="[^"]+Z">1[45]:\d\d<`, byPassword)
	assert.Regexp(t, `data-clock="endsAt" datetime="[^"]+Z">(7:59:\d\d|8:00:00)<`, byPassword)

	byKey := b.signInByKey().get("/").body
	assert.Contains(t, byKey, "Signed in with an API key")
	assert.NotContains(t, byKey, "tokenExpiresAt")
}

func TestTheCookieIsForPlainHTTPAndStillOutOfReachOfScripts(t *testing.T) {
	_, b := serveApp(t)
	got := b.post("/login", url.Values{"login": {demo.Login}, "password": {demo.Password}})
	assert.Regexp(t, `^ecgrid-dev=[\w-]+; Path=/; HttpOnly; SameSite=Lax$`, got.header.Get("Set-Cookie"))
}

func TestEveryAnswerForbidsWhatIsNotOfThisSite(t *testing.T) {
	_, b := serveApp(t)
	b.signIn()
	for _, path := range []string{"/", "/login", "/logout", "/session", "/static/app.js", "/static/nope.js", "/nowhere"} {
		got := b.get(path)
		csp := got.header.Get("Content-Security-Policy")
		assert.Contains(t, csp, "default-src 'none'", path)
		assert.Contains(t, csp, "frame-ancestors 'none'", path)
		assert.NotContains(t, csp, "unsafe", path)
		assert.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"), path)
	}
	assert.Equal(t, "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "+
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'", b.get("/").header.Get("Content-Security-Policy"))
	assert.Equal(t, "no-store", b.get("/").header.Get("Cache-Control"))
}

func TestPagesHoldNoScriptOrStyleOfTheirOwn(t *testing.T) {
	_, b := serveApp(t)
	b.signIn()
	for _, path := range []string{"/", "/nowhere"} {
		body := b.get(path).body
		assert.NotRegexp(t, `<style|<script[^>]*>[^<]| style=| on[a-z]+=|javascript:`, body, path)
		assert.NotRegexp(t, `(src|href)="(https?:)?//`, body, path)
	}
}

func TestStaticFilesAreFetchedOnce(t *testing.T) {
	_, b := serveApp(t)
	for path, kind := range map[string]string{"/static/app.css": "text/css", "/static/app.js": "text/javascript"} {
		got := b.get(path)
		require.Equal(t, http.StatusOK, got.status, path)
		assert.Contains(t, got.header.Get("Content-Type"), kind)

		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+path, nil)
		require.NoError(t, err)
		req.Header.Set("If-None-Match", got.header.Get("ETag"))
		again, err := b.http.Do(req)
		require.NoError(t, err)
		again.Body.Close()
		assert.Equal(t, http.StatusNotModified, again.StatusCode, path)
	}
	assert.Equal(t, http.StatusNotFound, b.get("/static/").status)
	assert.Equal(t, http.StatusNotFound, b.get("/nowhere").status)
}

func TestDurationsAndSizesReadAsPeopleWriteThem(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0:00", 0: "0:00", 9 * time.Second: "0:09", 15 * time.Minute: "15:00",
		time.Hour - time.Second: "59:59", time.Hour: "1:00:00", 8*time.Hour - 1: "7:59:59",
	} {
		assert.Equal(t, want, clock(d), d)
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 2874: "2.9 kB", 5_250_000: "5.2 MB"} {
		assert.Equal(t, want, size(n))
	}
}
