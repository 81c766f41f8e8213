package cache

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestEscapedNames are what the documentation says.
func TestEscapedNames(t *testing.T) {
	long := strings.Repeat("l", 251)
	for key, want := range map[string]Name{
		"plain/a b%20c{}":       "plain/a b%20c{}",
		"a//b":                  "a/%{}/b",
		"/a":                    "%{}/a",
		"./../a":                "%{.}/%{..}/a",
		"caf\xe9\x00":           "caf%{e9}%{00}",
		"%{e9}":                 "%{25}{e9}",
		"%{}%{x}":               "%{25}{}%{x}",
		"d/":                    "d/", // a marker
		"d//":                   "d/%{}/",
		long + "four":           Name(long + "four"),
		long + "fours":          Name(long + "%{+}/fours"),
		long + "fours/b":        Name(long + "%{+}/fours/b"),
		strings.Repeat("한", 86): Name(strings.Repeat("한", 83) + "%{+}/" + strings.Repeat("한", 3)),
		strings.Repeat(long, 2): Name(long + "%{+}/" + long),
	} {
		if got := escapeKey(key); got != want {
			t.Errorf("%q is shown as %q, want %q", key, got, want)
		}
	}
	for _, n := range []Name{"%{61}", "a%{+}", "a%{.}", "%{}a", "%{file}a", "a%{file}/b", "a%{c3}%{a9}"} {
		if n.isName() {
			t.Errorf("%q is taken for a name", n)
		}
	}
	for _, n := range []Name{"a%{file}", "d/%{}", "d/%{}%{file}", Name(long + "%{+}"), "%{", "%{x}", "100%{"} {
		if !n.isName() {
			t.Errorf("%q is not taken for a name", n)
		}
	}
}

// TestEscapeIsReversible for any key, and gives names that can be.
func TestEscapeIsReversible(t *testing.T) {
	part := rapid.OneOf(rapid.SampledFrom([]string{"", ".", "..", "%{", "}", "%{}", "%{+}", "%{file}", "%{25}", "%", "{", "/", "//", "\xff", "\x00", "한",
		strings.Repeat("x", 250), strings.Repeat("한", 84)}), rapid.StringN(0, 5, -1))
	rapid.Check(t, func(t *rapid.T) {
		key := strings.Join(rapid.SliceOfN(part, 1, 8).Draw(t, "parts"), "")
		n := escapeKey(key)
		if got := unescapeName(n); got != key {
			t.Fatalf("%q is shown as %q, which is %q", key, n, got)
		}
		file := Name(strings.TrimSuffix(string(n), "/"))
		if file != "" && !file.isName() {
			t.Fatalf("%q is not taken for the name %q", key, file)
		}
		for base := range strings.SplitSeq(string(file), "/") {
			if len(base) > MaxBase || !utf8.ValidString(base) || base == "." || base == ".." || strings.ContainsRune(base, 0) || base == "" && key != "/" && key != "" {
				t.Fatalf("%q is shown as %q", key, n)
			}
		}
	})
}
