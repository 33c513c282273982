package cookies

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// liveRecord is one that opens a bearer session of demo at now, before change.
func liveRecord(now time.Time, change func(*record.Record)) record.Record {
	r := record.Record{
		ID:        [16]byte{1, 2, 3},
		UserID:    site.Demo.ID,
		Login:     site.Demo.Login,
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
	inBubble(t, func(t *testing.T, s *site.Site, cookie string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", site.Sent(cookie))
		good, ok := s.Cookies().Open(r)
		require.True(t, ok)
		now := time.UnixMilli(good.StartedAt)
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
			cookie := s.Cookies().Seal(rec)
			assert.Equal(t, c.known, s.Knows(site.Sent(cookie)), name)
			if !c.known {
				s.Refuses(site.Sent(cookie))
			}
		}
		assert.Empty(t, s.Grid.Calls("/v2/auth/logout"), "nothing was revoked")
	})
}

func at(r *record.Record, when time.Time) {
	r.StartedAt, r.SeenAt = when.UnixMilli(), when.UnixMilli()
}

func TestARecordOfAnotherFormIsAnonymous(t *testing.T) {
	s := site.New(t)
	rec := liveRecord(time.Now(), func(*record.Record) {})
	plain := rec.Append(nil)
	require.True(t, s.Knows(site.Sent(s.Cookies().SealPlain(plain))))

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
		cookie := site.Sent(s.Cookies().SealPlain(forged))
		assert.False(t, s.Knows(cookie), name)
		s.Refuses(cookie)
	}
	s.LogsNothing()
}

// inBubble runs a property in fake time for both kinds of credential.
func inBubble(t *testing.T, property func(t *testing.T, b *site.Site, cookie string), changes ...func(*ecgridsession.Config)) {
	t.Helper()
	for _, kind := range []string{"bearer", "API key"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := site.New(t, site.InProcess(), site.With(changes...))
				b.Grid.SetTokenTTL(24 * time.Hour) // no refresh comes into it
				property(t, b, b.CookieOf(kind))
				b.LogsNothing()
				require.NoError(t, b.Middleware.Close(context.Background()))
			})
		})
	}
}

func TestAnIdleSessionIsAnonymousAndRevokesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *site.Site, cookie string) {
		time.Sleep(30 * time.Minute)
		assert.True(t, b.Knows(site.Sent(cookie)), "the limit itself is not past it")
		time.Sleep(time.Millisecond)
		b.Refuses(site.Sent(cookie))
		require.NoError(t, b.Middleware.Close(context.Background()))
		assert.Empty(t, b.Grid.Calls("/v2/auth/logout"))
		assert.Empty(t, b.Events.Of(ecgridsession.SessionEnded))
	})
}

func TestAnIdleCookieThatIsAlsoPastTheAbsoluteLimitRevokesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *site.Site, cookie string) {
		time.Sleep(9 * time.Hour)
		b.Refuses(site.Sent(cookie))
		require.NoError(t, b.Middleware.Close(context.Background()))
		assert.Empty(t, b.Grid.Calls("/v2/auth/logout"), "it may be an old copy of one in use elsewhere")
	})
}

func TestAnIdleCopyDoesNotEndTheSessionInUse(t *testing.T) {
	inBubble(t, func(t *testing.T, b *site.Site, copied string) {
		cookie := useFor(b, 40*time.Minute, copied)
		b.Refuses(site.Sent(copied))
		assert.True(t, b.Knows(site.Sent(cookie)))
	})
}

// useFor makes a request every minute, as a browser that keeps what it is sent.
func useFor(b *site.Site, d time.Duration, cookie string) string {
	b.T.Helper()
	for range d / time.Minute {
		time.Sleep(time.Minute)
		w := b.Visit(site.Click, site.Sent(cookie))
		require.Equal(b.T, "user demo", w.Body.String())
		if len(w.Header()["Set-Cookie"]) > 0 {
			cookie = site.CookieIn(b.T, w)
		}
	}
	return cookie
}

func TestASessionUsedEveryMinuteEndsAtItsAbsoluteLimitAndItsTokenIsRevokedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *site.Site, cookie string) {
		cookie = useFor(b, 8*time.Hour-time.Minute, cookie)
		time.Sleep(time.Minute - time.Millisecond)
		require.True(t, b.Knows(site.Sent(cookie)))
		time.Sleep(time.Millisecond)
		for range 3 {
			b.Refuses(site.Sent(cookie))
		}
		synctest.Wait()
		assert.Len(t, b.Grid.Calls("/v2/auth/logout"), 1)
		assert.Len(t, b.Events.Of(ecgridsession.SessionEnded), 1)
		assert.Len(t, b.Events.Of(ecgridsession.RevocationDone), 1)
		assert.Zero(t, b.Grid.LiveTokens(site.Demo.ID))
		assert.Empty(t, b.Events.Of(ecgridsession.LoggedOut), "nobody signed out")

		// The cookie is not idle yet for half an hour: it must not end twice.
		time.Sleep(29 * time.Minute)
		b.Refuses(site.Sent(cookie))
		synctest.Wait()
		assert.Len(t, b.Grid.Calls("/v2/auth/logout"), 1)
	})
}

func TestAnotherReplicasSlowClockNeverMovesWhatWasSeenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, b *site.Site, cookie string) {
		time.Sleep(10 * time.Minute)
		cookie = site.CookieIn(t, b.Visit(site.Click, site.Sent(cookie)))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", site.Sent(cookie))
		before, ok := b.Cookies().Open(r)
		require.True(t, ok)

		other := site.NewKey(t) // another first key, so that the cookie is set anew
		slow := b.Replica(func(cfg *ecgridsession.Config) { cfg.Keys = [][]byte{other, b.Key} }).AheadBy(-5 * time.Minute)
		w := httptest.NewRecorder()
		slow.Middleware.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		r.Header.Set("Cookie", site.Sent(site.CookieIn(t, w)))
		after, ok := site.NewCookies(t, b.Grid.URL, other, b.Key).Open(r)
		require.True(t, ok)
		assert.Equal(t, before.SeenAt, after.SeenAt)
	})
}

func TestTheLimitsAreThoseOfTheConfig(t *testing.T) {
	short := func(c *ecgridsession.Config) { c.IdleTimeout, c.Lifetime = 10*time.Second, time.Minute }
	inBubble(t, func(t *testing.T, b *site.Site, cookie string) {
		session := sessionOf(b, cookie)
		assert.Equal(t, session.StartedAt.Add(time.Minute), session.EndsAt)
		time.Sleep(10*time.Second + time.Millisecond)
		b.Refuses(site.Sent(cookie))
	}, short)
	inBubble(t, func(t *testing.T, b *site.Site, cookie string) {
		for range 6 {
			time.Sleep(9900 * time.Millisecond)
			cookie = site.CookieIn(t, b.Visit(site.Click, site.Sent(cookie)))
		}
		time.Sleep(time.Second)
		b.Refuses(site.Sent(cookie))
	}, short)
}

// sessionOf is what the site knows of a cookie's session.
func sessionOf(b *site.Site, cookie string) (session ecgridsession.Session) {
	b.T.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", site.Sent(cookie))
	b.Middleware.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var ok bool
		session, ok = b.Middleware.Session(r.Context())
		require.True(b.T, ok)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return session
}
