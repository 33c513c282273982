package ecgridsession

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/base64url"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
)

// sealedLedger is the Ledger as the middleware uses it: ids in keys, values
// sealed, every call with a deadline.
type sealedLedger struct {
	ledger  Ledger
	ring    *seal.Ring
	salt    [16]byte // of the upstream: two of them may share a ledger
	timeout time.Duration
	// inMemory: no call blocks, so none needs a deadline, whose timer would
	// cost more than the call.
	inMemory bool
}

func newSealedLedger(cfg Config, upstream origin) (sealedLedger, error) {
	ring, err := seal.NewRing(cfg.Keys, "ledger")
	if err != nil {
		return sealedLedger{}, err
	}
	sum := sha256.Sum256([]byte("ecgridsession ledger\x00" + upstream.String()))
	_, inMemory := cfg.Ledger.(*MemoryLedger)
	return sealedLedger{
		ledger:   cfg.Ledger,
		ring:     ring,
		salt:     [16]byte(sum[:16]),
		timeout:  cfg.LedgerTimeout,
		inMemory: inMemory,
	}, nil
}

// sessionKeys are where the ledger keeps what concerns one session, and the
// short reference to it. What is of the session is a one-way function of its id.
type sessionKeys struct {
	at  [2]string // the session's entry and the user's cut-off, as Load takes them
	ref [5]byte
}

func (k *sessionKeys) session() string { return k.at[0] }
func (k *sessionKeys) user() string    { return k.at[1] }

// keyLen is a letter for the kind and 16 bytes in base64url.
const keyLen = 1 + 22

func (l *sealedLedger) keysOf(id [16]byte, userID int64) sessionKeys {
	var in [16 + 1 + 16]byte // one block of SHA-256
	copy(in[:16], l.salt[:])
	in[16] = 's'
	copy(in[17:], id[:])
	session := sha256.Sum256(in[:])

	// A user's number is so small that a hash would not hide it.
	var user [16]byte
	copy(user[:8], l.salt[:])
	binary.BigEndian.PutUint64(user[8:], uint64(userID))

	out := make([]byte, 0, 2*keyLen)
	out = base64url.AppendEncode(append(out, 's'), session[:16])
	out = base64url.AppendEncode(append(out, 'u'), user[:])
	both := string(out) // one string for both: this runs on every request

	keys := sessionKeys{at: [2]string{both[:keyLen], both[keyLen:]}}
	copy(keys.ref[:], session[16:])
	return keys
}

// look returns the session's entry and the user's cut-off number in one round
// trip. Its error is ErrLedgerUnavailable or, where a value cannot be read,
// errEntryUnreadable with what is stored in the entry.
func (l *sealedLedger) look(ctx context.Context, keys *sessionKeys) (found entry, cutOff uint64, err error) {
	values, err := l.load(ctx, keys.at[:]...)
	if err != nil {
		return entry{}, 0, err
	}
	found, err = l.openEntry(keys.session(), values[0])
	if err == nil {
		cutOff, err = l.openCutOff(keys.user(), values[1])
	}
	return found, cutOff, err
}

// lookEntry returns the session's entry alone.
func (l *sealedLedger) lookEntry(ctx context.Context, keys *sessionKeys) (entry, error) {
	values, err := l.load(ctx, keys.session())
	if err != nil {
		return entry{}, err
	}
	return l.openEntry(keys.session(), values[0])
}

// swapEntry puts next in the place of was; stored are the bytes that stand there
// then. After an error they may or may not.
func (l *sealedLedger) swapEntry(
	ctx context.Context, keys *sessionKeys, was, next entry, ttl time.Duration,
) (stored []byte, swapped bool, err error) {
	return l.swap(ctx, keys.session(), was.stored, next.append(nil), ttl)
}

func (l *sealedLedger) openEntry(key string, value []byte) (entry, error) {
	if value == nil {
		return entry{}, nil
	}
	// The key is the additional data: a value moved here from another session
	// does not open.
	plain, _, err := l.ring.Open(nil, value, []byte(key))
	if err != nil {
		return entry{stored: value}, errEntryUnreadable
	}
	e, err := parseEntry(plain)
	e.stored = value
	return e, err
}

func (l *sealedLedger) openCutOff(key string, value []byte) (uint64, error) {
	if value == nil {
		return 0, nil
	}
	plain, _, err := l.ring.Open(nil, value, []byte(key))
	if err != nil || len(plain) != 8 {
		return 0, errEntryUnreadable
	}
	return binary.BigEndian.Uint64(plain), nil
}

func (l *sealedLedger) load(ctx context.Context, keys ...string) ([][]byte, error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	values, err := l.ledger.Load(ctx, keys...)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrLedgerUnavailable, err)
	case len(values) != len(keys):
		return nil, fmt.Errorf("%w: %w", ErrLedgerUnavailable, errors.New("wrong number of values"))
	}
	return values, nil
}

func (l *sealedLedger) swap(
	ctx context.Context, key string, old, plain []byte, ttl time.Duration,
) (stored []byte, swapped bool, err error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	next := l.ring.Seal(nil, plain, []byte(key))
	swapped, err = l.ledger.CompareAndSwap(ctx, key, old, next, ttl)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrLedgerUnavailable, err)
	}
	return next, swapped, nil
}

// deadline bounds one call. A browser that hangs up does not cut it short: that
// would look like a ledger that is down.
func (l *sealedLedger) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.inMemory {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
}

// clockSlack is how far the clocks of replicas may be apart: entries outlive
// what they speak of by so much.
const clockSlack = 5 * time.Minute

// untilEnd is how long the ledger must know of a session: until no replica
// opens its cookie any more, by whatever clock.
func (m *Middleware) untilEnd(rec *record.Record) time.Duration {
	left := timeOf(rec.StartedAt).Add(m.cfg.Lifetime).Sub(m.now())
	// A session that has just passed its end is not to be ended twice, and its
	// cookie comes again only while it is not idle.
	return max(left, m.cfg.IdleTimeout) + clockSlack
}
