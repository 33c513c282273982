package cookies

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// FuzzOpenCookie sends arbitrary Cookie lines: opening them never panics, and
// whatever opens was sealed by us and stands in the line to the letter.
func FuzzOpenCookie(f *testing.F) {
	keys := [][]byte{site.NewKey(f), site.NewKey(f)}
	m, err := ecgridsession.New(ecgridsession.Config{Keys: keys})
	require.NoError(f, err)
	cookies := site.NewCookies(f, site.Upstream, keys...)
	now := time.Now()
	// Each session has an id of its own, by which what opens is told.
	var ours []string
	for i := range byte(8) {
		ours = append(ours, cookies.Seal(liveRecord(now, func(r *record.Record) {
			r.ID = [16]byte{i}
			r.Login = strings.Repeat("x", int(i))
			r.APIKey = i%2 == 1
		})))
	}
	const name = "__Host-ecgrid="
	for i, cookie := range ours {
		// %N stands for the cookie number N, which the fuzzer cannot know.
		slot := "%" + string(rune('0'+i))
		for _, line := range []string{slot, slot + "=", slot + "A", `"` + slot + `"`, slot + "; " + name + slot, slot + "; " + name + "%0"} {
			f.Add(name + line)
		}
		f.Add(name + cookie[:len(cookie)-1])
		f.Add(slot + "; " + name + cookie[:10])
	}
	f.Add("")
	f.Add(";;=;" + name)
	f.Add(name + strings.Repeat("A", 5000))
	f.Add(strings.Repeat("a=b;", 3001) + name + "%0")
	f.Add("\u2000" + name + "%0")

	f.Fuzz(func(t *testing.T, line string) {
		for i, cookie := range ours {
			line = strings.ReplaceAll(line, "%"+string(rune('0'+i)), cookie)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{line}
		rec, opened := cookies.Open(r)
		if opened {
			found := map[string]bool{} // the same cookie twice is one
			for pair := range strings.SplitSeq(line, ";") {
				value, named := strings.CutPrefix(strings.Trim(pair, " \t"), name)
				if named && slices.Contains(ours, value) {
					found[value] = true
				}
			}
			require.Equal(t, map[string]bool{ours[rec.ID[0]]: true}, found, "what opened is not one cookie of ours to the letter")
		}
		// The whole way, past limits and ledger, to a handler and an answer.
		w := httptest.NewRecorder()
		m.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		require.Equal(t, http.StatusNotFound, w.Code)
	})
}
