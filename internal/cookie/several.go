package cookie

import (
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// All implements [Carrier].
func (c *cookieCarrier) All(r *http.Request) []record.Record {
	var found [MaxSameName]string
	values, _ := Values(found[:0], r.Header, c.name)
	var all []record.Record
	for _, value := range values {
		if len(c.name)+len(value) > MaxSize {
			continue
		}
		if rec, how := c.sealed.Open(value); how != Unreadable {
			all = append(all, rec)
		}
	}
	return all
}

// All implements [Carrier]. A store looks at the first cookie of a name alone,
// and Read has given what it found there.
func (c *storeCarrier) All(*http.Request) []record.Record { return nil }
