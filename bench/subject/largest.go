package subject

import "strings"

// maxCookie is what browsers keep of name and value together (RFC 6265bis, 5.6).
const maxCookie = 4096

// LargestInCookie returns the length of the longest token of a kind that the
// subject of that name, one of Opening, keeps in a cookie that browsers take. It
// is found by trying. It returns false for one that keeps no token in a cookie.
func LargestInCookie(name string, kind Kind) (int, bool, error) {
	fits, ok := map[string]func(Token) (int, bool, error){
		Ours:     fitsOurs,
		GCMCodec: fitsStore(withSealing),
		Compact:  fitsStore(withCompact),
		Gorilla:  fitsStore(asReadme),
		Crypted:  fitsStore(encrypted),
	}[name]
	if !ok {
		return 0, false, nil
	}
	// In fours, as there is no base64url of one more; the rest one by one.
	least, greatest, largest := 256/4, 2*maxCookie/4, 0
	for greatest-least > 1 {
		middle := (least + greatest) / 2
		actual, in, err := fits(Token{Kind: kind, Size: 4 * middle})
		if err != nil {
			return 0, false, err
		}
		if in {
			least, largest = middle, actual
		} else {
			greatest = middle
		}
	}
	for _, more := range []int{2, 3} {
		actual, in, err := fits(Token{Kind: kind, Size: 4*least + more})
		if err != nil {
			return 0, false, err
		}
		if in {
			largest = max(largest, actual)
		}
	}
	return largest, true, nil
}

// fitsOurs tells whether the token is in the cookie, and how long it is. Where
// it is not the session works too, with its token in the ledger.
func fitsOurs(token Token) (int, bool, error) {
	in, err := SignIn(NewKeys(1), token)
	if err != nil {
		return 0, false, err
	}
	// Random bytes do not get shorter than they are, which is three quarters of
	// the least that a token has; a cookie without it is much shorter still.
	return len(in.Token), length(in.Cookie) >= len(in.Token)*3/4, nil
}

func fitsStore(store gorillaStore) func(Token) (int, bool, error) {
	return func(token Token) (int, bool, error) {
		in, err := SignIn(NewKeys(1), token)
		if err != nil {
			return 0, false, err
		}
		made, err := store(NewKeys(1))
		if err != nil {
			return 0, false, err
		}
		cookie, err := saved(made, in.Token)
		if err != nil {
			if strings.Contains(err.Error(), "too long") {
				return len(in.Token), false, nil
			}
			return 0, false, err
		}
		return len(in.Token), length(cookie) <= maxCookie, nil
	}
}
