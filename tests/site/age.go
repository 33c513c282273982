package site

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/origin"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// A server on a network has no part in a synctest bubble. What a test of one
// cannot wait for is put into the past: the cookie, and the credential in the
// ledger.

// Age puts the browser's session d into the past.
func (b *Browser) Age(d time.Duration) {
	b.T.Helper()
	u, err := url.Parse(b.Site.App.URL)
	require.NoError(b.T, err)
	value := b.Site.Aged(b.Cookie().Value, d)
	b.HTTP.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-ecgrid", Value: value, Path: "/", Secure: true}})
}

// Aged returns the cookie as it would be if its session had begun, and had been
// seen, d earlier. ECGrid keeps the time of day.
func (s *Site) Aged(cookie string, d time.Duration) string {
	s.T.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", Sent(cookie))
	rec, ok := s.Cookies().Open(r)
	require.True(s.T, ok, "no cookie of the site's")
	rec.StartedAt -= d.Milliseconds()
	rec.SeenAt -= d.Milliseconds()
	if rec.InLedger {
		s.ageEntry(rec, d)
	} else {
		age(&rec.Credential, d)
	}
	return s.Cookies().Seal(rec)
}

// ageEntry is Aged for the credential in the ledger.
func (s *Site) ageEntry(rec record.Record, d time.Duration) {
	s.T.Helper()
	bound, err := origin.Parse(s.config.Upstream)
	require.NoError(s.T, err)
	ledger, err := session.NewLedger(s.config.Ledger, s.config.Keys, bound.String(), time.Minute)
	require.NoError(s.T, err)
	keys := ledger.Keys(rec.ID, rec.UserID)
	was, err := ledger.LookEntry(context.Background(), &keys)
	require.NoError(s.T, err)
	if was.Credential.Token == "" {
		return // an API key has no age
	}
	next := was
	age(&next.Credential, d)
	_, swapped, err := ledger.SwapEntry(context.Background(), &keys, was, next, 9*time.Hour)
	require.NoError(s.T, err)
	require.True(s.T, swapped)
}

func age(c *record.Credential, d time.Duration) {
	c.IssuedAt -= d.Milliseconds()
	if c.ExpiresAt != 0 {
		c.ExpiresAt -= d.Milliseconds()
	}
}
