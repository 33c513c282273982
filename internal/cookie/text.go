package cookie

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/sessions"
)

// The Cookie and Set-Cookie headers, as text: what stands in them and how it is
// put there. Both carriers and CookieStore go through here, so that each rule
// about cookies stands in one place. net/http's own parser is not used for
// reading: it builds every cookie of the request, and that takes longer than to
// open ours.

const (
	// MaxSize is what browsers keep of a cookie's name and value together;
	// they drop a longer one without a word (RFC 6265bis, 5.6).
	MaxSize = 4096

	// maxLine bounds one Cookie header line that is looked through at
	// all. A browser keeps some 180 cookies of 4 KiB for a site and servers
	// take 1 MiB of headers, so only an attack is longer.
	maxLine = 1 << 20

	// maxCookies is net/http's own limit to the cookies of one request.
	maxCookies = 3000

	// MaxSameName bounds how many cookies of our name are tried: a sibling
	// domain may toss some at us, and each costs a decryption.
	MaxSameName = 4
)

// Values appends to values each value that the request's cookies have
// under name, exactly as it was sent. It gives none, and false, where there are
// too many to be honest. More than one value is for the caller to judge.
// Nothing is unquoted or decoded: a value that needs that is none of ours.
func Values(values []string, header http.Header, name string) ([]string, bool) {
	// Any "=" would match.
	if name == "" {
		return values, true // an app may ask a CookieStore for one; no cookie of it was ever set
	}
	count := 0
	for _, line := range header["Cookie"] {
		if len(line) > maxLine {
			return values[:0], false
		}
		if count += strings.Count(line, ";") + 1; count > maxCookies {
			return values[:0], false
		}
		// From one place where the name stands to the next: the other cookies
		// are many, and none of them is looked at.
		for from := 0; ; {
			at := strings.Index(line[from:], name)
			if at < 0 {
				break
			}
			before := line[:from+at]
			from += at + len(name)
			// The name may be a part of another's ("x__Host-ecgrid=") or stand
			// in a value. Case counts, as it does in a browser's store:
			// "__host-ecgrid" is another cookie.
			if !strings.HasPrefix(line[from:], "=") || !beginsPair(before) {
				continue
			}
			// All are refused and not the rest alone: whoever fills the places
			// in front would else decide which of them are seen.
			if len(values) == MaxSameName {
				return values[:0], false
			}
			// Up to the semicolon, whatever is between: no character of ours
			// needs quotes, so there is nothing to unescape and no second
			// spelling.
			value, _, _ := strings.Cut(line[from+len("="):], ";")
			from += len("=") + len(value)
			values = append(values, strings.TrimRight(value, " \t"))
		}
	}
	return values, true
}

// beginsPair tells whether a cookie's name may follow what stands before it in
// its line. RFC 6265, 4.2.1 puts one space there. Wider trimming, as of U+2000,
// would let "\u2000__Host-x" pass for "__Host-x".
func beginsPair(before string) bool {
	for before != "" && (before[len(before)-1] == ' ' || before[len(before)-1] == '\t') {
		before = before[:len(before)-1]
	}
	return before == "" || before[len(before)-1] == ';'
}

// Without returns the Cookie lines less the pairs under name; all others
// stay. It never changes lines itself. It is for requests that go on to ECGrid
// through a reverse proxy: the sealed cookie is nobody's business there, and
// who has it has the session.
func Without(lines []string, name string) []string {
	kept := make([]string, 0, len(lines))
	for _, line := range lines {
		// A line that cannot hold it stays as it came, to the byte.
		if !strings.Contains(line, name+"=") {
			kept = append(kept, line)
			continue
		}
		var others []string
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.Trim(pair, " \t")
			if pair != "" && !strings.HasPrefix(pair, name+"=") {
				others = append(others, pair)
			}
		}
		if len(others) > 0 {
			kept = append(kept, strings.Join(others, "; "))
		}
	}
	return kept
}

// Set puts cookie into the header as the last and only one of its name,
// and keeps every cache from storing the answer (ASVS 5.0, 14.3.2). It is the
// only way by which a cookie of ours gets into an answer: none is set that a
// shared cache could hand to the next user.
func Set(header http.Header, name, line string) {
	TakeBack(header, name)
	header.Add("Set-Cookie", line)
	NoStore(header)
	if !Varies(header, "Cookie") {
		header.Add("Vary", "Cookie")
	}
}

// NoStore keeps every cache from storing the answer (ASVS 5.0, 14.3.2). It puts
// no-store over the fields that speak to one cache alone, which obeys them
// rather than Cache-Control (RFC 9213, 2.1).
func NoStore(header http.Header) {
	for field := range header {
		switch {
		// nginx obeys it rather than Cache-Control. 0 is its no-store.
		case strings.EqualFold(field, "X-Accel-Expires"):
			header[field] = []string{"0"}
		case hasSuffixFold(field, "-Cache-Control"),
			strings.EqualFold(field, "Surrogate-Control"), strings.EqualFold(field, "Edge-Control"):
			header[field] = []string{"no-store"}
		// An old cache knows nothing else. Cache-Control goes as well, for
		// an app that fills the map directly may spell it otherwise.
		case strings.EqualFold(field, "Expires"), strings.EqualFold(field, "Cache-Control"):
			delete(header, field)
		}
	}
	// Not beside the app's directive: some caches would read its "public" and
	// others would not.
	header["Cache-Control"] = []string{"no-store"}
}

// hasSuffixFold is strings.HasSuffix without regard to case.
func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// TakeBack removes what was set under name so far. Cookies of the app,
// whose lines begin otherwise, are left alone
// (TestARefusalDoesNotTakeBackTheCookiesOfTheApp).
func TakeBack(header http.Header, name string) {
	lines := header["Set-Cookie"]
	if len(lines) == 0 {
		return
	}
	kept := slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, name+"=")
	})
	if len(kept) == 0 {
		header.Del("Set-Cookie")
		return
	}
	header["Set-Cookie"] = kept
}

// LastLine is the line that a browser would end up with under name, or
// "". Of several lines of one name the last counts (RFC 6265, 5.3: a cookie
// replaces an earlier one of its name, domain and path).
func LastLine(header http.Header, name string) string {
	for _, line := range slices.Backward(header["Set-Cookie"]) {
		if strings.HasPrefix(line, name+"=") {
			return line
		}
	}
	return ""
}

// Varies tells whether the Vary header names field, or everything. It saves a
// second "Cookie" in a header that the app has set already.
func Varies(header http.Header, field string) bool {
	for _, line := range header["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, field) {
				return true
			}
		}
	}
	return false
}

// Deletion is the cookie that makes a browser drop name: the attributes
// that it was set with, an empty value and no life left. Chromium ignores the
// deletion of a "__Host-" cookie that lacks one of its attributes.
func Deletion(name string, options *sessions.Options) string {
	gone := *options
	gone.MaxAge = -1
	return Line(name, "", &gone)
}

// Line writes a Set-Cookie line. MaxAge is gorilla's: 0 for the browser's
// session, negative for a deletion. It is "" where the name is not one that a
// cookie may have.
func Line(name, value string, options *sessions.Options) string {
	return (&http.Cookie{
		Name:        name,
		Value:       value,
		Path:        options.Path,
		Domain:      options.Domain,
		MaxAge:      options.MaxAge,
		Secure:      options.Secure,
		HttpOnly:    options.HttpOnly,
		SameSite:    options.SameSite,
		Partitioned: options.Partitioned,
	}).String()
}
