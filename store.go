package ecgridsession

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
)

// CookieStore is a gorilla [sessions.Store] that keeps a session's values in
// the cookie itself, sealed with AES-256-GCM: what [sessions.NewCookieStore]
// does, with one key ring in place of key pairs, no second spelling of the same
// cookie, and a deletion that deletes. It is safe for concurrent use.
//
// It is for apps' own sessions. The [Middleware] needs none. The zero
// CookieStore is not usable: call [NewCookieStore].
type CookieStore struct {
	codec    *sealedCodec
	readAlso []securecookie.Codec
	options  sessions.Options
}

// CookieStoreConfig says how a [CookieStore] seals and sets its cookies. It
// redacts itself when printed, logged or marshalled.
type CookieStoreConfig struct {
	// encoding/asn1 asks no method, and refuses a struct with such a field.
	_ struct{}

	// Keys are 32 random bytes each: the first seals, all of them open.
	// Required. They may be those of [Config.Keys]: what is sealed for one
	// purpose never opens for another.
	Keys [][]byte

	// Options are what each session starts with. The zero value is Path=/,
	// Secure, HttpOnly, SameSite=Lax, for the browser's session. Path and
	// SameSite default one by one. Secure and HttpOnly are always on, since a
	// false cannot be told from a field left out: a session that must do
	// without sets session.Options before Save. MaxAge over 0 also bounds, in
	// seconds, how old a cookie may be when it comes back.
	Options sessions.Options

	// ReadAlso are tried on a cookie that the key ring does not open, such as
	// securecookie.CodecsFromPairs(old...) while an app moves here from
	// gorilla's own store. Nothing is written by them.
	ReadAlso []securecookie.Codec
}

// String gives of the keys only how many there are.
func (c CookieStoreConfig) String() string {
	return fmt.Sprintf("ecgridsession.CookieStoreConfig{Keys: [%d redacted], ReadAlso: %d codecs}",
		len(c.Keys), len(c.ReadAlso))
}

// GoString is String.
func (c CookieStoreConfig) GoString() string { return c.String() }

// Format writes String for every verb.
func (c CookieStoreConfig) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer] with String.
func (c CookieStoreConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler] with String, so JSON gets
// the same as a string. It returns no error.
func (c CookieStoreConfig) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalBinary always fails: encoding/gob would otherwise write the keys.
func (c CookieStoreConfig) MarshalBinary() ([]byte, error) {
	return nil, errors.New("ecgridsession: a CookieStoreConfig is not encoded")
}

// NewCookieStore returns a store for cfg, or every fault of it at once.
func NewCookieStore(cfg CookieStoreConfig) (*CookieStore, error) {
	var faults []error
	for _, err := range seal.Check(cfg.Keys) {
		faults = append(faults, fmt.Errorf("ecgridsession: CookieStoreConfig.Keys: %w", err))
	}
	if cfg.Options.MaxAge < 0 {
		faults = append(faults, errors.New("ecgridsession: CookieStoreConfig.Options.MaxAge: must not be negative, which deletes"))
	}
	for i, codec := range cfg.ReadAlso {
		if codec == nil {
			faults = append(faults, fmt.Errorf("ecgridsession: CookieStoreConfig.ReadAlso: codec %d is nil", i))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	ring, err := seal.NewRing(cfg.Keys, "cookie store")
	if err != nil {
		return nil, fmt.Errorf("ecgridsession: %w", err)
	}
	options := cfg.Options
	options.Path = cmp.Or(options.Path, "/")
	options.SameSite = cmp.Or(options.SameSite, http.SameSiteLaxMode)
	// Not as cfg says: a Secure that was left out looks like one that was
	// switched off.
	options.Secure = true   // ASVS 5.0, 3.3.1
	options.HttpOnly = true // ASVS 5.0, 3.3.4
	return &CookieStore{
		codec:    &sealedCodec{ring: ring, maxAge: time.Duration(options.MaxAge) * time.Second},
		readAlso: append([]securecookie.Codec(nil), cfg.ReadAlso...),
		options:  options,
	}, nil
}

// Get returns the session of that name from the request's registry, decoding
// its cookie on the first call. It returns what [CookieStore.New] returns.
func (s *CookieStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New returns a session of that name without the registry. The session is never
// nil; it is new, and empty, where there is no cookie. Where there is one that
// does not open, it is new too and the error is a [securecookie.Error] whose
// IsDecode is true. Of several cookies of the name the only one that opens
// counts; if more than one opens, none does. The same cookie twice is one. One
// that Keys open goes before those that only ReadAlso opens, so an app may move
// here from cookies with a Domain or another Path.
func (s *CookieStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	options := s.options
	session.Options = &options
	session.IsNew = true

	var found [cookie.MaxSameName]string
	values, ok := cookie.Values(found[:0], r.Header, name)
	if !ok {
		return session, errCookieUndecodable
	}
	if len(values) == 0 {
		return session, nil
	}
	// Some serverless adapters send each cookie twice.
	slices.Sort(values)
	values = slices.Compact(values)
	opened, err := s.open(name, values)
	if err != nil {
		return session, err
	}
	session.Values, session.IsNew = opened, false
	return session, nil
}

// open gives what is in the only one of values that opens: by our ring or, where
// that opens none, by one of ReadAlso. gorilla's own cookie may have another Path
// or Domain and stays in the browser beside ours.
//
// Two that open by the same are two sessions of which a sibling domain may have
// set one, and nothing says which. gorilla takes the first, which is the one
// with the longest path (RFC 6265, 5.4).
func (s *CookieStore) open(name string, values []string) (map[any]any, error) {
	for _, codecs := range [][]securecookie.Codec{{s.codec}, s.readAlso} {
		var opened []map[any]any
		for _, value := range values {
			if decoded, ok := decode(codecs, name, value); ok {
				opened = append(opened, decoded)
			}
		}
		if len(opened) > 0 {
			if len(opened) > 1 {
				break
			}
			return opened[0], nil
		}
	}
	return nil, errCookieUndecodable
}

// Format writes the same few words for every verb: some of them would print the
// keys in the codecs of ReadAlso.
func (s *CookieStore) Format(f fmt.State, _ rune) {
	io.WriteString(f, "ecgridsession.CookieStore(redacted)")
}

// decode opens a cookie by the first codec that can.
func decode(codecs []securecookie.Codec, name, value string) (map[any]any, bool) {
	// securecookie has a limit of its own; a Codec of the app's may have none.
	if len(value) > cookie.MaxSize {
		return nil, false
	}
	for _, codec := range codecs {
		// A map of its own for each: gob adds to what is there, so a cookie
		// that fails half-way would leave its values to the next.
		decoded := make(map[any]any)
		if codec.Decode(name, value, &decoded) == nil {
			return decoded, true
		}
	}
	return nil, false
}

// Save sets the session's cookie, the last and only one of its name, with
// Cache-Control: no-store and Vary: Cookie. Options.MaxAge below 0 deletes it:
// the deletion carries no value. It returns [ErrSessionTooLarge] where name and
// value together exceed 4096 bytes, and a [securecookie.Error] where a value
// cannot be encoded, or another error where the name is not a cookie's; nothing
// is set then.
func (s *CookieStore) Save(_ *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	options := session.Options
	if options == nil {
		defaults := s.options
		options = &defaults
	}
	name := session.Name()
	if options.MaxAge < 0 {
		line := cookie.Deletion(name, options)
		if line == "" {
			return errNotACookieName
		}
		cookie.Set(w.Header(), name, line)
		return nil
	}
	// Always by our ring: a session that came by one of ReadAlso has moved with
	// the first Save.
	value, err := s.codec.Encode(name, session.Values)
	if err != nil {
		return err
	}
	if len(name)+len(value) > cookie.MaxSize {
		return fmt.Errorf("%w: the cookie takes %d bytes, and browsers keep %d",
			ErrSessionTooLarge, len(name)+len(value), cookie.MaxSize)
	}
	line := cookie.Line(name, value, options)
	if line == "" {
		return errNotACookieName
	}
	cookie.Set(w.Header(), name, line)
	return nil
}

var errNotACookieName = errors.New("ecgridsession: the session's name is not a cookie name")

// sealedCodec is the [securecookie.Codec] of a CookieStore: the time of
// sealing, then the values in gob, sealed for the cookie's name. The time is
// inside of the seal, so nobody but a holder of a key can make a cookie
// younger.
type sealedCodec struct {
	ring   *seal.Ring
	maxAge time.Duration // 0: no limit
}

var _ securecookie.Codec = (*sealedCodec)(nil)

// Encode implements [securecookie.Codec].
func (c *sealedCodec) Encode(name string, value any) (string, error) {
	gob, err := (securecookie.GobEncoder{}).Serialize(value)
	if err != nil {
		return "", err
	}
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(gob)), uint64(time.Now().Unix()))
	return c.ring.SealText(append(plain, gob...), []byte(name)), nil
}

// Decode implements [securecookie.Codec].
func (c *sealedCodec) Decode(name, value string, dst any) error {
	// Before any decoding, so that a megabyte costs what a byte does.
	if len(name)+len(value) > cookie.MaxSize {
		return errCookieUndecodable
	}
	plain, _, err := c.ring.OpenText(nil, value, []byte(name))
	if err != nil || len(plain) < 8 {
		return errCookieUndecodable
	}
	sealedAt := time.Unix(int64(binary.BigEndian.Uint64(plain)), 0)
	if c.maxAge > 0 && time.Since(sealedAt) > c.maxAge {
		return errCookieUndecodable
	}
	// gob reads only what was sealed by us: it is not made for input of an
	// attacker's choice.
	return (securecookie.GobEncoder{}).Deserialize(plain[8:], dst)
}

// undecodable is the [securecookie.Error] of a cookie that does not open. It
// gives no reason: there is nobody who should act on one.
type undecodable struct{}

var errCookieUndecodable securecookie.Error = undecodable{}

func (undecodable) Error() string    { return "ecgridsession: the cookie cannot be opened" }
func (undecodable) IsUsage() bool    { return false }
func (undecodable) IsDecode() bool   { return true }
func (undecodable) IsInternal() bool { return false }
func (undecodable) Cause() error     { return nil }
