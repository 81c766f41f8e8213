package emulator

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

const xmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// document is an XML answer being written. It stands in for encoding/xml
// because a page of 1000 keys takes that package several milliseconds, which
// would be what benchmarks of listings measure.
type document struct {
	bytes.Buffer
}

func (d *document) header() { d.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") }

// root starts a document of the service's namespace.
func (d *document) root(name string) {
	d.header()
	d.WriteString("<" + name + ` xmlns="` + xmlNamespace + `">`)
}

func (d *document) open(name string)  { d.WriteByte('<'); d.WriteString(name); d.WriteByte('>') }
func (d *document) close(name string) { d.WriteString("</"); d.WriteString(name); d.WriteByte('>') }

func (d *document) text(name, value string) {
	d.open(name)
	d.escape(value)
	d.close(name)
}

func (d *document) number(name string, n int64) { d.text(name, strconv.FormatInt(n, 10)) }

func (d *document) flag(name string, b bool) { d.text(name, strconv.FormatBool(b)) }

// time is written with milliseconds, as all dates in documents are.
func (d *document) time(name string, t time.Time) {
	d.text(name, t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

func (d *document) owner(name string, g grantee) {
	d.open(name)
	d.text("ID", g.ID)
	d.text("DisplayName", g.DisplayName)
	d.close(name)
}

// escape writes character data. Characters that XML 1.0 cannot express become
// references, which strict parsers refuse: such keys need encoding-type=url.
// Bytes that are not UTF-8 become U+FFFD.
func (d *document) escape(s string) {
	plain := 0
	for i := 0; i < len(s); {
		c, n := rune(s[i]), 1
		if c >= utf8.RuneSelf {
			c, n = utf8.DecodeRuneInString(s[i:])
		}
		var rep string
		switch {
		case c == '&':
			rep = "&amp;"
		case c == '<':
			rep = "&lt;"
		case c == '>':
			rep = "&gt;"
		case c == '"':
			rep = "&quot;"
		case c < 0x20 || c == 0xFFFE || c == 0xFFFF:
			rep = fmt.Sprintf("&#x%X;", c)
		case c == utf8.RuneError && n == 1:
			rep = "\uFFFD"
		}
		if rep != "" {
			d.WriteString(s[plain:i])
			d.WriteString(rep)
			plain = i + n
		}
		i += n
	}
	d.WriteString(s[plain:])
}
