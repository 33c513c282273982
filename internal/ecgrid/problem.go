package ecgrid

import (
	"encoding/json"
	"mime"
	"unicode/utf8"
)

// isProblem reports whether an answer is problem details (RFC 9457): by its type, or by the fields that the vendor's
// samples show. No word of them is kept. They make a failed sign-in a refusal, and end no session: any gateway may write
// them.
func isProblem(contentType string, body []byte) bool {
	if !utf8.Valid(body) || !json.Valid(body) {
		return false
	}
	fields, ok := decodeObject(body, problemFields)
	// An envelope that is broken is no problem document either.
	if !ok || fields[fieldSuccess] != nil {
		return false
	}
	if media, _, err := mime.ParseMediaType(contentType); err == nil && media == problemType {
		return true
	}
	title, titleOK := decodeText(fields[fieldTitle])
	detail, detailOK := decodeText(fields[fieldDetail])
	trace, traceOK := decodeText(fields[fieldTraceID])
	return titleOK && detailOK && traceOK && title != "" && (detail != "" || trace != "")
}
