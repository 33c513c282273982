package site

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// UpstreamFault is one thing that goes wrong at ECGrid, and what must come of
// it.
type UpstreamFault struct {
	Install func(*Gateway)
	hangs   bool // until the deadline
	Logout  ecgridsession.LogoutOutcome
	SignIn  int // the status of a sign-in; 0: 503
}

// Deadlines are short where the fault lasts until then, and else as they are: on
// a busy machine an answer may take its time.
func (f UpstreamFault) Deadlines(cfg *ecgridsession.Config) {
	if f.hangs {
		cfg.LogoutTimeout, cfg.AuthTimeout = 300*time.Millisecond, 300*time.Millisecond
	}
}

// The outcomes of a sign-out that faults have.
const (
	Pending        = ecgridsession.LogoutPending
	Refused        = ecgridsession.LogoutRefused
	AlreadyInvalid = ecgridsession.LogoutAlreadyInvalid
)

// noCode is an envelope that is not ECGrid's refusal of anything in particular.
const noCode = `{"success":false,"data":null,"errorCode":null,"message":"canary-message"}`

// Answering is a fault: each call gets this answer.
func Answering(status int, text string, header ...string) func(*Gateway) {
	return func(g *Gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, text)
		})
	}
}

func code(errorCode string) string {
	return `{"success":false,"data":null,"errorCode":"` + errorCode + `","message":"canary-message"}`
}

// onTheWire answers by hand, over a connection that is then cut.
func onTheWire(bytes string, then func(net.Conn)) func(*Gateway) {
	return func(g *Gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			io.WriteString(conn, bytes)
			then(conn)
		})
	}
}

func reset(conn net.Conn) {
	conn.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
	conn.(*tls.Conn).NetConn().Close()
}

// dribble sends a byte now and again until the client leaves.
func dribble(conn net.Conn) {
	for {
		if _, err := io.WriteString(conn, " "); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func badCertificate(make func(t *testing.T) tls.Certificate) func(*Gateway) {
	return func(g *Gateway) {
		bad := make(g.t)
		g.certificate.Store(&bad)
		g.cutConnections()
	}
}

// WellDone is ECGrid's answer to a logout that worked.
const WellDone = `{"success":true,"data":null,"errorCode":"","message":"Session terminated."}`

// UpstreamFaults are the faults of hostile upstreams, by what they are.
var UpstreamFaults = map[string]UpstreamFault{
	"connection refused":      {Install: func(g *Gateway) { g.server.Listener.Close(); g.cutConnections() }, Logout: Pending},
	"name not found":          {Install: func(g *Gateway) { g.noName.Store(true); g.cutConnections() }, Logout: Pending},
	"reset before the answer": {Install: onTheWire("", reset), Logout: Pending},
	"reset amid the answer":   {Install: onTheWire("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+WellDone, reset), Logout: Pending},
	"cut amid the answer":     {Install: onTheWire("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+WellDone, func(net.Conn) {}), Logout: Pending},
	"not HTTP":                {Install: onTheWire("SSH-2.0-canary\r\n\r\n", func(net.Conn) {}), Logout: Pending},
	"certificate expired": {Install: badCertificate(func(t *testing.T) tls.Certificate {
		c, _ := issueCertificate(t, time.Now().Add(-time.Hour), "127.0.0.1")
		return c
	}), Logout: Pending},
	"certificate of another host": {Install: badCertificate(func(t *testing.T) tls.Certificate {
		c, _ := issueCertificate(t, time.Now().Add(time.Hour), "192.0.2.1")
		return c
	}), Logout: Pending},
	"certificate of an unknown authority": {Install: badCertificate(func(t *testing.T) tls.Certificate {
		c, _ := issueCertificate(t, time.Now().Add(time.Hour), "127.0.0.1")
		return c
	}), Logout: Pending},

	"never answers": {Install: func(g *Gateway) {
		g.answers(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	}, hangs: true, Logout: Pending},
	"headers, then a byte now and again": {Install: onTheWire("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+WellDone, dribble), hangs: true, Logout: Pending},
	"a header that never ends":           {Install: onTheWire("HTTP/1.1 200 OK\r\nX-Slow: ", dribble), hangs: true, Logout: Pending},

	"success false":               {Install: Answering(200, noCode), Logout: Refused},
	"success false with a code":   {Install: Answering(200, code("InvalidSession")), Logout: Refused, SignIn: 401},
	"empty":                       {Install: Answering(200, ""), Logout: Pending},
	"no content":                  {Install: Answering(204, ""), Logout: Pending},
	"accepted":                    {Install: Answering(202, WellDone), Logout: Pending},
	"HTML":                        {Install: Answering(200, "<html>Welcome to the hotel's network</html>"), Logout: Pending},
	"null":                        {Install: Answering(200, "null"), Logout: Pending},
	"an array":                    {Install: Answering(200, "["+WellDone+"]"), Logout: Pending},
	"cut short":                   {Install: Answering(200, WellDone[:len(WellDone)-1]), Logout: Pending},
	"trailing bytes":              {Install: Answering(200, WellDone+"{}"), Logout: Pending},
	"success twice":               {Install: Answering(200, `{"success":false,"success":true,"data":null}`), Logout: Pending},
	"success in two spellings":    {Install: Answering(200, `{"success":false,"Success":true,"data":null}`), Logout: Pending},
	"success in another spelling": {Install: Answering(200, `{"Success":true,"data":null}`), Logout: Pending},
	"success as text":             {Install: Answering(200, `{"success":"true","data":null}`), Logout: Pending},
	"success with an error code":  {Install: Answering(200, `{"success":true,"data":null,"errorCode":"InternalError"}`), Logout: Pending},
	"success of the word false":   {Install: Answering(200, `{"success":true,"data":false}`), Logout: Refused},

	"401 in an envelope":    {Install: unauthorized, Logout: AlreadyInvalid, SignIn: 401},
	"401 without":           {Install: Answering(401, "<html>canary-gateway</html>"), Logout: Pending},
	"401 with nothing":      {Install: Answering(401, ""), Logout: Pending},
	"403":                   {Install: Answering(403, code("AccessDenied")), Logout: Refused, SignIn: 401},
	"403 from a gateway":    {Install: Answering(403, "<html>canary-gateway</html>"), Logout: Refused},
	"404":                   {Install: Answering(404, code("ObjectNotFound")), Logout: Refused, SignIn: 401},
	"405":                   {Install: Answering(405, noCode), Logout: Refused},
	"400":                   {Install: Answering(400, code("InvalidParameter")), Logout: Refused, SignIn: 401},
	"429":                   {Install: Answering(429, code("RateLimitExceeded")), Logout: Pending},
	"429 in seconds":        {Install: Answering(429, "", "Retry-After", "30"), Logout: Pending},
	"429 with a date":       {Install: Answering(429, "", "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), Logout: Pending},
	"429 with a past date":  {Install: Answering(429, "", "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"), Logout: Pending},
	"429 with a negative":   {Install: Answering(429, "", "Retry-After", "-1"), Logout: Pending},
	"429 with 1e9":          {Install: Answering(429, "", "Retry-After", "1e9"), Logout: Pending},
	"429 with 1000000000":   {Install: Answering(429, "", "Retry-After", "1000000000"), Logout: Pending},
	"429 with 10^30":        {Install: Answering(429, "", "Retry-After", "1"+strings.Repeat("0", 30)), Logout: Pending},
	"429 with garbage":      {Install: Answering(429, "", "Retry-After", "canary-soon"), Logout: Pending},
	"500":                   {Install: Answering(500, code("InternalError")), Logout: Pending},
	"502":                   {Install: Answering(502, "<html>canary-gateway</html>"), Logout: Pending},
	"503":                   {Install: Answering(503, noCode, "Retry-After", "30"), Logout: Pending},
	"504":                   {Install: Answering(504, ""), Logout: Pending},
	"500 that says success": {Install: Answering(500, WellDone), Logout: Pending},
	"101":                   {Install: onTheWire("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"+WellDone, dribble), Logout: Refused},

	"301 to this host":    redirect(301, false),
	"302 to this host":    redirect(302, false),
	"303 to this host":    redirect(303, false),
	"307 to this host":    redirect(307, false),
	"308 to this host":    redirect(308, false),
	"301 to another host": redirect(301, true),
	"302 to another host": redirect(302, true),
	"303 to another host": redirect(303, true),
	"307 to another host": redirect(307, true),
	"308 to another host": redirect(308, true),

	"a gigabyte": {Install: func(g *Gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) { flood(w, WellDone, 1<<30) })
	}, Logout: Pending},
	"a gigabyte with its length": {Install: func(g *Gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<30))
			flood(w, WellDone, 1<<30)
		})
	}, Logout: Pending},
	"a gzip bomb": {Install: func(g *Gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb())
		})
	}, Logout: Pending},
	"10 MB of headers": {Install: onTheWire("HTTP/1.1 200 OK\r\n", func(conn net.Conn) {
		flood(conn, "X-Long: "+strings.Repeat("x", 1000)+"\r\n", 10<<20)
	}), Logout: Pending},
	"a flood of 1xx": {Install: onTheWire("", func(conn net.Conn) {
		flood(conn, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 1<<30)
	}), hangs: true, Logout: Pending},
}

func unauthorized(g *Gateway) {
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		errorCode := "InvalidSession"
		if r.Header.Get("X-Api-Key") != "" {
			errorCode = "InvalidAPIKey"
		}
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, code(errorCode))
	})
}

func redirect(status int, away bool) UpstreamFault {
	return UpstreamFault{Install: func(g *Gateway) {
		g.answers(func(w http.ResponseWriter, r *http.Request) {
			to := "/elsewhere"
			if away {
				to = g.elsewhere.URL + r.URL.Path
			}
			w.Header().Set("Location", to)
			w.WriteHeader(status)
			io.WriteString(w, WellDone)
		})
	}, Logout: Refused}
}

// flood writes text over and over, up to so many bytes or until nobody takes
// them.
func flood(w io.Writer, text string, bytes int) {
	for sent := 0; sent < bytes; sent += len(text) {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// bomb is a few KiB that a client inflates to 16 MiB.
var bomb = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	flood(zip, strings.Repeat(" ", 1<<16), 16<<20)
	zip.Close()
	return out.Bytes()
})
