// Package localpath tells which redirect targets stay on this site.
//
// The threat is an open redirect: a link to our sign-in page whose return_to leads, after a true sign-in, to somebody
// else's copy of it (CWE-601, ASVS 5.0 V3.7). Targets are judged as they are and never repaired, because a repair
// has to foresee how the browser reads the result.
package localpath

import (
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxBytes bounds a target: a longer one would not fit the request line of many servers anyway. It also bounds what
// judging one costs: anybody can send a link with 100 KB of it.
const maxBytes = 2048

// Valid reports whether target is a path on this site only, safe to put into a Location header as it is: at most 2,048
// bytes, a path from the root, then perhaps a query and a fragment (RFC 3986, section 4.2).
//
// All of it is visible ASCII without quotes and angle brackets: browsers drop tabs and newlines (WHATWG URL, section 4.4),
// and send none of these raw. A backslash is refused outside of the query, because browsers read it as a slash. Dot
// segments are refused even if they would stay on the site. An empty segment, an encoded slash and an encoded percent sign
// are accepted where no amount of decoding or cleaning on the way can make the target begin with two slashes. The query
// may hold any encodings, because nothing in it can change the host.
func Valid(target string) bool {
	if len(target) > maxBytes || !isWritable(target) {
		return false
	}
	// The query goes unlooked at: nothing in it can move the host.
	p, fragment := split(target)
	if !isPlain(p) || strings.IndexByte(fragment, '\\') >= 0 {
		return false
	}
	if strings.IndexByte(p, '%') >= 0 && !isHarmless(p) {
		return false
	}
	// A fragment with a broken encoding is not a URL reference for net/url, which callers may parse it with. Nothing in
	// a fragment is sent to a server, and nothing in it is judged for where it leads.
	if strings.IndexByte(fragment, '%') >= 0 {
		if _, err := url.PathUnescape(fragment); err != nil {
			return false
		}
	}
	return true
}

// SamePath reports whether target's path, without query and fragment, is path's, however they spell it: percent-encodings
// are decoded, dot and empty segments cleaned, trailing slashes dropped and case ignored, since routers differ in all of
// that. It errs towards true; it is for keeping a target away from a page, not for authorizing one.
func SamePath(target, path string) bool {
	// A false yes costs a user the way back to a page; a false no could sign them out at once, or lead in a circle.
	return strings.EqualFold(normal(target), normal(path))
}

// isWritable refuses by the bytes that may be in a header and not by those that a browser is known to misread: that
// list grows. A space or a CR would end the target or the header line.
func isWritable(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x21 || c > 0x7e:
			return false
		case c == '"' || c == '<' || c == '>':
			return false
		}
	}
	return true
}

// split cuts off the query, and returns the path and the fragment. The order matters: a question mark behind the # is
// of the fragment.
func split(target string) (p, fragment string) {
	p, fragment, _ = strings.Cut(target, "#")
	p, _, _ = strings.Cut(p, "?")
	return p, fragment
}

// isPlain reports whether p starts at the root, with one slash, and has no dot segment. Two slashes at the beginning are
// another host (RFC 3986, section 4.2), and a dot segment before an empty one is what makes that of a path when it is
// resolved. A backslash counts as a slash for browsers.
func isPlain(p string) bool {
	if p == "" || p[0] != '/' || strings.HasPrefix(p, "//") || strings.IndexByte(p, '\\') >= 0 {
		return false
	}
	for rest := p[1:]; rest != ""; {
		segment, after, _ := strings.Cut(rest, "/")
		if segment == "." || segment == ".." {
			return false
		}
		rest = after
	}
	return true
}

// maxDecodings bounds how many encodings of one another are followed. People need two: a percent sign in a file name, and
// the encoding of that.
const maxDecodings = 4

// isHarmless judges the percent-encodings of the path p, for any number of decodings on the way. Each form must be as
// plain as the first.
func isHarmless(p string) bool {
	for range maxDecodings {
		decoded, err := url.PathUnescape(p)
		if err != nil || !utf8.ValidString(decoded) { // invalid UTF-8 is how an overlong slash is written
			return false
		}
		if !isPlain(decoded) || strings.ContainsFunc(decoded, unicode.IsControl) {
			return false
		}
		// A percent sign that is no encoding is the end of all decoding.
		if !holdsEncoding(decoded) {
			return true
		}
		p = decoded
	}
	return false
}

// holdsEncoding reports whether p can be decoded further, even if only in part, as lenient decoders do.
func holdsEncoding(p string) bool {
	for i := 0; i+2 < len(p); i++ {
		if p[i] == '%' && isHex(p[i+1]) && isHex(p[i+2]) {
			return true
		}
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// normal is only for SamePath. What cannot be decoded stays as it is: a target like that is refused by Valid.
func normal(target string) string {
	p, _ := split(target)
	if decoded, err := url.PathUnescape(p); err == nil {
		p = decoded
	}
	return path.Clean("/" + p)
}
