package site

import (
	"net/url"
	"slices"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Forms are what a user can sign in with.
var Forms = map[string]url.Values{
	"password": {"login": {Demo.Login}, "password": {Demo.Password}},
	"API key":  {"api_key": {Demo.APIKey}},
}

// FromOtherSites is what browsers send with a POST that a page of another site
// has made.
var FromOtherSites = map[string][]string{
	"cross-site":                      {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
	"same-site":                       {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
	"same-site, by a person":          {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1"},
	"cross-site, in a frame":          {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
	"cross-site fetch":                {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty", "Origin", "https://evil.example"},
	"a word that does not exist yet":  {"Sec-Fetch-Site", "cross-planet"},
	"an old browser":                  {"Origin", "https://evil.example"},
	"an old browser, other port":      {"Origin", "https://127.0.0.1:1"},
	"an old browser, opaque origin":   {"Origin", "null"},
	"an old browser, not an origin":   {"Origin", "%zz"},
	"cross-site with our own Origin":  {"Sec-Fetch-Site", "cross-site", "Origin", "OWN"},
	"cross-site, opaque origin":       {"Sec-Fetch-Site", "cross-site", "Origin", "null"},
	"a site beside a trusted one":     {"Sec-Fetch-Site", "same-site", "Origin", "https://www.example.com.evil.example"},
	"a trusted host by another port":  {"Sec-Fetch-Site", "same-site", "Origin", "https://www.example.com:8443"},
	"a trusted host over plain http":  {"Sec-Fetch-Site", "same-site", "Origin", "http://www.example.com"},
	"an origin that repeats ours":     {"Origin", "https://evil.example/OWN"},
	"an origin with us as its user":   {"Origin", "https://127.0.0.1@evil.example"},
	"cross-site htmx":                 {"Sec-Fetch-Site", "cross-site", "HX-Request", "true", "Origin", "https://evil.example"},
	"cross-site that asks for JSON":   {"Sec-Fetch-Site", "cross-site", "Accept", "application/json"},
	"cross-site with a foreign proxy": {"Origin", "https://evil.example", "X-Forwarded-Host", "evil.example"},
}

// TrustExample is a change that trusts one other origin.
func TrustExample(cfg *ecgridsession.Config) {
	cfg.TrustedOrigins = []string{"https://www.example.com"}
}

// WithOwnOrigin puts the site's own origin in the place of OWN.
func WithOwnOrigin(s *Site, header []string) []string {
	header = slices.Clone(header)
	for i, value := range header {
		if value == "OWN" {
			header[i] = s.App.URL
		}
	}
	return header
}
