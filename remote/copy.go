package remote

import (
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
)

// CopyOptions says what a copy keeps of its source. The ACL is never kept.
type CopyOptions struct {
	IfMatch     ETag   // the source must be this version; empty: any
	Replace     bool   // Meta and ContentType below replace the source's
	Meta        Meta   // with Replace
	ContentType string // with Replace
	ACL         string // canned; empty: the service's default (private)
}

func (o CopyOptions) header(src Path) http.Header {
	h := http.Header{}
	if o.Replace {
		h = PutOptions{ContentType: o.ContentType, Meta: o.Meta}.header()
		h.Set("X-Amz-Metadata-Directive", "REPLACE")
	} else {
		h.Set("X-Amz-Metadata-Directive", "COPY")
	}
	h.Set("X-Amz-Copy-Source", "/"+escapePath(src.String()))
	if o.IfMatch != "" {
		h.Set("X-Amz-Copy-Source-If-Match", quoteETag(o.IfMatch))
	}
	setACL(h, o.ACL)
	return h
}

// Copy copies an object within the service (up to 5 GiB). The answer carries
// no size: Size is -1, and HasMeta only set with Replace. An absent source is
// NoSuchKey, another version than IfMatch is PreconditionFailed: without a copy
// having been made, unless the service ignores the condition as Ceph 16 does.
func (c *Client) Copy(ctx context.Context, dst, src Path, o CopyOptions) (Object, error) {
	k := &call{op: "COPY", path: dst, method: http.MethodPut, object: true, header: o.header(src),
		changes: []Path{dst}}
	if from := src.Resolve(); from.Bucket == "" || from.Key == "" {
		return Object{}, &Error{Op: k.op, Path: src, Code: UserKeyMustBeSpecified}
	}
	var copied Object
	k.accept = func(a *answer) error {
		var doc struct {
			XMLName      xml.Name `xml:"CopyObjectResult"`
			ETag         string
			LastModified string
		}
		if err := a.decode(k, &doc); err != nil {
			return err
		}
		if doc.ETag == "" {
			return fmt.Errorf("%w: no ETag", errMalformed)
		}
		copied = Object{Path: dst, Size: -1, ETag: parseETag(doc.ETag), ModTime: a.date()}
		if c.copiedAnother(dst, src, copied.ETag, o.IfMatch) {
			return &Error{Op: k.op, Path: dst, Code: PreconditionFailed, Status: a.StatusCode,
				Message: "another version was copied"}
		}
		if t, ok := parseTime([]byte(doc.LastModified)); ok {
			copied.ModTime = t
		}
		if o.Replace {
			copied.Meta, copied.HasMeta = maps.Clone(o.Meta), true
			copied.ContentType = PutOptions{ContentType: o.ContentType}.contentType()
		}
		return nil
	}
	if dst == src && o.Replace {
		k.done = func(ctx context.Context) bool { return c.changed(ctx, dst, o, &copied) }
	}
	return copied, c.do(ctx, k)
}

// changed looks whether p has the metadata that a copy onto itself was to
// give it. A copy gives an object that was uploaded in parts another ETag, so
// that a second attempt cannot match any more.
func (c *Client) changed(ctx context.Context, p Path, o CopyOptions, copied *Object) bool {
	now, err := c.Head(ctx, p)
	if err != nil || !maps.Equal(now.Meta, o.Meta) || now.ContentType != (PutOptions{ContentType: o.ContentType}).contentType() {
		return false
	}
	*copied = now
	return true
}

// copiedAnother reports whether the service copied another version than want.
// It shows where ETags are MD5s, which a copy of a single-part object keeps.
func (c *Client) copiedAnother(dst, src Path, got, want ETag) bool {
	if want == "" || want.Multipart() || got == want {
		return false
	}
	dstMD5, _ := c.etags.get(dst.Resolve().Bucket)
	srcMD5, _ := c.etags.get(src.Resolve().Bucket)
	return dstMD5 && srcMD5
}
