package subject

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	mathrand "math/rand/v2"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Names of what Ledger returns.
const (
	LoadEnded   = "Load of a request's two keys, one of which has an entry"
	LoadNothing = "Load of a request's two keys, neither of which has one"
	LoadOne     = "Load of one key that has an entry"
)

// asked is how many of the keys are asked for: more entries than the caches of a
// processor hold.
const asked = 1 << 16

// Ledger returns the subjects that look keys up in a MemoryLedger with so many
// entries.
func Ledger(entries int) ([]Subject, error) {
	ledger := ecgridsession.NewMemoryLedger()
	value := make([]byte, 45) // as long as that of a session that has ended
	var ended []string
	for i := range entries {
		key := ledgerKey('s')
		if i%max(1, entries/asked) == 0 {
			ended = append(ended, key) // spread over the whole
		}
		swapped, err := ledger.CompareAndSwap(context.Background(), key, nil, value, day)
		if err != nil {
			return nil, err
		}
		if !swapped {
			return nil, errors.New("subject: two keys of 16 random bytes are equal")
		}
	}
	looking := func(name string, keys [][2]string, each, found int) Subject {
		return Subject{Name: name, Begin: func() Operation {
			next := mathrand.IntN(len(keys))
			return func() error {
				both := &keys[next]
				if next++; next == len(keys) {
					next = 0
				}
				values, err := ledger.Load(context.Background(), both[:each]...)
				if err != nil {
					return err
				}
				if len(values) != each || len(values[0]) != found {
					return errIdle
				}
				return nil
			}
		}}
	}
	return []Subject{
		looking(LoadEnded, requestKeys(len(ended), func(i int) string { return ended[i] }), 2, len(value)),
		looking(LoadNothing, requestKeys(len(ended), func(int) string { return ledgerKey('s') }), 2, 0),
		looking(LoadOne, requestKeys(len(ended), func(i int) string { return ended[i] }), 1, len(value)),
	}, nil
}

// requestKeys are the two keys of each of n requests. They lie one after the
// other in memory, which the processor reads ahead: a request has computed its
// keys just before it asks for them, and does not fetch them from afar.
func requestKeys(n int, session func(int) string) [][2]string {
	var text strings.Builder
	for i := range n {
		text.WriteString(session(i))
		text.WriteString(ledgerKey('u'))
	}
	all, keys := text.String(), make([][2]string, n)
	for i := range keys {
		both := all[2*i*keyLen : 2*(i+1)*keyLen]
		keys[i] = [2]string{both[:keyLen], both[keyLen:]}
	}
	return keys
}

// keyLen is the length of the middleware's keys, which are hashes.
const keyLen = 1 + 22

func ledgerKey(kind byte) string {
	var hash [16]byte
	rand.Read(hash[:]) // never fails
	return string(kind) + base64.RawURLEncoding.EncodeToString(hash[:])
}
