package ecgridsession

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/localpath"
	"github.com/ecgrid-contrib/ecgridsession/internal/origin"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
)

// Config is everything that can be said about a [Middleware]. Only Keys must be
// set; the zero value of every other field is a default that holds in
// production. New copies it, so later changes have no effect. It redacts itself
// when printed, logged or marshalled.
type Config struct {
	// Upstream is ECGrid's base URL, with a path where the API lives under one.
	// Default "https://rest.ecgrid.io". Plain http is taken for loopback hosts
	// only: anywhere else the network would read the token.
	Upstream string

	// Keys are 32 random bytes each. The first seals, all of them open.
	// Required, and the same in every replica. To rotate: add the new key last
	// everywhere, then put it first everywhere, and drop the old one when
	// Lifetime and 5 minutes have passed, as long as the ledger's entries live.
	Keys [][]byte

	// Store keeps the session, as one sealed value, in any gorilla store.
	// Default: a cookie of our own on Keys, bound to CookieName and Upstream,
	// several times faster to open. A store is used by New, Get and Save on
	// requests of our own; its cookie's value is taken over, and not the
	// attributes. A panic in it is contained. docs/stores.md has those tried.
	Store sessions.Store

	// Ledger knows what a cookie cannot: which sessions have ended. Default
	// NewMemoryLedger(), which is right for one process; replicas need one that
	// they share.
	Ledger Ledger

	// CookieName is the name of the session cookie. Default "__Host-ecgrid",
	// and "ecgrid-dev" with InsecureCookie. Without InsecureCookie it must
	// begin with "__Host-", by which browsers keep sibling domains from
	// setting it (RFC 6265bis, 4.1.3.2).
	CookieName string

	// SameSite is http.SameSiteLaxMode, the default, or
	// http.SameSiteStrictMode. With Strict a link from another site arrives
	// without the session. ASVS 5.0, 3.3.2.
	SameSite http.SameSite

	// InsecureCookie leaves out Secure and the "__Host-" prefix, for
	// development over plain http. Sign-in fails on a connection that did not
	// come in over a loopback address.
	InsecureCookie bool

	// IdleTimeout ends a session after so long without a request. Default 30
	// minutes, at least a second. ASVS 5.0, 7.3.1.
	IdleTimeout time.Duration

	// Lifetime ends a session however busy it is. Default 8 hours, at least a
	// second. ASVS 5.0, 7.3.2. Raise it and IdleTimeout in two deploys, apart by
	// the new IdleTimeout: the ledger keeps a sign-out by the limits of its day.
	Lifetime time.Duration

	// RefreshBefore is how long before its expiry a token is refreshed. Default
	// 2 minutes; never more than half of the token's life. The first request in
	// that time refreshes it. If none comes, the process that set the session's
	// cookie does so in the second half of it, until IdleTimeout has passed.
	RefreshBefore time.Duration

	// CredentialInLedger keeps bearer tokens in the ledger, not in the cookie.
	// API keys, which outlive the session, are always kept there.
	CredentialInLedger bool

	// LoginURL is where Require sends a browser that is not signed in. Default
	// "/login". A path on this site.
	LoginURL string

	// LogoutURL is where the sign-out button posts to; never a target of
	// return_to. Default "/logout". A path on this site.
	LogoutURL string

	// AfterLogin and AfterLogout are where the browser goes next. Default "/".
	// Paths on this site.
	AfterLogin, AfterLogout string

	// TrustedOrigins are further origins ("https://www.example.com") whose
	// pages may post to sign-in and sign-out. Default none: this site only.
	TrustedOrigins []string

	// LoginField is the name of the login field in the call to ECGrid, whose
	// pages disagree about it: "login", "email", "username" or "apiKey". Default
	// "login". With "apiKey" the login is an API key, and is shown nowhere.
	LoginField string

	// BaseTransport makes our own calls to ECGrid. Default: a private clone of
	// http.DefaultTransport with bounds on what is read. It must not follow
	// redirects itself.
	BaseTransport http.RoundTripper

	// AuthTimeout bounds one call to sign in or ask whose a credential is, and
	// what a request waits for the refresh of a token that has expired. While the
	// token is good, it waits a second at most. The call that refreshes has three
	// times AuthTimeout. Default 5 seconds.
	AuthTimeout time.Duration

	// LogoutTimeout bounds the call to ECGrid within the user's sign-out; what
	// is not done by then goes on in the background. Default 3 seconds.
	LogoutTimeout time.Duration

	// LedgerTimeout bounds one call of the Ledger. Default 200 milliseconds. A
	// client with timeouts of its own, as of Redis, needs longer ones for more.
	LedgerTimeout time.Duration

	// ErrorHandler answers where a handler of this package cannot do what was
	// asked. Default: a page for browsers and JSON for scripts, both without
	// detail. The headers, cookies among them, are set before it is called.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, status int, err error)

	// Logger gets what an operator needs to know. Default slog.Default() at the
	// time of New.
	Logger *slog.Logger

	// OnEvent is called synchronously for each Event, before the answer is
	// written. A panic in it is contained. It may be called concurrently. It
	// must not wait for Middleware.Close, which waits for it.
	OnEvent func(context.Context, Event)
}

// String gives the fields that name the deployment, and of the keys only how
// many there are.
func (c Config) String() string {
	upstream := "[not a URL]"
	// The URL may hold a password or a key until New has refused it.
	if u, err := url.Parse(c.Upstream); err == nil && (u.Host != "" || c.Upstream == "") {
		upstream = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	return fmt.Sprintf("ecgridsession.Config{Upstream: %q, CookieName: %q, Keys: [%d redacted]}",
		upstream, c.CookieName, len(c.Keys))
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// Format writes String for every verb.
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer] with String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler] with String, so JSON gets
// the same as a string. It returns no error.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalBinary always fails: encoding/gob would otherwise write the keys.
func (c Config) MarshalBinary() ([]byte, error) {
	return nil, errors.New("ecgridsession: a Config is not encoded")
}

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	c.Upstream = cmp.Or(c.Upstream, "https://rest.ecgrid.io")
	if c.Ledger == nil {
		c.Ledger = NewMemoryLedger()
	}
	if c.CookieName == "" {
		c.CookieName = "__Host-ecgrid"
		if c.InsecureCookie {
			c.CookieName = "ecgrid-dev"
		}
	}
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 30*time.Minute)
	c.Lifetime = cmp.Or(c.Lifetime, 8*time.Hour)
	c.RefreshBefore = cmp.Or(c.RefreshBefore, 2*time.Minute)
	c.LoginURL = cmp.Or(c.LoginURL, "/login")
	c.LogoutURL = cmp.Or(c.LogoutURL, "/logout")
	c.AfterLogin = cmp.Or(c.AfterLogin, "/")
	c.AfterLogout = cmp.Or(c.AfterLogout, "/")
	c.LoginField = cmp.Or(c.LoginField, "login")
	c.AuthTimeout = cmp.Or(c.AuthTimeout, 5*time.Second)
	c.LogoutTimeout = cmp.Or(c.LogoutTimeout, 3*time.Second)
	c.LedgerTimeout = cmp.Or(c.LedgerTimeout, 200*time.Millisecond)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// maxLimit keeps sums of limits from overflowing: a lifetime that was meant to
// be endless would be none at all.
const maxLimit = 10 * 365 * 24 * time.Hour

// check returns every fault of a Config whose defaults are filled in, and what
// it parsed on the way.
func (c Config) check() (origin.Origin, *http.CrossOriginProtection, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("ecgridsession: Config."+format, args...))
	}

	upstream, err := origin.Parse(c.Upstream)
	if err != nil {
		fault("Upstream: %w", err)
	}
	for _, err := range seal.Check(c.Keys) {
		fault("Keys: %w", err)
	}
	// One that nobody made would panic at the first sign-out, and end nothing.
	if l, ours := c.Ledger.(*MemoryLedger); ours && (l == nil || l.table == nil) {
		fault("Ledger: a MemoryLedger comes from NewMemoryLedger")
	}
	if s, ours := c.Store.(*CookieStore); ours && (s == nil || s.codec == nil) {
		fault("Store: a CookieStore comes from NewCookieStore")
	}
	if err := checkCookieName(c.CookieName, c.InsecureCookie); err != nil {
		fault("CookieName: %w", err)
	}
	if c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode {
		fault("SameSite: must be Lax or Strict")
	}
	for _, limit := range []struct {
		name         string
		value, least time.Duration
	}{
		{"IdleTimeout", c.IdleTimeout, time.Second},
		{"Lifetime", c.Lifetime, time.Second},
		{"RefreshBefore", c.RefreshBefore, time.Millisecond},
		{"AuthTimeout", c.AuthTimeout, time.Millisecond},
		{"LogoutTimeout", c.LogoutTimeout, time.Millisecond},
		{"LedgerTimeout", c.LedgerTimeout, time.Millisecond},
	} {
		switch {
		case limit.value < 0:
			fault("%s: must not be negative", limit.name)
		case limit.value < limit.least:
			fault("%s: %v is less than %v: a number without a unit counts nanoseconds", limit.name, limit.value, limit.least)
		case limit.value > maxLimit:
			fault("%s: must not be over ten years", limit.name)
		}
	}
	for _, target := range []struct{ name, value string }{
		{"LoginURL", c.LoginURL}, {"LogoutURL", c.LogoutURL},
		{"AfterLogin", c.AfterLogin}, {"AfterLogout", c.AfterLogout},
	} {
		if !localpath.Valid(target.value) {
			fault("%s: must be a path on this site, such as %q", target.name, "/login")
		}
	}
	if c.LoginField == "password" || strings.TrimSpace(c.LoginField) != c.LoginField {
		fault("LoginField: must be the name of the login field, such as %q or %q", "login", "email")
	}

	gate := http.NewCrossOriginProtection()
	for _, trusted := range c.TrustedOrigins {
		if err := gate.AddTrustedOrigin(trusted); err != nil {
			fault("TrustedOrigins: %w", err)
		}
	}
	return upstream, gate, errors.Join(faults...)
}

// checkCookieName holds a name to the token syntax of RFC 6265, 4.1.1, and to
// the prefix that its attributes deserve.
func checkCookieName(name string, insecure bool) error {
	if (&http.Cookie{Name: name, Value: "v"}).Valid() != nil {
		return errors.New("is not a cookie name")
	}
	// Browsers compare the prefix without regard to case (RFC 6265bis, 4.1.3);
	// the exact spelling leaves no browser out.
	if !insecure && !strings.HasPrefix(name, "__Host-") {
		return errors.New(`must begin with "__Host-" unless InsecureCookie is set`)
	}
	lower := strings.ToLower(name)
	if insecure && (strings.HasPrefix(lower, "__host-") || strings.HasPrefix(lower, "__secure-")) {
		return errors.New("has a prefix that browsers refuse without Secure, and InsecureCookie is set")
	}
	return nil
}

// cameOverLoopback tells whether the connection ended at a loopback address of
// this machine. Where the server does not say, as in tests with a recorder, it
// did.
func cameOverLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true
	}
	// By its text, as every kind of address has it: HTTP/3 comes in over UDP.
	// What names no IP address is a socket in the file system.
	text := local.String()
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().IsLoopback()
	}
	ip, err := netip.ParseAddr(text)
	return err != nil || ip.Unmap().IsLoopback()
}

// carrier is how the session gets to the browser and back.
func (c Config) carrier(sealed cookie.Sealed) cookie.Carrier {
	// No Domain: with one, a sibling host would get the cookie, and "__Host-"
	// forbids it (RFC 6265bis, 4.1.3.2).
	options := sessions.Options{
		Path:     "/",
		Secure:   !c.InsecureCookie, // ASVS 5.0, 3.3.1
		HttpOnly: true,              // ASVS 5.0, 3.3.4
		SameSite: c.SameSite,        // ASVS 5.0, 3.3.2
	}
	if c.Store == nil {
		return cookie.InBrowser(sealed, c.CookieName, options)
	}
	return cookie.InStore(sealed, c.Store, c.CookieName, options, c.Lifetime)
}
