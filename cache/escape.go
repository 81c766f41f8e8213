package cache

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Not every key is a path, so that some components of keys have another name here:
//
//	%{}      is the empty one, of "a//b" and of "a/", where that is more than a marker
//	%{.}     is ".", and %{..} is ".."
//	%{e9}    is a byte that is no UTF-8, or zero
//	%{25}{}  is what looks like one of these, and is not
//	x%{+}/y  is "xy", which is too long for one name
//	x%{file} is the object "x" beside the directory "x"
//
// One key has one such name, and the other way round; all other names are the key's.
const (
	escapeBegin  = "%{"
	escapeMore   = "%{+}"
	escapeBeside = "%{file}"
)

// escapeAt returns what the escape at the beginning of s stands for; size is 0
// where there is none.
func escapeAt(s string) (raw string, size int) {
	if !strings.HasPrefix(s, escapeBegin) {
		return "", 0
	}
	inside, _, ended := strings.Cut(s[len(escapeBegin):], "}")
	size = len(escapeBegin) + len(inside) + 1
	switch {
	case !ended:
		return "", 0
	case inside == "" || inside == "." || inside == "..":
		return inside, size
	case inside == "+" || inside == "file":
		return "", size
	case len(inside) == 2:
		if b, err := strconv.ParseUint(inside, 16, 8); err == nil && inside == strings.ToLower(inside) {
			return string([]byte{byte(b)}), size
		}
	}
	return "", 0
}

// escapeNext returns how the first character of raw is shown, and its size.
func escapeNext(raw string) (shown string, size int) {
	r, size := utf8.DecodeRuneInString(raw)
	_, looks := escapeAt(raw)
	if r == utf8.RuneError && size == 1 || r == 0 || looks > 0 {
		return fmt.Sprintf("%%{%02x}", raw[0]), 1
	}
	return raw[:size], size
}

// isPlain reports whether raw is a name by itself, for sure.
func isPlain(raw string) bool {
	return raw != "" && raw != "." && raw != ".." && len(raw) <= MaxBase && utf8.ValidString(raw) &&
		strings.IndexByte(raw, 0) < 0 && !strings.Contains(raw, escapeBegin)
}

// escape returns the names that a component of a key has: one, or where that would
// be too long, several, of directories but for the last.
func escape(raw string) []string {
	switch {
	case raw == "" || raw == "." || raw == "..":
		return []string{escapeBegin + raw + "}"}
	case isPlain(raw):
		return []string{raw}
	}
	var whole, part strings.Builder
	rest := "" // of raw, after part
	for at := 0; at < len(raw); {
		shown, size := escapeNext(raw[at:])
		if whole.Len() == part.Len() {
			if part.Len()+len(shown) <= MaxBase-len(escapeMore) {
				part.WriteString(shown)
				rest = raw[at+size:]
			}
		}
		whole.WriteString(shown)
		at += size
	}
	if whole.Len() <= MaxBase {
		return []string{whole.String()}
	}
	return append([]string{part.String() + escapeMore}, escape(rest)...)
}

// unescape is the inverse of escape for one name. goesOn: the component has more.
func unescape(shown string) (raw string, goesOn bool) {
	if !strings.Contains(shown, escapeBegin) {
		return shown, false
	}
	if shown, goesOn = strings.CutSuffix(shown, escapeMore); !goesOn {
		shown = strings.TrimSuffix(shown, escapeBeside)
	}
	var b strings.Builder
	for shown != "" {
		if is, size := escapeAt(shown); size > 0 {
			b.WriteString(is)
			shown = shown[size:]
			continue
		}
		b.WriteByte(shown[0])
		shown = shown[1:]
	}
	return b.String(), goesOn
}

// escapeKey returns the name of a file whose key below the mounted prefix is key,
// and of the marker of a directory.
func escapeKey(key string) Name {
	dir, isDir := strings.CutSuffix(key, "/")
	var shown []string
	for raw := range strings.SplitSeq(dir, "/") {
		shown = append(shown, escape(raw)...)
	}
	n := Name(strings.Join(shown, "/"))
	if isDir {
		n = n.marker()
	}
	return n
}

// unescapeName returns the key of a name, below the mounted prefix.
func unescapeName(n Name) string {
	if !strings.Contains(string(n), escapeBegin) {
		return string(n)
	}
	var b strings.Builder
	goesOn := true
	for shown := range strings.SplitSeq(string(n), "/") {
		if !goesOn {
			b.WriteByte('/')
		}
		var raw string
		raw, goesOn = unescape(shown)
		b.WriteString(raw)
	}
	return b.String()
}

// isName reports whether n is how a key is shown.
func (n Name) isName() bool {
	if !strings.Contains(string(n), escapeBegin) {
		return true
	}
	plain := Name(strings.TrimSuffix(string(n), escapeBeside))
	switch {
	case isTrailing(plain):
		dir, _ := plain.Split()
		return dir.isName()
	case n.isPiece():
		return true
	}
	return escapeKey(unescapeName(plain)) == plain
}

// longestShown is how long an escaped character can be, in bytes.
const longestShown = len("%{00}")

// isPiece reports whether n is a directory that only stands for the beginning of
// long names in another one: it has no marker, and moves with its files only.
func (n Name) isPiece() bool {
	dir, base := n.Split()
	base, isMore := strings.CutSuffix(base, escapeMore)
	raw, _ := unescape(base)
	return isMore && len(base) > MaxBase-len(escapeMore)-longestShown && escape(raw)[0] == base && dir.isName()
}

// isBeside reports whether n is an object beside a directory of the same key.
func (n Name) isBeside() bool { return strings.HasSuffix(string(n), escapeBeside) }

// isTrailing reports whether n is a file whose key ends in "/": the marker of the
// directory that it is in.
func isTrailing(n Name) bool {
	_, base := n.Split()
	return base == escapeBegin+"}" || base == escapeBegin+"}"+escapeBeside
}
