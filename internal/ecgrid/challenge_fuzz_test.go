package ecgrid_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

// FuzzChallenge holds that no line is a verdict that lacks the scheme, the parameter or its value.
func FuzzChallenge(f *testing.F) {
	for _, seed := range []string{
		`Bearer error="invalid_token"`, `Bearer realm="a \" b", error=invalid_token`, `Basic realm="Bearer error=invalid_token"`,
		`Negotiate abc==, Bearer error="invalid_token"`, `Bearer realm="`, `Bearer error="\`, `,,,`, `Bearer =`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		resp := &http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {line}}, Body: http.NoBody}
		if !ecgrid.Rejection(resp) {
			return
		}
		lower := strings.ToLower(strings.ReplaceAll(line, `\`, ""))
		for _, word := range []string{"bearer", "error", "invalid_token"} {
			if !strings.Contains(lower, word) {
				t.Errorf("%q is taken for a verdict", line)
			}
		}
	})
}
