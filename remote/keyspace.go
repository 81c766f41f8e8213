package remote

import (
	"math/big"
	"slices"
	"strings"
)

// keyDigits is how many runes of a key after its prefix count in its place.
const keyDigits = 24

// keyspace knows of what runes the keys below a prefix are made, so that it can
// name keys that lie between two, or some way after them. Its keys are valid
// UTF-8: a marker that ends within a rune is refused.
type keyspace struct {
	prefix    string
	delimiter string // what comes after it in a name does not count; empty: all does
	runes     []rune // ascending
}

// learn adds the runes of key.
func (s *keyspace) learn(key string) {
	for _, r := range s.digits(key) {
		if i, known := slices.BinarySearch(s.runes, r); !known {
			s.runes = slices.Insert(s.runes, i, r)
		}
	}
}

func (s *keyspace) digits(key string) []rune {
	name := strings.TrimPrefix(key, s.prefix)
	if s.delimiter != "" {
		name, _, _ = strings.Cut(name, s.delimiter)
	}
	runes := []rune(name)
	return runes[:min(len(runes), keyDigits)]
}

// place returns where key lies: as a fraction whose digits are its runes. What
// is not known counts as the last below it.
func (s *keyspace) place(key string) *big.Int {
	base, n := big.NewInt(int64(len(s.runes)+1)), new(big.Int)
	digits := s.digits(key)
	for i := range keyDigits {
		digit, known := 0, true
		if i < len(digits) {
			if digit, known = slices.BinarySearch(s.runes, digits[i]); known {
				digit++
			}
		}
		n.Add(n.Mul(n, base), big.NewInt(int64(digit)))
		if !known {
			rest := new(big.Int).Exp(base, big.NewInt(int64(keyDigits-1-i)), nil)
			n.Mul(n, rest)
			return n.Add(n, rest.Sub(rest, big.NewInt(1)))
		}
	}
	return n
}

// at returns the key of a place, cut off after its first digit that is none.
func (s *keyspace) at(place *big.Int) string {
	base, n := big.NewInt(int64(len(s.runes)+1)), new(big.Int).Set(place)
	digits := make([]int64, keyDigits)
	for i := keyDigits - 1; i >= 0; i-- {
		digit := new(big.Int)
		n.DivMod(n, base, digit)
		digits[i] = digit.Int64()
	}
	var key strings.Builder
	key.WriteString(s.prefix)
	if n.Sign() > 0 { // beyond the last
		digits = slices.Repeat([]int64{int64(len(s.runes))}, keyDigits)
	}
	for _, d := range digits {
		if d == 0 {
			break
		}
		key.WriteRune(s.runes[d-1])
	}
	return key.String()
}

// between returns a key in the middle of two, or "" if it knows none.
func (s *keyspace) between(low, high string) string {
	sum := new(big.Int).Add(s.place(low), s.place(high))
	if key := s.at(sum.Rsh(sum, 1)); low < key && key < high {
		return key
	}
	return ""
}

// after returns the key that comes so many times as far after key as that comes
// after before; "" if it knows none.
func (s *keyspace) after(before, key string, times int64) string {
	place := s.place(key)
	step := new(big.Int).Sub(place, s.place(before))
	if next := s.at(place.Add(place, step.Mul(step, big.NewInt(times)))); next > key {
		return next
	}
	return ""
}
