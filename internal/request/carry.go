package request

import (
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// errStore is of a Config.Store whose backend does not answer: what knows of the
// session could not be asked.
var errStore = cookie.ErrStore

// write sets the session's cookie.
func (o *Opener) write(w http.ResponseWriter, r *http.Request, rec *record.Record, fresh bool) error {
	err := o.Carrier.Write(w, r, rec, fresh)
	return err
}
