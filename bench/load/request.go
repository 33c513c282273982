package load

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The six cookies that a browser sends beside that of the session.
const (
	cookiesBefore = "theme=dark; lang=en-GB; _ga=GA1.1.1234567890.1700000000"
	cookiesAfter  = "consent=1; tz=Europe%2FBerlin; last_mailbox=100001"
)

// amongOthers is a Cookie header with that of the session in its midst; "" is no
// session.
func amongOthers(session string) string {
	if session == "" {
		return cookiesBefore + "; " + cookiesAfter
	}
	return cookiesBefore + "; " + session + "; " + cookiesAfter
}

// What Chromium says of a page and of a style sheet that it fetches, and all that
// a Go program says.
const (
	asDocument = "Upgrade-Insecure-Requests: 1\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
		"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n"
	asStyle = "Accept: text/css,*/*;q=0.1\r\n" +
		"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: style\r\n"
	asScript = "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n"
)

// get is a GET, ready to be written: as Chromium sends it, or with asScript as
// net/http's client does. cookies "" sends none.
func get(addr, path, as, cookies string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n%s", path, addr, as)
	if as != asScript {
		b.WriteString("Connection: keep-alive\r\n" +
			"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\n" +
			"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n")
	}
	if cookies != "" {
		fmt.Fprintf(&b, "Cookie: %s\r\n", cookies)
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

// postLogout is the sign-out button.
func postLogout(addr, cookies string) []byte {
	return fmt.Appendf(nil, "POST /logout HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive\r\nOrigin: http://%s\r\n%s"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\nCookie: %s\r\n\r\n", addr, addr, asDocument, cookies)
}

// signIn posts the sign-in form of an app and returns the cookie that it sets,
// as name=value.
func signIn(client *http.Client, addr, login, password string) (string, error) {
	answer, err := client.PostForm("http://"+addr+"/login", url.Values{"login": {login}, "password": {password}})
	if err != nil {
		return "", fmt.Errorf("load: sign-in: %w", err)
	}
	defer answer.Body.Close()
	cookies := answer.Cookies()
	if answer.StatusCode != http.StatusSeeOther || len(cookies) != 1 {
		return "", fmt.Errorf("load: sign-in is answered %s with %d cookies", answer.Status, len(cookies))
	}
	return cookies[0].Name + "=" + cookies[0].Value, nil
}
