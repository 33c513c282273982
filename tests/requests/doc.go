// Package requests holds the tests of what Wrap and Require do to requests, and of the configuration behind them.
package requests
