package remote

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxDocument bounds an XML answer, in bytes: a page of 1000 keys of 1023
// escaped bytes each is under 8 MB.
const maxDocument = 32 << 20

// document reads an XML answer whole.
func (a *answer) document() ([]byte, error) {
	var b bytes.Buffer
	if a.ContentLength > 0 {
		b.Grow(int(min(a.ContentLength, maxDocument)) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(a.Body, maxDocument))
	switch {
	case err != nil:
		return nil, err
	case a.ContentLength > 0 && n < a.ContentLength:
		return nil, io.ErrUnexpectedEOF
	case n == maxDocument:
		return nil, fmt.Errorf("%w: over %d bytes", errMalformed, maxDocument)
	}
	return b.Bytes(), nil
}

// decode reads an XML answer into v, which must name its root element. An
// error document in a 2xx answer becomes k's error.
func (a *answer) decode(k *call, v any) error {
	doc, err := a.document()
	if err != nil {
		return err
	}
	if e := a.errorIn(k, doc); e != nil {
		return e
	}
	if err := xml.Unmarshal(doc, v); err != nil {
		if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok && strings.Contains(syntax.Msg, "unexpected EOF") && len(doc) > 0 {
			return io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return nil
}

// errorIn returns the error that a 2xx answer carries as its document.
func (a *answer) errorIn(k *call, doc []byte) error {
	var e struct {
		XMLName xml.Name `xml:"Error"`
		errorDocument
	}
	if xml.Unmarshal(doc, &e) != nil {
		return nil
	}
	if e.Code == "" {
		e.Code = string(InternalError)
	}
	err := &Error{Op: k.op, Path: k.path, Status: a.StatusCode}
	err.finish(a.Response, e.errorDocument)
	return err
}

// date is the answer's Date header, or the local time.
func (a *answer) date() time.Time {
	if t, err := http.ParseTime(a.Header.Get("Date")); err == nil {
		return t.UTC()
	}
	return time.Now().UTC().Truncate(time.Second)
}

func parseETag(s string) ETag {
	return ETag(strings.Trim(strings.TrimPrefix(s, "W/"), `"`))
}

func quoteETag(e ETag) string { return `"` + string(e) + `"` }

const metaPrefix = "X-Amz-Meta-"

// object describes p by the header of a HEAD or GET answer; size is the whole object's.
func (a *answer) object(p Path, size int64) (Object, error) {
	o := Object{
		Path: p, Size: size, HasMeta: true, Meta: Meta{},
		ETag:         parseETag(a.Header.Get("Etag")),
		ContentType:  a.Header.Get("Content-Type"),
		StorageClass: a.Header.Get("X-Amz-Storage-Class"),
	}
	if o.ETag == "" {
		return Object{}, fmt.Errorf("%w: no ETag", errMalformed)
	}
	if size < 0 {
		return Object{}, fmt.Errorf("%w: no Content-Length", errMalformed)
	}
	t, err := http.ParseTime(a.Header.Get("Last-Modified"))
	if err != nil {
		return Object{}, fmt.Errorf("%w: no Last-Modified", errMalformed)
	}
	o.ModTime = t.UTC()
	for name, v := range a.Header {
		if key, ok := strings.CutPrefix(name, metaPrefix); ok {
			o.Meta[strings.ToLower(key)] = strings.Join(v, ",")
		}
	}
	return o, nil
}

// contentLength is the announced length of a body; -1: unknown. Unlike
// ContentLength it is also set for HEAD through any transport.
func (a *answer) contentLength() int64 {
	if n, err := strconv.ParseInt(a.Header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		return n
	}
	return a.ContentLength
}
