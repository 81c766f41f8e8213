package remote

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// ListV2 asks for one key by List Objects V2, which the service does not list
// among its operations. It is for finding out.
func (c *Client) ListV2(ctx context.Context, bucket, prefix string) error {
	k := &call{op: "LIST V2", path: Path{bucket, prefix}, method: http.MethodGet, list: true,
		query: url.Values{"list-type": {"2"}, "prefix": {prefix}, "max-keys": {"1"}}}
	k.accept = func(a *answer) error {
		var doc struct {
			XMLName  xml.Name `xml:"ListBucketResult"`
			KeyCount *int     // V1 has none
		}
		if err := a.decode(k, &doc); err != nil {
			return err
		}
		if doc.KeyCount == nil {
			return &Error{Op: k.op, Path: k.path, Status: a.StatusCode, Code: NotImplemented, Message: "answered as by List Objects V1"}
		}
		return nil
	}
	return c.do(ctx, k)
}

// CopyPart makes a part of size bytes, from off on, of this version of an
// object. The service does not list the operation (Upload Part Copy): see
// Findings.PartCopy, which an answer of errors.ErrUnsupported corrects.
func (u *Upload) CopyPart(ctx context.Context, number int, src Object, off, size int64) (Part, error) {
	k := &call{op: "COPY PART", path: u.path, method: http.MethodPut, object: true,
		query: url.Values{"partNumber": {strconv.Itoa(number)}, "uploadId": {u.id}},
		header: http.Header{
			"X-Amz-Copy-Source":          {"/" + escapePath(src.Path.String())},
			"X-Amz-Copy-Source-Range":    {fmt.Sprintf("bytes=%d-%d", off, off+size-1)},
			"X-Amz-Copy-Source-If-Match": {quoteETag(src.ETag)},
		}}
	part := Part{Number: number, Size: size}
	k.accept = func(a *answer) error {
		var doc struct {
			XMLName xml.Name `xml:"CopyPartResult"`
			ETag    string
		}
		if err := a.decode(k, &doc); err != nil {
			return err
		}
		if part.ETag = parseETag(doc.ETag); part.ETag == "" {
			return fmt.Errorf("%w: no ETag", errMalformed)
		}
		return nil
	}
	if err := u.client.do(ctx, k); err != nil {
		u.client.correct(err, func(f *Findings) { f.PartCopy = false })
		return Part{}, err
	}
	return part, nil
}
