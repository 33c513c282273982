package ecgridotel

import (
	"context"
	"errors"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/ecgrid-contrib/ecgridsession"
)

// The values of error.type that are neither a status nor a code of ECGrid's.
const (
	// The list is closed: error.type is an attribute of metrics, and each new
	// value a series.
	errorLedger   = "ledger"
	errorTimeout  = "timeout"
	errorCanceled = "canceled"
	errorNoAnswer = "no_answer"
	errorOther    = "_OTHER" // as OpenTelemetry's conventions name it
)

// errorAttribute is error.type, where there was an error.
func errorAttribute(err error) []attribute.KeyValue {
	if kind := errorType(err); kind != "" {
		return []attribute.KeyValue{keyErrorType.String(kind)}
	}
	return nil
}

// errorType puts an error into one of few words; "" for none. The ledger comes
// first: where it failed too, that is what left something unconfirmed.
func errorType(err error) string {
	if errors.Is(err, ecgridsession.ErrLedgerUnavailable) {
		return errorLedger
	}
	return upstreamErrorType(err)
}

// upstreamErrorType is errorType for the call to ECGrid alone, which may have
// gone well though the ledger failed.
func upstreamErrorType(err error) string {
	var upstream *ecgridsession.UpstreamError
	answered := errors.As(err, &upstream)
	switch {
	case err == nil, !answered && errors.Is(err, ecgridsession.ErrLedgerUnavailable):
		return ""
	case answered && upstream.Code != "":
		return upstream.Code // the library lets documented ones through only
	case answered && upstream.StatusCode >= 100 && upstream.StatusCode <= 599:
		return strconv.Itoa(upstream.StatusCode)
	case answered && upstream.StatusCode != 0:
		return errorOther // hundreds of numbers that mean nothing
	// Before "no answer", which it is as well: a deadline that ran out is the
	// one that Config can mend.
	case errors.Is(err, context.DeadlineExceeded):
		return errorTimeout
	case errors.Is(err, context.Canceled):
		return errorCanceled
	case answered:
		return errorNoAnswer
	default:
		return errorOther
	}
}
