package subject

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// Names of what Outbound returns.
const (
	OurTransport    = "ecgridsession, Transport"
	OAuth2Transport = "x/oauth2 Transport"
	ByHand          = "a cloning RoundTripper, by hand"
	NoTransport     = "no credential at all"
)

// answering is the base of all: it answers at once, and keeps what it was sent.
type answering struct {
	answer   *http.Response
	attached string
}

// RoundTrip implements http.RoundTripper.
func (a *answering) RoundTrip(req *http.Request) (*http.Response, error) {
	a.attached = ""
	if lines := req.Header["Authorization"]; len(lines) == 1 {
		a.attached = lines[0]
	}
	return a.answer, nil
}

// byHand is what one writes who does not want to change the caller's request.
type byHand struct {
	base  http.RoundTripper
	token string
}

// RoundTrip implements http.RoundTripper.
func (t byHand) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+t.token)
	return t.base.RoundTrip(out)
}

// Outbound returns the subjects that attach the token to a call to ECGrid.
func Outbound(token Token) ([]Subject, error) {
	in, err := SignIn(NewKeys(1), token)
	if err != nil {
		return nil, err
	}
	// The context that an app's handler gets.
	var ctx context.Context
	in.Middleware.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx = r.Context()
	})).ServeHTTP(&writer{header: make(http.Header)}, request(Document, cookieLine(pair(in.Cookie), true)))
	if _, err := in.Middleware.Credential(ctx); err != nil {
		return nil, err
	}
	source := oauth2.ReuseTokenSource(&oauth2.Token{AccessToken: in.Token, Expiry: time.Now().Add(day)}, failingSource{})

	attached := "Bearer " + in.Token
	return []Subject{
		calling(ctx, OurTransport, attached, in.Middleware.Transport),
		calling(ctx, OAuth2Transport, attached, func(base http.RoundTripper) http.RoundTripper {
			return &oauth2.Transport{Source: source, Base: base}
		}),
		calling(ctx, ByHand, attached, func(base http.RoundTripper) http.RoundTripper {
			return byHand{base: base, token: in.Token}
		}),
		calling(ctx, NoTransport, "", func(base http.RoundTripper) http.RoundTripper { return base }),
	}, nil
}

// calling is a subject that makes a call through what on puts on the base, which
// has to attach that to it and leave the caller's request as it is.
func calling(ctx context.Context, name, attached string, on func(base http.RoundTripper) http.RoundTripper) Subject {
	return Subject{Name: name, Begin: func() Operation {
		base := &answering{answer: &http.Response{
			StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: http.NoBody,
		}}
		transport := on(base)
		call := newCall(ctx)
		return func() error {
			answer, err := transport.RoundTrip(call)
			if err != nil {
				return err
			}
			if answer.StatusCode != http.StatusOK || base.attached != attached || call.Header["Authorization"] != nil {
				return errIdle
			}
			return nil
		}
	}}
}

// newCall is an app's call to ECGrid.
func newCall(ctx context.Context) *http.Request {
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://rest.ecgrid.io/v2/parcels/inbox-list", nil)
	if err != nil {
		panic(err) // of a constant
	}
	call.Header.Set("Content-Type", "application/json")
	call.Header.Set("Accept", "application/json")
	call.Header.Set("User-Agent", "inbox/1.0")
	return call
}

// failingSource has no token: the one that is there does not expire meanwhile.
type failingSource struct{}

// Token implements oauth2.TokenSource.
func (failingSource) Token() (*oauth2.Token, error) {
	return nil, errors.New("subject: the token was to be used again")
}
