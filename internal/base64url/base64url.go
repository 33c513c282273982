// Package base64url is the encoding of RFC 4648, section 5, without padding and in its one canonical spelling (section
// 3.5), for what is opened on every request.
//
// It is here for two things that encoding/base64 does not do: it refuses CR and LF, which that package skips even in its
// strict mode, so that one value has one spelling; and it takes about half the time, where encoding and decoding by that
// package would otherwise cost more than decryption. The time does depend on the characters, by way of the processor's
// cache, but those are of a ciphertext that the sender knows, or of a token that goes into a string next.
package base64url

// alphabet is that of RFC 4648, table 2.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// DecodedLen is how many bytes n characters stand for. It says nothing of whether the characters are good: of a length
// that no encoding has, such as 1 modulo 4, Decode finds out.
func DecodedLen(n int) int { return n/4*3 + n%4*3/4 }
