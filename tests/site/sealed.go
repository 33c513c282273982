package site

import (
	"net/http"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/origin"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
)

// Cookies seals and opens session cookies as a Middleware does.
type Cookies struct {
	ring    *seal.Ring
	ad      []byte
	carrier cookie.Carrier
}

// NewCookies returns the Cookies of a Middleware for upstream with these keys.
func NewCookies(t testing.TB, upstream string, keys ...[]byte) *Cookies {
	t.Helper()
	const name = "__Host-ecgrid"
	bound, err := origin.Parse(upstream)
	require.NoError(t, err)
	sealed, err := cookie.NewSealed(keys, name, bound.String())
	require.NoError(t, err)
	ring, err := seal.NewRing(keys, "session cookie")
	require.NoError(t, err)
	return &Cookies{
		ring: ring, ad: []byte(name + "\x00" + bound.String()),
		carrier: cookie.InBrowser(sealed, name, sessions.Options{}),
	}
}

// Cookies are those of the site.
func (s *Site) Cookies() *Cookies { return NewCookies(s.T, s.config.Upstream, s.config.Keys...) }

// Seal returns the value of the cookie that carries rec.
func (c *Cookies) Seal(rec record.Record) string { return c.SealPlain(rec.Append(nil)) }

// SealPlain seals anything as a record is sealed.
func (c *Cookies) SealPlain(plain []byte) string { return c.ring.SealText(plain, c.ad) }

// Open returns the record in the cookie of a request, and false if there is
// none.
func (c *Cookies) Open(r *http.Request) (record.Record, bool) {
	rec, how := c.carrier.Read(r)
	return rec, how == cookie.Current || how == cookie.Outdated
}
