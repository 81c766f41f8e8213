package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Head describes the newest version of an object.
func (c *Client) Head(ctx context.Context, p Path) (Object, error) {
	var o Object
	k := &call{op: "HEAD", path: p, method: http.MethodHead, object: true}
	k.accept = func(a *answer) (err error) {
		o, err = a.object(p, a.contentLength())
		return err
	}
	return o, c.do(ctx, k)
}

// GetOptions says which bytes of which version.
type GetOptions struct {
	Offset  int64 // first byte
	Length  int64 // bytes; 0: to the end
	IfMatch ETag  // empty: any version
}

// Body is the content of an object, or of a range of it.
type Body struct {
	Object Object // the version that is delivered; Size is the whole object's
	Length int64  // bytes that Read will deliver
	io.ReadCloser
}

// Get returns the content of an object. Body.Read returns io.ErrUnexpectedEOF
// when the body is shorter than announced. Get retries until the header came;
// the caller retries a body that breaks. A range past the end: Body is empty,
// no error.
func (c *Client) Get(ctx context.Context, p Path, o GetOptions) (*Body, error) {
	for {
		b, err := c.get(ctx, p, o)
		if CodeOf(err) != InvalidRange {
			return b, err
		}
		// 416 does not tell which version has no such bytes: look, so that
		// another version never passes for the end of this one.
		obj, headErr := c.Head(ctx, p)
		switch {
		case headErr != nil:
			return nil, headErr
		case o.IfMatch != "" && obj.ETag != o.IfMatch:
			return nil, &Error{Op: "GET", Path: p, Code: PreconditionFailed, Status: http.StatusPreconditionFailed}
		case obj.Size <= o.Offset:
			return &Body{Object: obj, ReadCloser: http.NoBody}, nil
		case o.IfMatch != "" || ctx.Err() != nil:
			return nil, err // this very version has these bytes
		}
		o.IfMatch = obj.ETag // it was replaced in between
	}
}

func (c *Client) get(ctx context.Context, p Path, o GetOptions) (*Body, error) {
	k := &call{op: "GET", path: p, method: http.MethodGet, object: true, header: http.Header{}}
	if o.Offset < 0 || o.Length < 0 {
		return nil, &Error{Op: k.op, Path: p, Code: InvalidArgument, Message: "negative range"}
	}
	switch {
	case o.Length > 0:
		k.header.Set("Range", fmt.Sprintf("bytes=%d-%d", o.Offset, o.Offset+o.Length-1))
	case o.Offset > 0:
		k.header.Set("Range", fmt.Sprintf("bytes=%d-", o.Offset))
	}
	if o.IfMatch != "" {
		k.header.Set("If-Match", quoteETag(o.IfMatch))
	}
	var b *Body
	k.accept = func(a *answer) (err error) {
		b, err = a.body(k, o)
		return err
	}
	return b, c.do(ctx, k)
}

// body checks that the answer is what o asked for, and keeps its body.
func (a *answer) body(k *call, o GetOptions) (*Body, error) {
	length := a.contentLength()
	size := length
	if a.StatusCode == http.StatusPartialContent {
		first, last, total, ok := parseContentRange(a.Header.Get("Content-Range"))
		if !ok || first != o.Offset || (length >= 0 && length != last-first+1) {
			return nil, fmt.Errorf("%w: Content-Range %q for offset %d", errMalformed, a.Header.Get("Content-Range"), o.Offset)
		}
		length, size = last-first+1, total
	} else if o.Offset > 0 {
		return nil, fmt.Errorf("%w: the whole object instead of a range", errMalformed)
	}
	obj, err := a.object(k.path, size)
	if err != nil {
		return nil, err
	}
	if o.IfMatch != "" && obj.ETag != o.IfMatch {
		return nil, &Error{Op: k.op, Path: k.path, Code: PreconditionFailed, Status: a.StatusCode,
			RequestID: a.Header.Get("x-amz-request-id"), Message: "another version was delivered"}
	}
	want := size - o.Offset
	if o.Length > 0 {
		want = min(want, o.Length)
	}
	if a.StatusCode == http.StatusPartialContent && length != want {
		return nil, fmt.Errorf("%w: %d bytes for a range of %d", errMalformed, length, want)
	}
	a.kept = true
	return &Body{Object: obj, Length: want, ReadCloser: &bodyReader{answer: a, left: want}}, nil
}

// bodyReader delivers exactly the announced bytes, or an error.
type bodyReader struct {
	answer *answer
	left   int64
}

// Read returns io.ErrUnexpectedEOF when the body ends early.
func (b *bodyReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.answer.Body.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0 && (err == nil || err == io.EOF):
		return n, io.EOF
	case err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close gives the connection back when the body was read to its end, and
// closes it otherwise.
func (b *bodyReader) Close() error {
	if b.left == 0 {
		drain(b.answer.Body)
	}
	b.answer.watch.stop()
	return b.answer.Body.Close()
}

// parseContentRange reads "bytes FIRST-LAST/TOTAL".
func parseContentRange(s string) (first, last, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, all, ok2 := strings.Cut(s, "/")
	from, to, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, 0, false
	}
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	total, err3 := strconv.ParseInt(all, 10, 64)
	return first, last, total, err1 == nil && err2 == nil && err3 == nil && first <= last && last < total
}
