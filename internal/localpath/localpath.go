// Package localpath tells which redirect targets stay on this site.
//
// The threat is an open redirect: a link to our sign-in page whose return_to leads, after a true sign-in, to somebody
// else's copy of it (CWE-601, ASVS 5.0 V3.7). Targets are judged as they stand and never repaired, because whoever repairs one
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
// All of it is visible ASCII without backslash, quote and angle brackets: browsers read a backslash as a slash and drop
// tabs and newlines (WHATWG URL, section 4.4), and send none of these raw. In the path, empty and dot segments are refused
// even where they would stay on the site, and so is every percent-encoding that hides a slash, a backslash, a control
// character or another percent sign: then no amount of decoding or cleaning by anybody on the way can make the target begin
// with two slashes. The query may hold any encodings, since nothing in it can change the host.
func Valid(target string) bool {
	if len(target) > maxBytes || !isWritable(target) {
		return false
	}
	// The query goes unlooked at: nothing in it can move the host.
	p, fragment := split(target)
	if !isPlain(p) {
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
		case c == '\\' || c == '"' || c == '<' || c == '>':
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

// isPlain reports whether p starts at the root and has neither empty nor dot segments, except that it may end with a
// slash. An empty segment is one slash after another, and at the beginning of a path that is another host (RFC 3986,
// section 4.2); a dot segment is what makes one of it when it is resolved.
func isPlain(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	for rest := p[1:]; rest != ""; {
		segment, after, more := strings.Cut(rest, "/")
		if segment == "." || segment == ".." || segment == "" && more {
			return false
		}
		rest = after
	}
	return true
}

// isHarmless judges the percent-encodings of the path p. Targets are decoded once here. Whoever decodes once more finds
// nothing left: a percent sign in what was decoded is refused, so "%252f" is.
func isHarmless(p string) bool {
	decoded, err := url.PathUnescape(p)
	if err != nil || !utf8.ValidString(decoded) { // invalid UTF-8 is how an overlong slash is written
		return false
	}
	if strings.ContainsAny(decoded, `%\`) || strings.ContainsFunc(decoded, unicode.IsControl) {
		return false
	}
	// With as many slashes as before none was hidden, and the dot segments are those of the decoded form.
	return strings.Count(decoded, "/") == strings.Count(p, "/") && isPlain(decoded)
}

// normal is only for SamePath. What cannot be decoded stays as it is: a target like that is refused by Valid.
func normal(target string) string {
	p, _ := split(target)
	if decoded, err := url.PathUnescape(p); err == nil {
		p = decoded
	}
	return path.Clean("/" + p)
}
