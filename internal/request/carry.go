package request

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// errStore is of a Config.Store whose backend does not answer: what knows of the
// session could not be asked.
var errStore = fmt.Errorf("%w: %w", session.ErrUnavailable, cookie.ErrStore)

// write sets the session's cookie.
func (o *Opener) write(w http.ResponseWriter, r *http.Request, rec *record.Record, fresh bool) error {
	err := o.Carrier.Write(w, r, rec, fresh)
	if errors.Is(err, cookie.ErrStore) {
		return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
	}
	return err
}
