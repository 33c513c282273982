package ecgrid_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

const (
	canaryToken    = "cnryTOKa7Qm2Xv9Lp4Rz8Ws1"
	canaryRefresh  = "rfshTOKb6Yn3Uc8Kd5Ht0Gj2"
	canaryKey      = "apikKEYc5Bf4Ie7Oq6Jx9Mu3"
	canaryPassword = "pswdSECd4Ng5Al6Tw7Vk8Cy4"
	canaryLogin    = "lgnnNAMe3Po6Sb5Df9Zr7Qe5"
)

var canaries = []string{canaryToken, canaryRefresh, canaryKey, canaryPassword, canaryLogin}

// forms are all the ways in which a canary could get out.
var forms = func() []string {
	var out []string
	for _, c := range canaries {
		out = append(out, c, c[:8], hex.EncodeToString([]byte(c[:8])), strings.ToUpper(hex.EncodeToString([]byte(c[:8]))))
		for shift := range 3 { // base64 depends on where in the whole the canary begins
			enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + c))
			out = append(out, enc[4:len(enc)-4])
			enc = base64.URLEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + c))
			out = append(out, enc[4:len(enc)-4])
		}
		out = append(out, fmt.Sprint([]byte(c[:8]))[1:20], fmt.Sprintf("% x", c[:8]))
	}
	return out
}()

// assertNoSecret prints v in every way there is and looks for the canaries.
func assertNoSecret(t *testing.T, v any) {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"v", "+v", "#v", "T", "t", "b", "c", "d", "o", "O", "q", "+q", "#q", "x", "X", "# x", "U", "e", "E",
		"f", "F", "g", "G", "s", "100s", "z"} {
		_, _ = fmt.Fprintf(&out, "%"+verb+"\n", v)
		_, _ = fmt.Fprintf(&out, "%"+verb+"\n", []any{v, map[string]any{"k": v}})
	}
	_, _ = fmt.Fprintln(&out, v)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Error("failed", "v", v, slog.Group("g", "v", v), slog.Any("s", []any{v}))
	}
	if b, err := json.Marshal(map[string]any{"v": v}); err == nil {
		out.Write(b)
	}
	if err, ok := v.(error); ok {
		for ; err != nil; err = errors.Unwrap(err) {
			_, _ = fmt.Fprintf(&out, "%+v %#v\n", err, err)
		}
	}
	for line := range strings.Lines(out.String()) {
		for _, n := range forms {
			if strings.Contains(line, n) {
				t.Errorf("%q got out in %.500q", n, line)
				return
			}
		}
	}
}

func TestSecretsPrintRedactedInEveryForm(t *testing.T) {
	a := ecgrid.Auth{Bearer: canaryToken, APIKey: canaryKey}
	g := ecgrid.Grant{Token: canaryToken, RefreshToken: canaryRefresh, UserID: 7, ExpiresAt: time.Now()}
	for _, v := range []any{
		a, &a, []ecgrid.Auth{a}, map[string]ecgrid.Auth{"a": a}, struct{ A ecgrid.Auth }{a}, struct{ ecgrid.Auth }{a},
		g, &g, []*ecgrid.Grant{&g}, struct{ G ecgrid.Grant }{g}, struct{ ecgrid.Grant }{g},
	} {
		assertNoSecret(t, v)
	}
	for _, v := range []interface {
		fmt.Stringer
		fmt.GoStringer
		slog.LogValuer
		json.Marshaler
	}{a, g} {
		assert.Equal(t, "[redacted]", v.String())
		assert.Equal(t, "[redacted]", v.GoString())
		assert.Equal(t, "[redacted]", v.LogValue().String())
		b, err := v.MarshalJSON()
		require.NoError(t, err)
		assert.JSONEq(t, `"[redacted]"`, string(b))
	}
	for _, m := range []func() ([]byte, error){a.MarshalText, g.MarshalText} {
		b, err := m()
		require.NoError(t, err)
		assert.Equal(t, "[redacted]", string(b))
	}
}

// everyCall makes all calls with canaries for arguments.
func everyCall(ctx context.Context, c *ecgrid.Client) map[string]error {
	token, key := ecgrid.Auth{Bearer: canaryToken}, ecgrid.Auth{APIKey: canaryKey}
	_, login := c.Login(ctx, canaryLogin, canaryPassword)
	_, refresh := c.Refresh(ctx, canaryToken, "")
	_, refresh2 := c.Refresh(ctx, canaryToken, canaryRefresh)
	_, session := c.Session(ctx, key)
	return map[string]error{
		"login": login, "refresh": refresh, "refresh by refresh token": refresh2, "session": session,
		"logout": c.Logout(ctx, token), "logout of a key": c.Logout(ctx, key), "reset": c.ResetUser(ctx, token, 7),
	}
}

func TestNoFailureHoldsASecret(t *testing.T) {
	all := strings.Join(canaries, " ")
	echo := `"` + all + ` \r\n\u001b[31m"`
	answers := map[string]string{
		"malformed status":  "HTTP/1.1 " + canaryToken + "\r\n\r\n",
		"malformed version": all + "\r\n\r\n",
		"malformed header":  "HTTP/1.1 200 OK\r\n" + canaryKey + " " + canaryToken + "\r\n\r\n",
		"malformed length":  "HTTP/1.1 200 OK\r\nContent-Length: " + canaryToken + "\r\n\r\n",
		"two lengths":       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: " + canaryKey + "\r\n\r\n",
		"malformed coding":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canaryToken + "\r\n\r\n",
		"malformed chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canaryToken + "\r\n",
		"malformed trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: " + canaryToken + "\r\n\r\n0\r\n" + canaryKey + "\r\n\r\n",
		"cut short":         "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + all,
		"redirect":          "HTTP/1.1 302 " + canaryToken + "\r\nLocation: http://" + canaryToken + ":" + canaryKey + "/\r\nContent-Length: 0\r\n\r\n",
		"switch":            "HTTP/1.1 101 " + canaryToken + "\r\nConnection: Upgrade\r\nUpgrade: " + canaryKey + "\r\n\r\n",
	}
	for name, body := range map[string]string{
		"refusal":      `{"success":false,"errorCode":` + echo + `,"message":` + echo + `,"data":{"token":` + echo + `}}`,
		"verdict":      `{"success":false,"errorCode":"InvalidSession","message":` + echo + `}`,
		"no envelope":  all,
		"bad JSON":     `{"success":` + all,
		"odd field":    `{"success":true,` + echo + `:1,"Success":` + echo + `}`,
		"bad data":     `{"success":true,"data":{"token":` + echo + `,"expiresAt":` + echo + `,"userId":` + echo + `,"login":` + echo + `}}`,
		"bad expiry":   `{"success":true,"data":{"token":"` + canaryToken + `","expiresAt":` + echo + `,"userId":7}}`,
		"same token":   `{"success":true,"data":{"token":"` + canaryToken + `","expiresAt":"` + inAnHour() + `","userId":7,"login":1}}`,
		"too large":    strings.Repeat(all, 1000),
		"message 1 MB": `{"success":false,"message":"` + strings.Repeat(canaryToken, 50000) + `"}`,
	} {
		for _, status := range []int{200, 401, 403, 503} {
			answers[fmt.Sprintf("%s with %d", name, status)] = fmt.Sprintf(
				"HTTP/1.1 %d %s\r\nRetry-After: %s\r\nX: %s\r\nSet-Cookie: a=%s\r\nContent-Length: %d\r\n\r\n%s",
				status, canaryToken, canaryKey, canaryPassword, canaryRefresh, len(body), body)
		}
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			c := startRaw(t, func(conn net.Conn) {
				readRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, answer)
			})
			failed := 0
			for _, err := range everyCall(within(t, soon), c) {
				if err != nil {
					failed++
					assertNoSecret(t, err)
				}
			}
			assert.Positive(t, failed)
		})
	}
}

// leaky is what a transport, a proxy or a dialler could fail with.
type leaky struct{ cause error }

func (leaky) Error() string   { return strings.Join(canaries, " ") }
func (l leaky) Unwrap() error { return l.cause }

func TestNoFailureOfTheTransportHoldsASecret(t *testing.T) {
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(leaky{})
	late, stop := context.WithDeadlineCause(t.Context(), time.Now().Add(-time.Hour), leaky{})
	defer stop()
	for _, ctx := range []context.Context{t.Context(), gone, late} {
		for _, cause := range []error{nil, io.EOF, context.Canceled, context.DeadlineExceeded, &net.DNSError{Err: canaryKey, Name: canaryToken}} {
			rt := roundTrip(func(*http.Request) (*http.Response, error) { return nil, leaky{cause} })
			for _, err := range everyCall(ctx, ecgrid.New(base(t, "https://rest.example"), rt, "")) {
				require.Error(t, err)
				assertNoSecret(t, err)
				var l leaky
				assert.NotErrorAs(t, err, &l)
			}
		}
	}
}

func TestNoFailureOfUnusableArgumentsHoldsThem(t *testing.T) {
	c := answering(t, 200, sessionEnded)
	assertNoSecret(t, c.Logout(t.Context(), ecgrid.Auth{Bearer: canaryToken + "\n"}))
	assertNoSecret(t, c.Logout(t.Context(), ecgrid.Auth{Bearer: canaryToken, APIKey: canaryKey}))
	u := base(t, "https://rest.example")
	u.Host = canaryToken + "\n" // net/url would quote it
	err := ecgrid.New(u, http.DefaultTransport, "").Logout(t.Context(), ecgrid.Auth{Bearer: canaryToken})
	require.Error(t, err)
	assertNoSecret(t, err)
}
