package cookie

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCookieValues holds the search for a name, which skips what is in between,
// to taking every line apart.
func FuzzCookieValues(f *testing.F) {
	const host = "__Host-ecgrid"
	for _, seed := range []struct{ name, line, further string }{
		{host, host + "=a; b=c", ""},
		{host, "b=c;" + host + "=a ;\t" + host + "=b", host + "="},
		{host, "x" + host + "=a; =" + host + "=a; \u2000" + host + "=a", "a=" + host + "=b"},
		{host, host + host + "=a; " + host + "; " + host + "==b", " \t" + host + "=" + host + "="},
		{host, strings.Repeat(host+"=a;", 4), host + "=a"},
		{host, strings.Repeat(";", 2999), host + "=a"},
		{host, strings.Repeat(";", 2998), host + "=a"},
		{host, host + "=a" + strings.Repeat(";", 3000), ""},
		{host, host + "=" + strings.Repeat("a", 1<<20), ""},
		// Names that overlap themselves.
		{"aa", "aaa=b; aa=c;aaaa=d", "aa aa=e"},
		{"a=a", "a=a=a=a=b; a=a=c", "a=a=a=a"},
		{"a", "a=a;a=a=a;a", "aa=a; a"},
		{"", "=a; b", "="},
	} {
		f.Add(seed.name, seed.line, seed.further)
	}
	f.Fuzz(func(t *testing.T, name, line, further string) {
		if strings.ContainsAny(name, "; \t") {
			return // no pair has such a name, and no cookie either (RFC 6265, 4.1.1)
		}
		lines := []string{line, further}
		want, wantOK := valuesPairByPair(lines, name)
		got, ok := Values(nil, http.Header{"Cookie": lines}, name)
		require.Equal(t, wantOK, ok)
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	})
}

// valuesPairByPair is what a reader of RFC 6265, 4.2.1 expects.
func valuesPairByPair(lines []string, name string) (values []string, ok bool) {
	if name == "" {
		return nil, true
	}
	pairs := 0
	for _, line := range lines {
		if len(line) > 1<<20 {
			return nil, false
		}
		for _, pair := range strings.Split(line, ";") {
			if value, of := strings.CutPrefix(strings.TrimLeft(pair, " \t"), name+"="); of {
				values = append(values, strings.TrimRight(value, " \t"))
			}
			pairs++
		}
	}
	if pairs > 3000 || len(values) > 4 {
		return nil, false
	}
	return values, true
}
