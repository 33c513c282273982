package record

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const canary = "canary-0123456789-secret"

// loaded returns a record with the canary wherever there is room for it.
func loaded() Record {
	r := Record{Login: canary, APIKey: true, Credential: Credential{Token: canary, RefreshToken: canary, APIKey: canary}}
	copy(r.ID[:], canary)
	return r
}

// assertNoCanary fails the test if out has the canary in it: raw, in base64 or hex, or its beginning.
func assertNoCanary(t *testing.T, out string) {
	t.Helper()
	out = strings.ToLower(out)
	for _, spelling := range []string{
		canary[:8],
		base64.StdEncoding.EncodeToString([]byte(canary))[:10],
		hex.EncodeToString([]byte(canary))[:16],
		strings.Trim(fmt.Sprint([]byte(canary[:8])), "[]"),
	} {
		assert.NotContains(t, out, strings.ToLower(spelling))
	}
}

func TestEveryVerbPrintsRedacted(t *testing.T) {
	r := loaded()
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%X", "% x", "%d", "%t", "%10v", "%U"} {
		for _, v := range []any{r, &r, r.Credential, &r.Credential, []Record{r}, map[string]Credential{"a": r.Credential},
			struct{ C Credential }{r.Credential}, struct{ C *Record }{&r}} {
			assertNoCanary(t, fmt.Sprintf(verb, v))
		}
		assert.Equal(t, redactedRecord, fmt.Sprintf(verb, r))
		assert.Equal(t, redactedCredential, fmt.Sprintf(verb, &r.Credential))
	}
	assert.Equal(t, redactedRecord, r.String())
	assert.Equal(t, redactedRecord, r.GoString())
	assert.Equal(t, redactedCredential, r.Credential.String())
	assert.Equal(t, redactedCredential, r.Credential.GoString())
}

func TestLogsShowRedacted(t *testing.T) {
	r := loaded()
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("session", "r", r, "p", &r, "c", r.Credential, "q", &r.Credential, slog.Group("g", "r", r),
			"list", []Record{r}, "holder", struct{ R Record }{r})
	}
	assertNoCanary(t, log.String())
	assert.Contains(t, log.String(), redactedRecord)
	assert.Contains(t, log.String(), redactedCredential)
}

func TestAnyLogHandlerIsGivenTheRedactedTextAlone(t *testing.T) {
	r := loaded()
	for _, v := range []any{r, &r} {
		assert.Equal(t, slog.StringValue(redactedRecord), slog.AnyValue(v).Resolve())
	}
	for _, v := range []any{r.Credential, &r.Credential} {
		assert.Equal(t, slog.StringValue(redactedCredential), slog.AnyValue(v).Resolve())
	}
}

func TestMarshallersWriteRedacted(t *testing.T) {
	r := loaded()
	for _, v := range []any{r, &r, r.Credential, &r.Credential} {
		asJSON, err := json.Marshal(map[string]any{"v": v})
		require.NoError(t, err)
		assertNoCanary(t, string(asJSON))
		assert.Contains(t, string(asJSON), "redacted")
		asXML, err := xml.Marshal(v)
		require.NoError(t, err)
		assertNoCanary(t, string(asXML))
		asText, err := v.(encoding.TextMarshaler).MarshalText()
		require.NoError(t, err)
		assertNoCanary(t, string(asText))
	}
}

func TestErrMalformedSaysNothingOfTheBytes(t *testing.T) {
	r := session(canary)
	err := Parse(append(r.Append(nil), canary...), new(Record))
	assert.Equal(t, "record: malformed", err.Error())
}
