// Package migrating runs the programs of docs/migrating.md, as they are before
// the move and after it, and shows what becomes of who was signed in.
package migrating
