// Package web is what browsers and scripts say of themselves, and how they are
// answered: with a page, JSON, a redirect, or a header for htmx.
//
// It promises that an answer of ours is stored by no cache and framed by no
// other site, that its words are fixed and never taken from an error, and that
// its pages work without scripts. It does not know what a session is, nor why
// a handler answers as it does.
package web
