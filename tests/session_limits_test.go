package tests

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// liveRecord is one that opens a bearer session of demo at now, before change.
func liveRecord(now time.Time, change func(*record.Record)) record.Record {
	r := record.Record{
		ID:        [16]byte{1, 2, 3},
		UserID:    demo.ID,
		Login:     demo.Login,
		StartedAt: now.UnixMilli(),
		SeenAt:    now.UnixMilli(),
		Credential: record.Credential{
			Token: "canary-token-kV9", IssuedAt: now.UnixMilli(), ExpiresAt: now.Add(time.Hour).UnixMilli(),
		},
	}
	change(&r)
	return r
}

func TestARecordWithTimesThatCannotBeIsAnonymous(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *site, cookie string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", sent(cookie))
		good, ok := openCookie(s.m, r)
		require.True(t, ok)
		now := time.UnixMilli(good.StartedAt)
		setNow(s.m, func() time.Time { return now })
		for name, c := range map[string]struct {
			change func(*record.Record)
			known  bool
		}{
			"now":                          {func(r *record.Record) {}, true},
			"five minutes ahead":           {func(r *record.Record) { at(r, now.Add(5*time.Minute)) }, true},
			"more than five minutes ahead": {func(r *record.Record) { at(r, now.Add(5*time.Minute+time.Millisecond)) }, false},
			"a year ahead":                 {func(r *record.Record) { at(r, now.AddDate(1, 0, 0)) }, false},
			"started at 0":                 {func(r *record.Record) { r.StartedAt = 0 }, false},
			"started and seen at 0":        {func(r *record.Record) { r.StartedAt, r.SeenAt = 0, 0 }, false},
			"started at -1":                {func(r *record.Record) { r.StartedAt = -1 }, false},
			"started before time began":    {func(r *record.Record) { r.StartedAt = math.MinInt64 }, false},
			"started after time has ended": {func(r *record.Record) { r.StartedAt, r.SeenAt = math.MaxInt64, math.MaxInt64 }, false},
			"seen before it started":       {func(r *record.Record) { r.SeenAt = r.StartedAt - 1 }, false},
			"seen before time began":       {func(r *record.Record) { r.SeenAt = math.MinInt64 }, false},
		} {
			rec := good
			c.change(&rec)
			cookie := sealRecord(s.m, rec)
			assert.Equal(t, c.known, s.known(sent(cookie)), name)
			if !c.known {
				s.refuses(sent(cookie))
			}
		}
		assert.Empty(t, s.grid.Calls("/v2/auth/logout"), "nothing was revoked")
	})
}

func at(r *record.Record, when time.Time) {
	r.StartedAt, r.SeenAt = when.UnixMilli(), when.UnixMilli()
}

func TestARecordOfAnotherFormIsAnonymous(t *testing.T) {
	s := newSite(t)
	rec := liveRecord(time.Now(), func(*record.Record) {})
	plain := rec.Append(nil)
	require.True(t, s.known(sent(sealPlain(s.m, plain))))

	for name, forged := range map[string][]byte{
		"next version":        append([]byte{plain[0] + 1}, plain[1:]...),
		"version 0":           append([]byte{0}, plain[1:]...),
		"version 255":         append([]byte{255}, plain[1:]...),
		"one trailing byte":   append(slices.Clone(plain), 0),
		"all of it twice":     append(slices.Clone(plain), plain...),
		"last byte missing":   plain[:len(plain)-1],
		"only the version":    plain[:1],
		"nothing":             {},
		"credential left out": plain[:30],
	} {
		cookie := sent(sealPlain(s.m, forged))
		assert.False(t, s.known(cookie), name)
		s.refuses(cookie)
	}
	s.logsNothing()
}

// bubble is a site without a network, in the time of a synctest bubble.
type bubble struct {
	*site
	api *ecgridtest.API
}

func newBubble(t *testing.T, changes ...func(*ecgridsession.Config)) *bubble {
	t.Helper()
	s := &site{t: t, key: randomKey(t), events: &eventLog{}, logs: &logBuffer{}, mux: http.NewServeMux()}
	b := &bubble{site: s, api: ecgridtest.NewAPI()}
	b.api.AddUser(demo)
	b.api.SetTokenTTL(24 * time.Hour) // no refresh comes into it
	cfg := ecgridsession.Config{
		Keys:          [][]byte{s.key},
		Logger:        slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug - 4})),
		OnEvent:       s.events.add,
		BaseTransport: handlerTransport{b.api},
	}
	for _, change := range changes {
		change(&cfg)
	}
	m, err := ecgridsession.New(cfg)
	require.NoError(t, err)
	s.m = m
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if session, ok := m.Session(r.Context()); ok {
			io.WriteString(w, "user "+session.Login)
			return
		}
		io.WriteString(w, "anonymous")
	})
	return b
}

// start signs demo in and gives the value of the cookie.
func (b *bubble) start(kind string) string {
	b.t.Helper()
	c := ecgridsession.Credential{APIKey: demo.APIKey}
	if kind == "bearer" {
		c = b.api.Issue(demo.ID)
		c.UserID = 0
	}
	w := httptest.NewRecorder()
	_, err := b.m.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), c)
	require.NoError(b.t, err)
	return cookieIn(b.t, w)
}

// cookieIn is the value that an answer sets the session cookie to.
func cookieIn(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	lines := w.Header()["Set-Cookie"]
	require.Len(t, lines, 1)
	value, _, _ := strings.Cut(strings.TrimPrefix(lines[0], "__Host-ecgrid="), ";")
	require.NotEmpty(t, value)
	return value
}

// inBubble runs a property in fake time for both kinds of credential.
func inBubble(t *testing.T, property func(t *testing.T, b *bubble, cookie string), changes ...func(*ecgridsession.Config)) {
	t.Helper()
	for _, kind := range []string{"bearer", "API key"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, changes...)
				property(t, b, b.start(kind))
				b.logsNothing()
				require.NoError(t, b.m.Close(context.Background()))
			})
		})
	}
}

func TestAnIdleSessionIsAnonymousAndRevokesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble, cookie string) {
		time.Sleep(30 * time.Minute)
		assert.True(t, b.known(sent(cookie)), "the limit itself is not past it")
		time.Sleep(time.Millisecond)
		b.refuses(sent(cookie))
		require.NoError(t, b.m.Close(context.Background()))
		assert.Empty(t, b.api.Calls("/v2/auth/logout"))
		assert.Empty(t, b.events.of(ecgridsession.SessionEnded))
	})
}

func TestAnIdleCookieThatIsAlsoPastTheAbsoluteLimitRevokesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble, cookie string) {
		time.Sleep(9 * time.Hour)
		b.refuses(sent(cookie))
		require.NoError(t, b.m.Close(context.Background()))
		assert.Empty(t, b.api.Calls("/v2/auth/logout"), "it may be an old copy of one in use elsewhere")
	})
}

func TestAnIdleCopyDoesNotEndTheSessionInUse(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble, copied string) {
		cookie := b.useFor(40*time.Minute, copied)
		b.refuses(sent(copied))
		assert.True(t, b.known(sent(cookie)))
	})
}

// useFor makes a request every minute, as a browser that keeps what it is sent.
func (b *bubble) useFor(d time.Duration, cookie string) string {
	b.t.Helper()
	for range d / time.Minute {
		time.Sleep(time.Minute)
		w := b.visit(click, sent(cookie))
		require.Equal(b.t, "user demo", w.Body.String())
		if len(w.Header()["Set-Cookie"]) > 0 {
			cookie = cookieIn(b.t, w)
		}
	}
	return cookie
}

func TestASessionUsedEveryMinuteEndsAtItsAbsoluteLimitAndItsTokenIsRevokedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble, cookie string) {
		cookie = b.useFor(8*time.Hour-time.Minute, cookie)
		time.Sleep(time.Minute - time.Millisecond)
		require.True(t, b.known(sent(cookie)))
		time.Sleep(time.Millisecond)
		for range 3 {
			b.refuses(sent(cookie))
		}
		synctest.Wait()
		assert.Len(t, b.api.Calls("/v2/auth/logout"), 1)
		assert.Len(t, b.events.of(ecgridsession.SessionEnded), 1)
		assert.Len(t, b.events.of(ecgridsession.RevocationDone), 1)
		assert.Zero(t, b.api.LiveTokens(demo.ID))
		assert.Empty(t, b.events.of(ecgridsession.LoggedOut), "nobody signed out")

		// The cookie is not idle yet for half an hour: it must not end twice.
		time.Sleep(29 * time.Minute)
		b.refuses(sent(cookie))
		synctest.Wait()
		assert.Len(t, b.api.Calls("/v2/auth/logout"), 1)
	})
}

func TestAnotherReplicasSlowClockNeverMovesWhatWasSeenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble, cookie string) {
		time.Sleep(10 * time.Minute)
		cookie = cookieIn(t, b.visit(click, sent(cookie)))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", sent(cookie))
		before, ok := openCookie(b.m, r)
		require.True(t, ok)

		other := randomKey(t) // another first key, so that the cookie is set anew
		slow := newReplica(t, b, [][]byte{other, b.key})
		setNow(slow, func() time.Time { return time.Now().Add(-5 * time.Minute) })
		w := httptest.NewRecorder()
		slow.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		r.Header.Set("Cookie", sent(cookieIn(t, w)))
		after, ok := openCookie(slow, r)
		require.True(t, ok)
		assert.Equal(t, before.SeenAt, after.SeenAt)
	})
}

// newReplica is another process of the same app, on the same ledger.
func newReplica(t *testing.T, b *bubble, keys [][]byte) *ecgridsession.Middleware {
	t.Helper()
	cfg := inUse(b.m)
	cfg.Keys = keys
	m, err := ecgridsession.New(cfg)
	require.NoError(t, err)
	return m
}

func TestTheLimitsAreThoseOfTheConfig(t *testing.T) {
	short := func(c *ecgridsession.Config) { c.IdleTimeout, c.Lifetime = 10*time.Second, time.Minute }
	inBubble(t, func(t *testing.T, b *bubble, cookie string) {
		session := b.session(cookie)
		assert.Equal(t, session.StartedAt.Add(time.Minute), session.EndsAt)
		time.Sleep(10*time.Second + time.Millisecond)
		b.refuses(sent(cookie))
	}, short)
	inBubble(t, func(t *testing.T, b *bubble, cookie string) {
		for range 6 {
			time.Sleep(9900 * time.Millisecond)
			cookie = cookieIn(t, b.visit(click, sent(cookie)))
		}
		time.Sleep(time.Second)
		b.refuses(sent(cookie))
	}, short)
}

// session is what the site knows of a cookie's session.
func (b *bubble) session(cookie string) (session ecgridsession.Session) {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", sent(cookie))
	b.m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var ok bool
		session, ok = b.m.Session(r.Context())
		require.True(b.t, ok)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return session
}
