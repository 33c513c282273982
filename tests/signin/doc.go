// Package signin holds the tests of sign-in through the whole library: the form, its faults, and what Start takes.
package signin
