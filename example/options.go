package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// keysVariable names the environment variable that holds the keys. A flag would
// show them to everyone who can list processes.
const keysVariable = "ECGRID_SESSION_KEYS"

// options are what flags and environment say.
type options struct {
	addr       string
	host       string // of addr, as it was given
	upstream   string // "": the fake
	tokenTTL   time.Duration
	idle       time.Duration
	tlsCert    string // "": plain http
	tlsKey     string
	keys       [][]byte
	randomKeys bool
}

func parseOptions(args []string, getenv func(string) string, usage io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("example", flag.ContinueOnError)
	flags.StringVar(&o.addr, "addr", "localhost:8080", "loopback `address` to listen on; port 0 takes a free one")
	flags.StringVar(&o.upstream, "upstream", "", "base `URL` of the real ECGrid, such as https://rest.ecgrid.io (default: a fake inside)")
	flags.DurationVar(&o.tokenTTL, "token-ttl", 15*time.Minute, "how long the fake's tokens live")
	flags.DurationVar(&o.idle, "idle-timeout", 30*time.Minute, "how long without a request ends a session")
	flags.StringVar(&o.tlsCert, "tls-cert", "", "PEM `file` of a certificate, to serve https as a real app is (default: plain http)")
	flags.StringVar(&o.tlsKey, "tls-key", "", "PEM `file` of the certificate's key")
	flags.Usage = func() {
		fmt.Fprintf(usage, "Usage of example:\n")
		flags.SetOutput(usage)
		flags.PrintDefaults()
		fmt.Fprintf(usage, "The environment variable %s holds the keys: 32 random bytes each, in base64, separated by commas.\n", keysVariable)
	}
	flags.SetOutput(io.Discard) // the caller prints the error, once
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	ttlGiven := false
	flags.Visit(func(f *flag.Flag) { ttlGiven = ttlGiven || f.Name == "token-ttl" })
	switch {
	case ttlGiven && o.upstream != "":
		return options{}, errors.New("-token-ttl is for the fake only: the real ECGrid decides for itself")
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return options{}, errors.New("-tls-cert and -tls-key go together")
	case o.tokenTTL < time.Second:
		return options{}, errors.New("-token-ttl must be a second or more")
	}
	var err error
	if o.host, err = loopbackHost(o.addr); err != nil {
		return options{}, fmt.Errorf("-addr %s: %w", o.addr, err)
	}
	o.keys, err = parseKeys(getenv(keysVariable))
	if err != nil {
		return options{}, fmt.Errorf("%s: %w", keysVariable, err)
	}
	if o.randomKeys = len(o.keys) == 0; o.randomKeys {
		key := make([]byte, 32)
		rand.Read(key) // never fails
		o.keys = [][]byte{key}
	}
	return o, nil
}

// plainHTTP tells whether the app is served without TLS.
func (o options) plainHTTP() bool { return o.tlsCert == "" }

// loopbackHost is the host of addr. It refuses one where others could reach the
// app: its user's password is known, and over plain http the cookie goes
// without Secure.
func loopbackHost(addr string) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", errors.New("not of the form host:port")
	}
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return "", err
	}
	if !resolved.IP.IsLoopback() { // without a host it is nil: every interface
		return "", errors.New("not a loopback address: the example is not fit for others to reach")
	}
	return host, nil
}

// parseKeys reads keys as the environment holds them, the sealing one first.
// That they are fit for use is New's to say. No error shows what was read.
func parseKeys(text string) ([][]byte, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var keys [][]byte
	for i, part := range strings.Split(text, ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("key %d is not base64", i+1)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// greeting is the line that tells where the app is: by the name that was asked
// for, at the port that it got.
func (o options) greeting(port int) string {
	hint := "sign in with your ECGrid account"
	if o.upstream == "" {
		hint = fmt.Sprintf("sign in as %s / %s", demo.Login, demo.Password)
	}
	scheme := "https"
	if o.plainHTTP() {
		scheme = "http"
	}
	return fmt.Sprintf("open %s://%s and %s", scheme, net.JoinHostPort(o.host, strconv.Itoa(port)), hint)
}
