package remote

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// scanner walks over an XML document in memory, front to back. child opens
// the next element; each, text and skip consume the element just opened.
// Names come without their namespace prefix.
type scanner struct {
	data  []byte
	pos   int
	open  [][]byte // whole names of the elements that are open
	empty bool     // the element just opened was <a/>: its end is here already
}

// each calls f for every child of the element just opened, up to its end. f
// must consume the child.
func (s *scanner) each(f func(name []byte) error) error {
	for {
		name, end, err := s.child()
		if err != nil || end {
			return err
		}
		if err := f(name); err != nil {
			return err
		}
	}
}

// skip consumes the element just opened.
func (s *scanner) skip() error {
	return s.each(func([]byte) error { return s.skip() })
}

// child opens the next child of the open element, or closes that and reports end.
func (s *scanner) child() (name []byte, end bool, err error) {
	for {
		if s.empty {
			s.empty = false
			s.pop()
			return nil, true, nil
		}
		i := bytes.IndexByte(s.data[s.pos:], '<')
		if i < 0 {
			s.pos = len(s.data)
			return nil, false, s.syntax("no element")
		}
		s.pos += i
		special, err := s.special(nil)
		if err != nil {
			return nil, false, err
		}
		if !special {
			return s.tag()
		}
	}
}

// special consumes a comment, a processing instruction or a CDATA section,
// whose text goes to *text unless text is nil.
func (s *scanner) special(text *[]byte) (bool, error) {
	rest := s.data[s.pos:]
	if len(rest) < 2 {
		s.pos = len(s.data)
		return false, s.syntax("tag")
	}
	var open, end string
	switch {
	case rest[1] != '?' && rest[1] != '!':
		return false, nil
	case rest[1] == '?':
		open, end = "<?", "?>"
	case bytes.HasPrefix(rest, []byte("<!--")):
		open, end = "<!--", "-->"
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		open, end = "<![CDATA[", "]]>"
	default:
		return false, s.syntax("directive")
	}
	body := rest[len(open):]
	i := bytes.Index(body, []byte(end))
	if i < 0 {
		s.pos = len(s.data)
		return false, s.syntax(open)
	}
	s.pos += len(open) + i + len(end)
	if text != nil && open == "<![CDATA[" {
		*text = append(*text, newlines(body[:i])...)
	}
	return true, nil
}

// tag consumes the start or end tag at pos.
func (s *scanner) tag() (name []byte, end bool, err error) {
	rest := s.data[s.pos+1:]
	i, n := tagEnd(rest)
	if i < 0 {
		s.pos = len(s.data)
		return nil, false, s.syntax("tag")
	}
	if name = rest[:n]; n > 0 && name[0] == '/' {
		name = name[1:]
		if len(s.open) == 0 || !bytes.Equal(name, s.open[len(s.open)-1]) {
			return nil, false, s.syntax("end tag")
		}
		s.pos += i + 2
		s.pop()
		return nil, true, nil
	}
	s.empty = i > 0 && rest[i-1] == '/'
	if s.empty && n == i {
		name = name[:n-1]
	}
	if len(name) == 0 {
		return nil, false, s.syntax("tag")
	}
	s.pos += i + 2
	s.open = append(s.open, name)
	for j, c := range name {
		if c == ':' {
			return name[j+1:], false, nil
		}
	}
	return name, false, nil
}

func (s *scanner) pop() { s.open = s.open[:len(s.open)-1] }

// tagEnd finds the > that ends a tag, past attributes in quotes, and the end
// of the name before it; -1 when there is none.
func tagEnd(b []byte) (end, name int) {
	var quote byte
	name = -1
	for i, c := range b {
		switch {
		case c > '>': // letters, nearly always
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			if name < 0 {
				name = i
			}
			return i, name
		case c == '"' || c == '\'':
			quote = c
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if name < 0 {
				name = i
			}
		}
	}
	return -1, 0
}

// text consumes the element just opened and returns its own text, without
// that of elements in it. It may be a part of the document: copy to keep.
func (s *scanner) text() ([]byte, error) {
	var all []byte
	for first := true; ; first = false {
		if s.empty {
			s.empty = false
			s.pop()
			return all, nil
		}
		i := bytes.IndexByte(s.data[s.pos:], '<')
		if i < 0 {
			s.pos = len(s.data)
			return nil, s.syntax("text")
		}
		piece, err := s.plain(s.data[s.pos : s.pos+i])
		if err != nil {
			return nil, err
		}
		s.pos += i
		if first && s.pos+1 < len(s.data) && s.data[s.pos+1] == '/' {
			_, _, err := s.tag()
			return piece, err
		}
		all = append(all, piece...)
		special, err := s.special(&all)
		if err != nil {
			return nil, err
		}
		if special {
			continue
		}
		_, end, err := s.tag()
		if err != nil || end {
			return all, err
		}
		if err := s.skip(); err != nil {
			return nil, err
		}
	}
}

// plain resolves the references in character data.
func (s *scanner) plain(b []byte) ([]byte, error) {
	if bytes.IndexByte(b, '&') < 0 {
		return newlines(b), nil
	}
	out := make([]byte, 0, len(b))
	for {
		i := bytes.IndexByte(b, '&')
		if i < 0 {
			return append(out, newlines(b)...), nil
		}
		out = append(out, newlines(b[:i])...)
		end := bytes.IndexByte(b[i:], ';')
		if end < 0 {
			return nil, s.syntax("reference")
		}
		r, ok := reference(b[i+1 : i+end])
		if !ok {
			return nil, s.syntax("reference")
		}
		out = utf8.AppendRune(out, r)
		b = b[i+end+1:]
	}
}

// reference is the character of an entity or character reference.
func reference(name []byte) (rune, bool) {
	switch string(name) {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := string(name[1:]), 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	return rune(n), err == nil && n <= utf8.MaxRune
}

// newlines turns CR LF and CR into LF, as XML's end-of-line handling says.
func newlines(b []byte) []byte {
	if bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}
