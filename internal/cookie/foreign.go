package cookie

import (
	"net/http"
	"slices"
	"strings"
)

// WithoutSetting returns the header of an answer from elsewhere without the
// Set-Cookie lines that a browser would take for the cookie name. All others
// pass. The header itself is not changed: it may be shared.
func WithoutSetting(header http.Header, name string) http.Header {
	cleaned, copied := header, false
	for field, lines := range header {
		if !strings.EqualFold(field, "Set-Cookie") || !slices.ContainsFunc(lines, func(line string) bool { return sets(line, name) }) {
			continue
		}
		if !copied {
			cleaned, copied = header.Clone(), true
		}
		kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return sets(line, name) })
		if len(kept) == 0 {
			delete(cleaned, field)
		} else {
			cleaned[field] = kept
		}
	}
	return cleaned
}

// sets reports whether a browser that gets this line would send a cookie of the
// name (RFC 6265bis, 5.6): it trims the name, and without a name it sends the
// value alone, which may look like a pair.
func sets(line, name string) bool {
	pair, _, _ := strings.Cut(line, ";")
	key, value, named := strings.Cut(pair, "=")
	if !named {
		key, value = "", pair
	}
	key, value = strings.Trim(key, " \t"), strings.Trim(value, " \t")
	return key == name || key == "" && (value == name || strings.HasPrefix(value, name+"="))
}
