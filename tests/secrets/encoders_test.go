package secrets

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"expvar"
	"fmt"
	htmltemplate "html/template"
	"log"
	"log/slog"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// encoders are those of the standard library that take any value. Each returns what it wrote, even with an error.
var encoders = map[string]func(v any) (string, error){
	"gob": func(v any) (string, error) {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(v)
		return b.String(), err
	},
	"asn1": func(v any) (string, error) {
		b, err := asn1.Marshal(v)
		return string(b), err
	},
	"binary": func(v any) (string, error) {
		b, err := binary.Append(nil, binary.BigEndian, v)
		return string(b), err
	},
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
	"xml": func(v any) (string, error) {
		b, err := xml.Marshal(v)
		return string(b), err
	},
	"text/template": func(v any) (string, error) {
		var b bytes.Buffer
		err := template.Must(template.New("").Parse(`{{.}} {{print .}} {{printf "%#v %q %x" . . .}} {{html .}} {{js .}} {{urlquery .}}`)).Execute(&b, v)
		return b.String(), err
	},
	"html/template": func(v any) (string, error) {
		var b bytes.Buffer
		err := htmltemplate.Must(htmltemplate.New("").Parse(
			`<p title="{{.}}" style="a: {{.}}">{{.}}<a href="/?x={{.}}">x</a><script>var x = {{.}}; var y = "{{.}}"</script>`)).Execute(&b, v)
		return b.String(), err
	},
	"log": func(v any) (string, error) {
		var b bytes.Buffer
		log.New(&b, "", 0).Print(v)
		return b.String(), nil
	},
	"slog": func(v any) (string, error) {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("", "v", v)
		return b.String(), nil
	},
	"expvar": func(v any) (string, error) { return expvar.Func(func() any { return v }).String(), nil },
	"error":  func(v any) (string, error) { return "", fmt.Errorf("%v", v) },
}

// holders are the values in which a secret one may be. Attribute fields and map keys are encoded in their own way.
func holders[T any](v T) map[string]any {
	return map[string]any{
		"itself":       v,
		"a pointer":    &v,
		"a slice":      []T{v},
		"a map":        map[string]T{"k": v},
		"a struct":     struct{ Field T }{v},
		"a pointer in": struct{ Field *T }{&v},
		"an interface": struct{ Field any }{v},
		"an attribute": struct {
			Field T `xml:",attr"`
		}{v},
		"characters": struct {
			Field T `xml:",chardata"`
		}{v},
	}
}

func TestNoEncoderOfTheStandardLibraryShowsASecret(t *testing.T) {
	const secret = "canary-secret-0123456789-0123456"
	key := [][]byte{[]byte(secret)}
	for name, values := range map[string]map[string]any{
		"a token":         holders(ecgridsession.Credential{Token: secret, RefreshToken: secret, ExpiresAt: time.Unix(2000000000, 0), UserID: 7}),
		"a key":           holders(ecgridsession.Credential{APIKey: secret, UserID: 7}),
		"both":            holders(ecgridsession.Credential{Token: secret, APIKey: secret}),
		"a Config":        holders(ecgridsession.Config{Upstream: "https://u:" + secret + "@rest.ecgrid.io", Keys: key}),
		"a store's":       holders(ecgridsession.CookieStoreConfig{Keys: key}),
		"keys of a map":   {"": map[ecgridsession.Credential]int{{Token: secret}: 1}},
		"a value in time": {"": ecgridsession.Credential{Token: secret, ExpiresAt: time.Unix(1, 0).UTC()}},
	} {
		for holder, v := range values {
			for encoder, encode := range encoders {
				t.Run(name+" in "+holder+" by "+encoder, func(t *testing.T) {
					defer func() {
						// An encoder may panic for a type that it does not know.
						if p := recover(); p != nil {
							site.ShowsNothingOf(t, fmt.Sprint(p), []byte(secret))
						}
					}()
					gob.Register(ecgridsession.Credential{})
					gob.Register(ecgridsession.Config{})
					gob.Register(ecgridsession.CookieStoreConfig{})
					wrote, err := encode(v)
					site.ShowsNothingOf(t, wrote, []byte(secret))
					if err != nil {
						site.ShowsNothingOf(t, err.Error(), []byte(secret))
					}
				})
			}
		}
	}
}

func TestASessionCanBeEncoded(t *testing.T) {
	want := ecgridsession.Session{Ref: "r", UserID: 7, Login: "demo", StartedAt: time.Unix(1, 0).UTC()}
	var b bytes.Buffer
	assert.NoError(t, gob.NewEncoder(&b).Encode(want))
	var got ecgridsession.Session
	assert.NoError(t, gob.NewDecoder(&b).Decode(&got))
	assert.Equal(t, want, got)
}
