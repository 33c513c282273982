// Command probe asks the live ECGrid service, or any other ECGrid, and prints what differs from the assumptions of
// ecgridsession. It makes one login, one refresh and one sign-out, and ends every token that it gets. It prints no secret.
//
//	ECGRID_LOGIN=… ECGRID_PASSWORD=… go run ./docs/probe
//
// docs/live-service.md says how to use it and what to do with its answer. The exit status is 0 if the library can work with
// what was found, 1 if it cannot, and 2 if the probe could not be made.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the program without its surroundings.
func run(ctx context.Context, args []string, env func(string) string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	flags.SetOutput(errs)
	base := flags.String("url", "https://rest.ecgrid.io", "the base `URL` of the service")
	field := flags.String("login-field", "login", "the `name` of the login field: login, email, username or apiKey")
	openAPI := flags.String("openapi", "", "the `path` of the published OpenAPI description, if the probe does not find it")
	if flags.Parse(args) != nil {
		return 2
	}
	target, err := parseTarget(*base)
	if err != nil {
		fmt.Fprintln(errs, "probe:", err)
		return 2
	}
	p := &probe{
		base: target, loginField: *field, openAPI: *openAPI,
		// From the environment, because other users of the machine can read the arguments of a process.
		login: env("ECGRID_LOGIN"), password: env("ECGRID_PASSWORD"), apiKey: env("ECGRID_API_KEY"),
		report: &report{out: out},
		client: &http.Client{
			Timeout: 15 * time.Second,
			// A redirect would take the credential elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	p.report.hide(p.password, p.apiKey)
	if *field == "apiKey" {
		p.report.hide(p.login) // it is a key
	}
	p.ask(ctx)
	if p.report.differs > 0 {
		fmt.Fprintf(out, "\n%d differences that the library does not take. See docs/live-service.md.\n", p.report.differs)
		return 1
	}
	fmt.Fprintln(out, "\nThe library can work with everything that was found.")
	return 0
}

// parseTarget takes https, and http for this machine alone: the password goes there.
func parseTarget(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("-url must be an address such as https://rest.ecgrid.io")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return nil, fmt.Errorf("-url must be https")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}
