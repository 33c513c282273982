package record

import (
	"fmt"
	"io"
	"log/slog"
)

// Neither type shows itself, and neither has a JSON form: a record in a log line is a session in a log line (ASVS 5.0,
// 16.2.5). What is to be shown of a session is the public type ecgridsession.Session.

// The methods are on the values, not on pointers, so that they apply to both.

const (
	redactedCredential = "record.Credential(redacted)"
	redactedRecord     = "record.Record(redacted)"
)

// String returns a constant.
func (Credential) String() string { return redactedCredential }

// GoString returns a constant.
func (Credential) GoString() string { return redactedCredential }

// Format writes a constant, whatever the verb.
func (Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedCredential) }

// LogValue returns a constant.
func (Credential) LogValue() slog.Value { return slog.StringValue(redactedCredential) }

// MarshalText returns a constant, and JSON uses it too. Append is what encodes.
func (Credential) MarshalText() ([]byte, error) { return []byte(redactedCredential), nil }

// String returns a constant.
func (Record) String() string { return redactedRecord }

// GoString returns a constant.
func (Record) GoString() string { return redactedRecord }

// Format writes a constant, whatever the verb.
func (Record) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedRecord) }

// LogValue returns a constant.
func (Record) LogValue() slog.Value { return slog.StringValue(redactedRecord) }

// MarshalText returns a constant, and JSON uses it too. Append is what encodes.
func (Record) MarshalText() ([]byte, error) { return []byte(redactedRecord), nil }
