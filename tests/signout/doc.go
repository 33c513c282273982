// Package signout holds the tests of sign-out through the whole library: here, everywhere, in the background and at Close.
package signout
