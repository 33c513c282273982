package ecgrid_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestRetryAfterIsReadOrZero(t *testing.T) {
	in := func(d time.Duration) string { return noon.Add(d).Format(http.TimeFormat) }
	for value, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, "120": 2 * time.Minute, " 120\t": 2 * time.Minute, "007": 7 * time.Second,
		"3599": 3599 * time.Second, "3600": time.Hour, "3601": time.Hour, "1000000000": time.Hour,
		"9223372036854775807": time.Hour, "18446744073709551617": time.Hour, strings.Repeat("9", 5000): time.Hour,
		"": 0, " ": 0, "-1": 0, "-0": 0, "+5": 0, "1e9": 0, "5.5": 0, "5s": 0, "0x10": 0, "soon": 0, "5, 6": 0, "٣": 0, "5\n": 0,
		in(30 * time.Second): 30 * time.Second, in(-time.Second): 0, in(0): 0, in(48 * time.Hour): time.Hour,
		"Sunday, 01-Mar-26 12:01:00 GMT": time.Minute, // RFC 850
		"Sun Mar  1 12:01:00 2026":       time.Minute, // asctime
		"Mon, 01 Jan 0001 00:00:00 GMT":  0,
		"Fri, 31 Dec 9999 23:59:59 GMT":  time.Hour,
		"2026-03-01T12:01:00Z":           0,
	} {
		assert.Equal(t, want, ecgrid.ParseRetryAfter(value, noon), "%.40q", value)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "1e9", "99999999999999999999", "Sun, 01 Mar 2026 12:01:00 GMT", "x"} {
		f.Add(seed, int64(0))
	}
	f.Fuzz(func(t *testing.T, value string, unix int64) {
		d := ecgrid.ParseRetryAfter(value, time.Unix(unix, 0))
		if d < 0 || d > ecgrid.MaxRetryAfter {
			t.Fatalf("%q at %d gave %v", value, unix, d)
		}
	})
}
