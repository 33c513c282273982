package ecgrid

import (
	"net/http"
	"strings"
)

// invalidToken reports whether a challenge of the answer says that the bearer token is invalid:
// WWW-Authenticate: Bearer error="invalid_token" (RFC 6750, section 3.1). Servers send it in the place of an envelope.
// It ends sessions, so it is read strictly: only a parameter of a Bearer challenge counts, and a header that breaks the
// syntax proves nothing.
func invalidToken(header http.Header) bool {
	for name, lines := range header {
		if !strings.EqualFold(name, "WWW-Authenticate") {
			continue
		}
		for _, line := range lines {
			if challengesToken(line) {
				return true
			}
		}
	}
	return false
}

// challengesToken reads one line, which may hold several challenges (RFC 9110, section 11.6.1). The word "error" inside
// the quotes of another parameter is a part of that parameter's value.
func challengesToken(line string) bool {
	bearer, found, errors := false, false, 0
	for {
		line = strings.TrimLeft(line, " \t,")
		if line == "" {
			return found && errors == 1
		}
		name := line[:tokenLen(line)]
		if name == "" {
			return false
		}
		line = line[len(name):]
		value := strings.TrimLeft(line, " \t")
		// A name that no "=" follows is the scheme of the next challenge.
		if !strings.HasPrefix(value, "=") {
			bearer = strings.EqualFold(name, "Bearer")
			line = skipToken68(value)
			continue
		}
		text, rest, ok := parameterValue(strings.TrimLeft(value[1:], " \t"))
		if !ok {
			return false
		}
		line = rest
		// Twice it says two things.
		if bearer && strings.EqualFold(name, "error") {
			errors++
			found = text == "invalid_token"
		}
	}
}

// parameterValue reads a token or a quoted string, after which the next parameter or nothing must come.
func parameterValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		n := tokenLen(s)
		value, rest = s[:n], s[n:]
		ok = n > 0
	} else {
		var b strings.Builder
		i := 1
		for ; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' {
				if i++; i == len(s) {
					return "", "", false
				}
			}
			b.WriteByte(s[i])
		}
		if i >= len(s) {
			return "", "", false
		}
		value, rest, ok = b.String(), s[i+1:], true
	}
	rest = strings.TrimLeft(rest, " \t")
	return value, rest, ok && (rest == "" || rest[0] == ',')
}

// skipToken68 passes over the one value without a name that a scheme may have in the place of parameters, as in
// "Negotiate oYG2MIGzoAMKAQE=". It ends at a comma or with the line.
func skipToken68(s string) string {
	n := 0
	for n < len(s) && (isTokenByte(s[n]) || s[n] == '/' || s[n] == '=') {
		n++
	}
	rest := strings.TrimLeft(s[n:], " \t")
	if n > 0 && (rest == "" || rest[0] == ',') && strings.TrimRight(s[:n], "=") != "" && !strings.Contains(strings.TrimRight(s[:n], "="), "=") {
		return rest
	}
	return s
}

// tokenLen is the length of the token (RFC 9110, section 5.6.2) at the beginning of s.
func tokenLen(s string) int {
	n := 0
	for n < len(s) && isTokenByte(s[n]) {
		n++
	}
	return n
}

func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
