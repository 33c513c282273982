// Package browser tests the example with a real browser: Debian's Chromium,
// headless, with real clicks and keys, against the example as a process of its
// own, over TLS and over http://localhost. What browsers do with cookies differs
// from what Go's cookiejar does, so only a real one proves that a sign-out works
// and that other sites cannot force one.
//
// A proxy stands between browser and app and keeps what each request said of
// itself; the fake ECGrid runs in the test. All names, such as app.example.test and
// evil.test, lead to loopback.
//
// The tests run on Linux. Without chromium they are skipped; with "chromium" in
// ECGRID_REQUIRE they fail. Some of them load a script from npm into a page:
//
//	npm ci --prefix e2e/browser
//
// Pictures of every page, in light, in dark and as wide as a phone:
//
//	go test ./e2e/browser -run Accessibility -screenshots "$PWD/shots"
package browser
