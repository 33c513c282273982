package ecgrid

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter is the longest wait that is believed. A token rarely lives longer, and a mistaken year must not stop retries
// for good.
const MaxRetryAfter = time.Hour

// ParseRetryAfter reads a Retry-After header (RFC 9110, section 10.2.3), given in seconds or as an HTTP date that is
// compared with now. It returns 0 for a value that is missing, malformed, negative, zero or past, and at most
// MaxRetryAfter. The answer is ECGrid's, or of whoever sits in front of it, and so nothing in it may stop this app for
// longer than it would wait by itself.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.Trim(value, " \t")
	if isDigits(value) {
		// Of digits alone the one error is that they are too many, and then the result is the largest number. It is compared
		// before it is multiplied, which could overflow.
		seconds, _ := strconv.ParseUint(value, 10, 64)
		if seconds >= uint64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	// All three formats of a date that RFC 9110, section 5.6.7 has recipients accept.
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}

// isDigits takes no sign and no space: delay-seconds has none (RFC 9110, section 10.2.3).
func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
