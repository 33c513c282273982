// Package stores holds the tests of ledgers and session stores through the whole library, and their faults.
package stores
