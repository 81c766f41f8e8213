package remote

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
)

// defaultContentType is what the service itself assumes.
const defaultContentType = "application/octet-stream"

// PutOptions describes a new object.
type PutOptions struct {
	ContentType string // empty: application/octet-stream
	Meta        Meta   // values go out as they are, UTF-8 too; what HTTP cannot carry (control characters, spaces at the ends) is InvalidArgument
	ACL         string // canned; empty: the service's default (private)
	MD5         []byte // of Put's body, where the caller has it; else it is computed

	// IfMatch has the PUT done only over this version, which must be its base;
	// else it is PreconditionFailed. Only where Findings.ConditionalPut: other
	// services ignore it. An answer of errors.ErrUnsupported corrects that.
	IfMatch ETag
}

// condition is IfMatch as a header.
func (o PutOptions) condition(h http.Header) http.Header {
	if o.IfMatch != "" {
		h.Set("If-Match", quoteETag(o.IfMatch))
	}
	return h
}

func (o PutOptions) contentType() string {
	if o.ContentType == "" {
		return defaultContentType
	}
	return o.ContentType
}

func (o PutOptions) header() http.Header {
	h := http.Header{}
	h.Set("Content-Type", o.contentType())
	setMeta(h, o.Meta)
	setACL(h, o.ACL)
	return h
}

func setMeta(h http.Header, m Meta) {
	for name, value := range m {
		h.Set(metaPrefix+name, value)
	}
}

func setACL(h http.Header, canned string) {
	if canned != "" {
		h.Set("X-Amz-Acl", canned)
	}
}

// Put stores size bytes of body with one request, with Content-MD5: body is
// read twice, and from its start again for every further attempt. The ETag
// that comes back is compared with the MD5 where the bucket's ETags are MD5s.
// The ModTime returned is the answer's Date; LastModified may be a second older.
func (c *Client) Put(ctx context.Context, p Path, body io.ReaderAt, size int64, o PutOptions) (Object, error) {
	k := &call{op: "PUT", path: p, method: http.MethodPut, object: true, header: o.condition(o.header()),
		body: body, size: size, digest: true, sum: o.MD5, changes: []Path{p}}
	var stored Object
	k.accept = func(a *answer) error {
		etag := parseETag(a.Header.Get("Etag"))
		if etag == "" {
			return fmt.Errorf("%w: no ETag", errMalformed)
		}
		if err := c.checkPut(ctx, k, etag); err != nil {
			return err
		}
		stored = Object{Path: p, Size: size, ETag: etag, ModTime: a.date(),
			Meta: maps.Clone(o.Meta), ContentType: o.contentType(), HasMeta: true}
		return nil
	}
	if o.IfMatch != "" {
		k.done = func(ctx context.Context) bool { // the first attempt may have made the version that the next one met
			now, err := c.Head(ctx, p)
			stored = now
			return err == nil && now.Size == size && string(now.ETag) == hex.EncodeToString(k.md5[:])
		}
	}
	err := c.do(ctx, k)
	if o.IfMatch != "" {
		c.correct(err, func(f *Findings) { f.ConditionalPut = false })
	}
	return stored, err
}
