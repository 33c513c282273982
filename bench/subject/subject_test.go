package subject_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// works does each subject's work a few times, on two goroutines' operations in
// turn: the work must not depend on what the one before has left.
func works(t *testing.T, subjects []subject.Subject, err error) {
	t.Helper()
	require.NoError(t, err)
	require.NotEmpty(t, subjects)
	names := make(map[string]bool)
	for _, s := range subjects {
		assert.False(t, names[s.Name], "two subjects are called %q", s.Name)
		names[s.Name] = true
		one, other := s.Begin(), s.Begin()
		for range 3 {
			assert.NoError(t, one(), s.Name)
			assert.NoError(t, other(), s.Name)
		}
	}
}

func TestEverySubjectOpensTheSessionAndFindsTheToken(t *testing.T) {
	for _, kind := range []subject.Kind{subject.JWT, subject.Opaque, subject.OpaqueAny} {
		for _, size := range []int{64, 700, 1500, 2048} {
			for _, others := range []bool{false, true} {
				token := subject.Token{Kind: kind, Size: size}
				t.Run(fmt.Sprintf("%s, others: %v", token, others), func(t *testing.T) {
					subjects, err := subject.Opening(subject.Case{Token: token, Others: others, Dir: t.TempDir()})
					works(t, subjects, err)
					require.Len(t, subjects, 9)
					for _, s := range subjects {
						assert.Positive(t, s.Cookie, s.Name)
						if kind != subject.JWT || size > 64 {
							assert.InDelta(t, size, s.Token, 1, s.Name)
						}
					}
				})
			}
		}
	}
}

func TestNoSubjectOpensWhatItDidNotSeal(t *testing.T) {
	subjects, err := subject.Opening(subject.Case{
		Token: subject.Token{Kind: subject.JWT, Size: 700}, Others: true, Dir: t.TempDir(), Forged: true,
	})
	require.NoError(t, err)
	require.Len(t, subjects, 9)
	for _, s := range subjects {
		assert.Error(t, s.Begin()(), s.Name)
	}
}

func TestEveryKeyOpensAndAnUnknownOneIsRefused(t *testing.T) {
	var cases []subject.KeyCase
	for _, keys := range []int{1, 2, 8} {
		for _, sealer := range []subject.Sealer{subject.Newest, subject.Oldest, subject.Unknown} {
			for _, dest := range []subject.Dest{subject.Image, subject.Document} {
				cases = append(cases, subject.KeyCase{Keys: keys, Sealer: sealer, Dest: dest})
			}
		}
	}
	subjects, err := subject.Keys(subject.Token{Kind: subject.JWT, Size: 700}, cases)
	works(t, subjects, err)
	assert.Len(t, subjects, 2*len(cases))
}

func TestARequestWithoutASessionIsServed(t *testing.T) {
	subjects, err := subject.Nothing()
	works(t, subjects, err)
	assert.Len(t, subjects, 3)
}

func TestTheTokenGoesOut(t *testing.T) {
	subjects, err := subject.Outbound(subject.Token{Kind: subject.JWT, Size: 700})
	works(t, subjects, err)
	assert.Len(t, subjects, 4)
}

func TestEverySubjectSetsItsCookie(t *testing.T) {
	subjects, err := subject.Sealing(subject.Token{Kind: subject.JWT, Size: 700})
	works(t, subjects, err)
	assert.Len(t, subjects, 6)
}

func TestTheLedgerHasWhatIsLookedUp(t *testing.T) {
	for _, entries := range []int{1, 1000, 100_000} {
		subjects, err := subject.Ledger(entries)
		works(t, subjects, err)
		assert.Len(t, subjects, 3)
	}
}

func TestOpaqueTokensAreOfTheirAlphabet(t *testing.T) {
	const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for kind, alphabet := range map[subject.Kind]string{subject.Opaque: base64url, subject.OpaqueAny: base64url + ".~+/"} {
		in, err := subject.SignIn(subject.NewKeys(1), subject.Token{Kind: kind, Size: 2048})
		require.NoError(t, err)
		assert.Len(t, in.Token, 2048)
		for _, letter := range alphabet {
			assert.Contains(t, in.Token, string(letter), kind)
		}
		assert.Empty(t, strings.Trim(in.Token, alphabet), kind)
	}
}

func TestATokenThatCannotBeIsAnError(t *testing.T) {
	for _, token := range []subject.Token{{Kind: subject.Opaque, Size: 65}, {Kind: "unheard of", Size: 64}} {
		_, err := subject.SignIn(subject.NewKeys(1), token)
		assert.Error(t, err, token)
	}
}

func TestTheLongestTokenFitsAndNoLongerOne(t *testing.T) {
	for name, about := range map[string]int{subject.GCMCodec: 3025, subject.Compact: 2253, subject.Gorilla: 2209, subject.Crypted: 2193} {
		for _, kind := range []subject.Kind{subject.JWT, subject.Opaque, subject.OpaqueAny} {
			largest, ok, err := subject.LargestInCookie(name, kind)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.InDelta(t, about, largest, 4, "%s, %s", name, kind)
		}
	}
	for kind, least := range map[subject.Kind]int{subject.JWT: 3900, subject.Opaque: 3900, subject.OpaqueAny: 2900} {
		largest, ok, err := subject.LargestInCookie(subject.Ours, kind)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Greater(t, largest, least, kind)
		assert.Less(t, largest, 4096, kind)
	}
}

func TestAStoreWithoutTheTokenInItsCookieHasNoLongest(t *testing.T) {
	for _, name := range []string{subject.SCS, subject.Files, subject.Limit} {
		_, ok, err := subject.LargestInCookie(name, subject.JWT)
		require.NoError(t, err)
		assert.False(t, ok, name)
	}
}
