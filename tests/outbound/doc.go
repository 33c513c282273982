// Package outbound holds the tests of calls to ECGrid through the whole library: what carries a credential and what must not.
package outbound
