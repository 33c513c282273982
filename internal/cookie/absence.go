package cookie

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

// absence knows how a store says that a row is not there. gorilla's interface has
// no error for it: many stores return that of their driver, which looks like an
// outage. An outage must sign nobody out, and a row that is gone must not be an
// outage that never ends.
//
// What the well-known drivers say is listed. Any other store is tried: a row is
// made, read, deleted and asked for again. It is safe for concurrent use.
type absence struct {
	mu      sync.Mutex
	learned bool
	said    string    // of a row that is not there; "" for no error
	tried   time.Time // when it was last to be learned
}

// absences are what drivers say of a row that is not there: database/sql, gorm,
// go-redis, redigo, gomemcache, mongo, dynastore, bolt.
var absences = []string{
	"sql: no rows in result set", "no rows in result set", "record not found", "redis: nil", "redigo: nil returned",
	"memcache: cache miss", "mongo: no documents in result", "session not found", "not found", "key not found",
}

// told reports whether err, of the session that value names, is of a cookie or a
// row and not of the backend. missing tries a row that is not there.
func (a *absence) told(found *sessions.Session, value string, err error, missing func() (said string, known bool)) bool {
	var decoding securecookie.Error
	switch {
	case errors.As(err, &decoding) && decoding.IsDecode(), errors.Is(err, os.ErrNotExist):
		return true
	// The backend's for certain. A time-out is no word on any row.
	case errors.Is(err, errPanicked), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return false
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if slices.Contains(absences, strings.ToLower(inner.Error())) {
			return true
		}
	}
	said, learned := a.learn(missing)
	return learned && said != "" && said == words(err, found, value)
}

// relearn is how long after a failed try the next one may come: an outage is not
// the time for three more calls on each request.
const relearn = time.Second

// learn finds out, once, what the store says of a row that is not there.
func (a *absence) learn(missing func() (said string, known bool)) (said string, learned bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.learned && time.Since(a.tried) >= relearn {
		a.tried = time.Now()
		a.said, a.learned = missing()
	}
	return a.said, a.learned
}

// words are the error's, without what names one row.
func words(err error, found *sessions.Session, value string) string {
	text := err.Error()
	if found != nil && found.ID != "" {
		text = strings.ReplaceAll(text, found.ID, "…")
	}
	return strings.ReplaceAll(text, value, "…")
}
