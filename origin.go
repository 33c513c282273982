package ecgridsession

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"
)

// origin is what may be sent the credential: a scheme, a host, a port, and the
// path that the API lives under.
type origin struct {
	scheme, host, port string // lower-case, the port always explicit
	path               string // cleaned; "" where the API lives at the root
	base               *url.URL
}

// parseOrigin reads Config.Upstream.
func parseOrigin(raw string) (origin, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The parser quotes its input, which may hold a password.
		return origin{}, errors.New("is not a URL")
	}
	o := origin{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Hostname()), port: portOf(u)}
	switch {
	case u.Host == "" || o.host == "" || u.Opaque != "":
		return origin{}, errors.New("must be an absolute URL, such as https://rest.ecgrid.io")
	case u.User != nil:
		return origin{}, errors.New("must not hold a user or a password")
	case !isASCII(o.host):
		return origin{}, errors.New("must have an ASCII host: write an international one in Punycode")
	case !isPort(o.port):
		return origin{}, errors.New("must have a port of 1 to 65535, or none")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return origin{}, errors.New("must not have a query or a fragment")
	case o.scheme != "https" && o.scheme != "http":
		return origin{}, errors.New("must be https")
	case o.scheme == "http" && !isLoopback(o.host):
		return origin{}, errors.New("must be https: plain http is for loopback hosts only")
	}
	o.path = cleanPath(u.Path)
	o.base = &url.URL{Scheme: o.scheme, Host: u.Host, Path: o.path}
	return o, nil
}

// String is the canonical form: it binds cookies and ledger entries, so it must
// never change for the same upstream.
func (o origin) String() string {
	return o.scheme + "://" + o.host + ":" + o.port + o.path
}

// admits returns why req must not carry the credential, or nil.
func (o origin) admits(req *http.Request) error {
	u := req.URL
	switch {
	case u == nil || u.Opaque != "" || u.User != nil:
		return fmt.Errorf("%w: not a plain URL", ErrOtherOrigin)
	case !equalFold(u.Scheme, o.scheme):
		return fmt.Errorf("%w: other scheme", ErrOtherOrigin)
	case !equalFold(u.Hostname(), o.host) || portOf(u) != o.port:
		return fmt.Errorf("%w: other host or port", ErrOtherOrigin)
	case req.Host != "" && req.Host != u.Host && !o.isHost(req.Host):
		// The Host field decides which site a shared front end serves.
		return fmt.Errorf("%w: Request.Host names another host", ErrOtherOrigin)
	case o.path != "" && !under(o.path, u.Path):
		return fmt.Errorf("%w: outside the upstream's path", ErrOtherOrigin)
	}
	return nil
}

// isHost tells whether a Host field names this origin.
func (o origin) isHost(hostport string) bool {
	u := url.URL{Scheme: o.scheme, Host: hostport}
	return equalFold(u.Hostname(), o.host) && portOf(&u) == o.port
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// isPort takes a port in its one spelling.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

// admitsHostField judges a header field "Host". net/http leaves it out in this one
// spelling and sends any other over HTTP/1.
func (o origin) admitsHostField(values []string) error {
	for _, value := range values {
		if !o.isHost(value) {
			return fmt.Errorf("%w: a Host header names another host", ErrOtherOrigin)
		}
	}
	return nil
}

// equalFold compares s with an ASCII string as DNS does. Without a look at the
// lengths, the long s and the Kelvin sign would pass for an s and a k.
func equalFold(s, ascii string) bool { return len(s) == len(ascii) && strings.EqualFold(s, ascii) }

// portOf is the explicit port, or the scheme's own.
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
// segment off at the other before they resolve "..".
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
