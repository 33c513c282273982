package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession"
)

// What is stored and compared, one caller at a time. Each clause is simple, and
// each of them is broken by something that a real backend does by default: a
// collation, a type of column, an upsert, an encoding. What it would cost is
// said beside each.

// absentIsNil: nil says that there is no entry, by which a session counts as
// never ended. An empty value in its place would be an entry that cannot be
// read, and sign everybody out. Another's entry must not show either.
func absentIsNil(l ecgridsession.Ledger) error {
	key := newKey()
	return errors.Join(
		holds(l, key, nil),
		// In between, so that a ledger which mixes up keys has something to
		// show.
		swaps(l, newKey(), nil, []byte("another's"), ttl),
		holds(l, key, nil),
	)
}

// inOrder: the middleware asks for a session's entry and its user's number at
// once, and takes the one for the other where they change places. Absent keys
// have their place, too. A backend has a command for several keys at once, and
// such commands sort, join or leave out.
func inOrder(l ecgridsession.Ledger) error {
	const n = 9
	var keys []string
	var want [][]byte
	for i := range n {
		key, value := newKey(), []byte(nil)
		// Every third is absent, and neither the first nor the last: the gaps
		// show who closes up.
		if i%3 != 1 {
			value = fmt.Appendf(nil, "value %d", i)
			if err := swaps(l, key, nil, value, ttl); err != nil {
				return err
			}
		}
		keys, want = append(keys, key), append(want, value)
	}
	// The same key twice is still one value for each.
	keys, want = append(keys, keys[0], keys[1]), append(want, want[0], want[1])
	// None, which is no reason for an error; one and two, as the middleware
	// asks; and more.
	for _, count := range []int{0, 1, 2, n, len(keys)} {
		ctx, cancel := soon()
		got, err := l.Load(ctx, keys[:count]...)
		cancel()
		if err != nil {
			return fmt.Errorf("a Load of %d keys: %w", count, err)
		}
		if len(got) != count {
			return fmt.Errorf("a Load of %d keys gives %d values", count, len(got))
		}
		for i := range got {
			if (got[i] == nil) != (want[i] == nil) || !bytes.Equal(got[i], want[i]) {
				return fmt.Errorf("a Load of %d keys gives %s at %d, want %s", count, show(got[i]), i, show(want[i]))
			}
		}
	}
	return nil
}

// keysApart: keys are base64url, so case and "-" and "_" count. Two that are
// one to the backend are two users with one session entry. Prefixes of each
// other and keys of over 200 bytes are among them, as a prefix of the app's
// makes of short ones.
func keysApart(l ecgridsession.Ledger) error {
	key := newKey()[:20]
	alike := []string{
		key + "abc", key + "abd", key + "ab", key + "abcd", key + "ABC", key + "Abc",
		key + "a-c", key + "a_c", "u" + key[1:] + "abc",
		key + "ab" + strings.Repeat("x", 200), key + "ab" + strings.Repeat("x", 199) + "y",
	}
	var faults []error
	for i, key := range alike {
		// All are written before the first is read: one that falls together
		// with another is refused here, or has the other's value below.
		faults = append(faults, swaps(l, key, nil, []byte{byte(i)}, ttl))
	}
	for i, key := range alike {
		faults = append(faults, holds(l, key, []byte{byte(i)}))
	}
	return errors.Join(faults...)
}

// nilIsAbsent: a nil old creates and never replaces, and any other old replaces
// and never creates. The first refresh of a session claims by it, on each
// replica, and one may win.
func nilIsAbsent(l ecgridsession.Ledger) error {
	key := newKey()
	return errors.Join(
		// What nobody has stored is no value that could be replaced.
		refuses(l, key, []byte("expected"), []byte("next"), ttl),
		holds(l, key, nil),
		// A swap that was refused has stored nothing.
		swaps(l, key, nil, []byte("first"), ttl),
		holds(l, key, []byte("first")),
		refuses(l, key, nil, []byte("second"), ttl),
		holds(l, key, []byte("first")),
	)
}

// onlyPresent: the comparison is of all bytes and of nothing but bytes. Sealed
// values are as long as each other and differ anywhere.
func onlyPresent(l ecgridsession.Ledger) error {
	key := newKey()
	present := []byte("the present value")
	faults := []error{swaps(l, key, nil, present, ttl)}
	for _, other := range [][]byte{
		// Shorter, longer, in other case, with other bytes at either end; and
		// of the same length, empty, and NUL.
		[]byte("the present valu"), []byte("the present value "), []byte("the present value\x00"),
		[]byte("The present value"), []byte("the present valuf"), []byte("\x00he present value"),
		bytes.Repeat([]byte("x"), len(present)), {}, {0},
	} {
		faults = append(faults, refuses(l, key, other, []byte("next"), ttl), holds(l, key, present))
	}
	// The right one still fits after all those refusals.
	return errors.Join(append(faults,
		swaps(l, key, present, []byte("next"), ttl),
		holds(l, key, []byte("next")),
		// What was present once is no better than what never was.
		refuses(l, key, present, []byte("too late"), ttl),
		holds(l, key, []byte("next")),
	)...)
}

// emptyIsPresent: the middleware writes no empty value, but whoever writes one
// into its backend must not so revive a session: it counts as unreadable, and
// so as ended, only while it is not nil.
func emptyIsPresent(l ecgridsession.Ledger) error {
	key := newKey()
	return errors.Join(
		// Either way round: an empty old does not fit an absent value, and nil
		// does not fit an empty one.
		refuses(l, key, []byte{}, []byte("next"), ttl),
		holds(l, key, nil),
		swaps(l, key, nil, []byte{}, ttl),
		holds(l, key, []byte{}),
		refuses(l, key, nil, []byte("next"), ttl),
		holds(l, key, []byte{}),
		swaps(l, key, []byte{}, []byte("next"), ttl),
		holds(l, key, []byte("next")),
		swaps(l, key, []byte("next"), []byte{}, ttl),
		holds(l, key, []byte{}),
	)
}

// equalReplaced: a swap for the same bytes is a swap, which databases that
// count changed rows report as none. The ttl is new, as swapSetsTTL looks at.
func equalReplaced(l ecgridsession.Ledger) error {
	key := newKey()
	return errors.Join(
		swaps(l, key, nil, []byte("same"), ttl),
		swaps(l, key, []byte("same"), []byte("same"), ttl),
		holds(l, key, []byte("same")),
	)
}

// endedStays goes through a session's life. The end is one entry among others
// to the ledger: nothing but the comparison keeps it. It is the promise in the
// form that the ledger sees: after "ended" nobody has an old that fits, and so
// nobody can write.
func endedStays(l ecgridsession.Ledger) error {
	key := newKey()
	claimed, live, ended := []byte("refreshing 1"), []byte("live 1"), []byte("ended")
	return errors.Join(
		// The way of a refresh, and the sign-out after it.
		swaps(l, key, nil, claimed, ttl),
		swaps(l, key, claimed, live, ttl),
		swaps(l, key, live, ended, ttl),
		// Every old that the session ever had, and none at all.
		refuses(l, key, nil, claimed, ttl),
		refuses(l, key, claimed, live, ttl),
		refuses(l, key, live, live, ttl),
		holds(l, key, ended),
	)
}

// bytesRemain: what is passed and what is returned is nobody else's afterwards.
// The middleware keeps what it has loaded, and what it has stored, until its
// next swap; a ledger that shares memory with it would compare a value with
// itself.
func bytesRemain(l ecgridsession.Ledger) error {
	key := newKey()
	first, second := []byte("the first value"), []byte("the second value")
	// What is passed is a copy that the clause may spoil.
	scratch := bytes.Clone(first)
	if err := swaps(l, key, nil, scratch, ttl); err != nil {
		return err
	}
	// In its backing array, too: a ledger that seals or pads in place would
	// write there.
	if !bytes.Equal(scratch, first) {
		return fmt.Errorf("CompareAndSwap changes next to %s", show(scratch))
	}
	clear(scratch) // next is not kept
	if err := holds(l, key, first); err != nil {
		return fmt.Errorf("after the caller used next's memory again: %w", err)
	}
	loaded, err := load(l, key)
	if err != nil {
		return err
	}
	// A copy, so that a change of either is seen.
	old := bytes.Clone(first)
	if err := swaps(l, key, old, second, ttl); err != nil {
		return err
	}
	if !bytes.Equal(old, first) || !bytes.Equal(second, []byte("the second value")) {
		return fmt.Errorf("CompareAndSwap changes old to %s, next to %s", show(old), show(second))
	}
	// Loaded before the swap and looked at after it: it is what a caller
	// compares with next.
	if !bytes.Equal(loaded, first) {
		return fmt.Errorf("a swap changes what Load has returned to %s", show(loaded))
	}
	return holds(l, key, second)
}

// everyValue: sealed values are random bytes, so sooner or later every byte
// stands at every place. What takes them for text loses a session now and then,
// in a way that nobody can repeat.
func everyValue(l ecgridsession.Ledger) error {
	// Over the 50 KiB that the contract names.
	const most = 64 << 10
	var everyByte []byte
	for i := range most {
		everyByte = append(everyByte, byte(i+i>>8)) // no period that a chunk could hide
	}
	key := newKey()
	present := []byte(nil)
	// Each takes the place of the one before: the comparison has to bear every
	// byte as well as the storing.
	step := func(next []byte) error {
		err := errors.Join(swaps(l, key, present, next, ttl), holds(l, key, next))
		present = next
		return err
	}
	// Around the sizes of buffers, chunks and length fields, up to more than
	// the longest sealed value.
	for _, length := range []int{0, 1, 2, 15, 16, 44, 45, 255, 256, 257, 1023, 4096, 16383, 16384, 50_000, most - 1, most} {
		if err := step(everyByte[:length:length]); err != nil {
			return fmt.Errorf("a value of %d bytes: %w", length, err)
		}
	}
	// Each by itself, where nothing around it can hide what becomes of it.
	for b := range 256 {
		if err := step([]byte{byte(b)}); err != nil {
			return fmt.Errorf("the byte %#x: %w", b, err)
		}
	}
	// What some encodings take for a number, a literal or the end of the text.
	for _, text := range []string{
		"0", "-1", "007", "1e3", "nil", "null", "\x00", "a\x00b", "\r\n", "$-1\r\n", "+OK\r\n", "\xff\xfe", "é", " padded ", `"quoted"`,
	} {
		if err := step([]byte(text)); err != nil {
			return fmt.Errorf("the value %q: %w", text, err)
		}
	}
	return nil
}
