// Package refresh holds the tests of token refresh through the whole library, on one replica and several.
package refresh
