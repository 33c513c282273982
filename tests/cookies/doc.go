// Package cookies holds the tests of the session cookie through the whole library: what opens it, and when it is set.
package cookies
