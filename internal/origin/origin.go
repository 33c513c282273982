// Package origin decides which requests may carry the credential.
//
// It promises that a request for another scheme, host, port or path than the
// upstream's is refused, in any spelling. It looks at one request and sends
// nothing. It does not know the credential, sessions, or what follows a redirect.
package origin

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"
)

// ErrOther means that a request is not for the origin.
var ErrOther = errors.New("ecgridsession: request is not for the upstream origin")

// Origin is what may be sent the credential: a scheme, a host, a port, and the
// path that the API lives under.
//
// It answers the one question of the second promise: may this request carry the
// credential? A parsed and lower-cased form is compared, and never text with a
// prefix: "https://rest.ecgrid.io.evil.example" begins like the upstream, too.
// The comparison is strict where servers are lenient, since a request that is
// refused by mistake costs an error, and one that is sent by mistake a token.
type Origin struct {
	scheme, host, port string // lower-case, the port always explicit
	path               string // cleaned; "" where the API lives at the root

	// Base is the address that our own calls are built on. It is not changed.
	Base *url.URL
}

// Parse reads Config.Upstream. Its errors name the fault and never the
// value.
func Parse(raw string) (Origin, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The parser quotes its input, which may hold a password.
		return Origin{}, errors.New("is not a URL")
	}
	o := Origin{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Hostname()), port: portOf(u)}
	switch {
	case u.Host == "" || o.host == "" || u.Opaque != "":
		return Origin{}, errors.New("must be an absolute URL, such as https://rest.ecgrid.io")
	case u.User != nil:
		// It would be sent as a second Authorization, and shown wherever the
		// URL is.
		return Origin{}, errors.New("must not hold a user or a password")
	// The same name has two spellings, and which one is looked up is the
	// resolver's choice.
	case !isASCII(o.host):
		return Origin{}, errors.New("must have an ASCII host: write an international one in Punycode")
	case !isPort(o.port):
		return Origin{}, errors.New("must have a port of 1 to 65535, or none")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Origin{}, errors.New("must not have a query or a fragment")
	case o.scheme != "https" && o.scheme != "http":
		return Origin{}, errors.New("must be https")
	// Anybody on the way could read the token (RFC 6750, 5.3).
	case o.scheme == "http" && !isLoopback(o.host):
		return Origin{}, errors.New("must be https: plain http is for loopback hosts only")
	}
	o.path = cleanPath(u.Path)
	o.Base = &url.URL{Scheme: o.scheme, Host: u.Host, Path: o.path}
	return o, nil
}

// String is the canonical form: it binds cookies and ledger entries, so it must
// never change for the same upstream. After a change of it no cookie that is
// about would open any more.
func (o Origin) String() string {
	return o.scheme + "://" + o.host + ":" + o.port + o.path
}

// Admits returns why req must not carry the credential, or nil. Transport asks
// it for each request, Client for each redirect as well: a server that is
// trusted with the token is not trusted to say who else gets it.
func (o Origin) Admits(req *http.Request) error {
	u := req.URL
	switch {
	// Opaque is sent in place of the path that is checked below.
	case u == nil || u.Opaque != "" || u.User != nil:
		return fmt.Errorf("%w: not a plain URL", ErrOther)
	case !EqualFold(u.Scheme, o.scheme):
		return fmt.Errorf("%w: other scheme", ErrOther)
	// To the letter: neither an address that the name resolves to, nor the name
	// with the root's dot at its end, for which a front end may have another
	// site.
	case !EqualFold(u.Hostname(), o.host) || portOf(u) != o.port:
		return fmt.Errorf("%w: other host or port", ErrOther)
	case req.Host != "" && req.Host != u.Host && !o.isHost(req.Host):
		// The Host field decides which site a shared front end serves.
		return fmt.Errorf("%w: Request.Host names another host", ErrOther)
	// Last, since it costs the most.
	case o.path != "" && !under(o.path, u.Path):
		return fmt.Errorf("%w: outside the upstream's path", ErrOther)
	}
	return nil
}

// isHost tells whether a Host field names this origin.
func (o Origin) isHost(hostport string) bool {
	u := url.URL{Scheme: o.scheme, Host: hostport}
	return EqualFold(u.Hostname(), o.host) && portOf(&u) == o.port
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// isPort takes a port in its one spelling. A second one, such as 0443, would
// make a second origin of the same server.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

// AdmitsHostField judges a header field "Host". net/http leaves it out in this
// one spelling and sends any other over HTTP/1.
func (o Origin) AdmitsHostField(values []string) error {
	for _, value := range values {
		if !o.isHost(value) {
			return fmt.Errorf("%w: a Host header names another host", ErrOther)
		}
	}
	return nil
}

// EqualFold compares s with an ASCII string as DNS does. Without a look at the
// lengths, the long s and the Kelvin sign would pass for an s and a k.
func EqualFold(s, ascii string) bool { return len(s) == len(ascii) && strings.EqualFold(s, ascii) }

// portOf is the explicit port, or the scheme's own. Of an upstream without one
// and a call that has it, neither is another origin (RFC 6454, 4).
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if strings.EqualFold(u.Scheme, "http") {
		return "80"
	}
	return "443"
}

// under tells whether p, as a server may resolve it, stays at or below base.
// Percent-encoded dots and slashes are decoded already. Backslashes count as
// slashes, and so do semicolons, since some servers take the one so and cut a
// segment off at the other before they resolve "..". That they may be read so
// is enough: a call that ECGrid means otherwise is an error here and goes
// nowhere.
func under(base, p string) bool {
	p = cleanPath(strings.NewReplacer(`\`, "/", ";", "/").Replace(p))
	return p == base || strings.HasPrefix(p, base+"/")
}

// cleanPath resolves dot segments; the root is "".
func cleanPath(p string) string {
	if p = path.Clean("/" + p); p == "/" {
		return ""
	}
	return p
}

// isLoopback tells whether host, without a port, names this machine itself.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
