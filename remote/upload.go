package remote

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// MaxParts is how many parts an upload may have (Object Storage API guide).
const MaxParts = 10000

// Part is one part of an upload as the service stored it.
type Part struct {
	Number int // 1..10000
	ETag   ETag
	Size   int64 // bytes
}

// Upload is one multipart upload. It is safe for concurrent use.
type Upload struct {
	client  *Client
	path    Path
	id      string
	options PutOptions
}

// Begin starts a multipart upload. An upload that is neither completed nor
// aborted never expires and is billed; an attempt whose answer was lost may
// leave one that only Uploads finds.
func (c *Client) Begin(ctx context.Context, p Path, o PutOptions) (*Upload, error) {
	k := &call{op: "BEGIN UPLOAD", path: p, method: http.MethodPost, object: true,
		query: url.Values{"uploads": {""}}, header: o.header()}
	u := &Upload{client: c, path: p, options: o}
	k.accept = func(a *answer) error {
		var doc struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadID string   `xml:"UploadId"`
		}
		if err := a.decode(k, &doc); err != nil {
			return err
		}
		if doc.UploadID == "" {
			return fmt.Errorf("%w: no UploadId", errMalformed)
		}
		u.id = doc.UploadID
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	return u, nil
}

// Resume returns the upload of an id that Begin once got with these options,
// which only Complete needs, to describe the object. It sends no request.
func (c *Client) Resume(p Path, id string, o PutOptions) *Upload {
	return &Upload{client: c, path: p, id: id, options: o}
}

// ID returns the service's name for the upload.
func (u *Upload) ID() string { return u.id }

// Part sends one part, 5 MiB to 5 GiB unless it is the last; the same number
// again replaces it. body is read as Put reads it.
func (u *Upload) Part(ctx context.Context, number int, body io.ReaderAt, size int64) (Part, error) {
	k := &call{op: "PUT PART", path: u.path, method: http.MethodPut, object: true,
		query: url.Values{"partNumber": {strconv.Itoa(number)}, "uploadId": {u.id}},
		body:  body, size: size, digest: true}
	if number < 1 || number > MaxParts {
		return Part{}, &Error{Op: k.op, Path: u.path, Code: InvalidArgument,
			Message: fmt.Sprintf("part %d of 1..%d", number, MaxParts)}
	}
	part := Part{Number: number, Size: size}
	k.accept = func(a *answer) error {
		if part.ETag = parseETag(a.Header.Get("Etag")); part.ETag == "" {
			return fmt.Errorf("%w: no ETag", errMalformed)
		}
		return u.client.checkPart(k, part.ETag)
	}
	if err := u.client.do(ctx, k); err != nil {
		return Part{}, err
	}
	return part, nil
}

// Complete makes the object out of parts, which are in ascending order; name
// every part that was sent (Ceph insists). When an attempt's answer was lost
// and the next is an error (NoSuchUpload; InternalError from Ceph), the object
// is looked at: if its ETag is the one these parts give, it was completed.
// An answer whose ETag is another is verified by looking, too; BadDigest says
// that the object is not what was sent.
func (u *Upload) Complete(ctx context.Context, parts []Part) (Object, error) {
	body := bytes.NewReader(completeDocument(parts))
	k := &call{op: "COMPLETE UPLOAD", path: u.path, method: http.MethodPost, object: true,
		query: url.Values{"uploadId": {u.id}}, header: http.Header{"Content-Type": {"application/xml"}},
		body: body, size: body.Size(), signed: true, changes: []Path{u.path}}
	if len(parts) == 0 {
		return Object{}, &Error{Op: k.op, Path: u.path, Code: InvalidArgument, Message: "no parts"}
	}
	o := Object{Path: u.path, HasMeta: true, Meta: maps.Clone(u.options.Meta), ContentType: u.options.contentType()}
	for _, p := range parts {
		o.Size += p.Size
	}
	k.accept = func(a *answer) error {
		var doc struct {
			XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
			ETag    string
		}
		if err := a.decode(k, &doc); err != nil {
			return err
		}
		if o.ETag, o.ModTime = parseETag(doc.ETag), a.date(); o.ETag == "" {
			return fmt.Errorf("%w: no ETag", errMalformed)
		}
		return nil
	}
	k.done = func(ctx context.Context) bool { return u.completed(ctx, parts, &o) }
	if err := u.client.do(ctx, k); err != nil {
		return Object{}, err
	}
	return u.client.checkComplete(ctx, k, parts, o)
}

// completed looks whether the object is what parts make, and describes it.
func (u *Upload) completed(ctx context.Context, parts []Part, o *Object) bool {
	want, ok := CombinedETag(parts)
	if !ok {
		return false
	}
	now, err := u.client.Head(ctx, u.path)
	if err != nil || now.ETag != want {
		return false
	}
	*o = now
	return true
}

// CombinedETag is the ETag of an object made of parts: the MD5 of their ETags,
// which are MD5s, and how many; false when one has not the form of an MD5.
func CombinedETag(parts []Part) (ETag, bool) {
	all := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(string(p.ETag))
		if err != nil || len(sum) != md5.Size {
			return "", false
		}
		all.Write(sum)
	}
	return ETag(fmt.Sprintf("%x-%d", all.Sum(nil), len(parts))), true
}

func completeDocument(parts []Part) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for _, p := range parts {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>&#34;", p.Number)
		_ = xml.EscapeText(&b, []byte(p.ETag)) // a bytes.Buffer does not fail
		b.WriteString("&#34;</ETag></Part>")
	}
	b.WriteString("</CompleteMultipartUpload>")
	return b.Bytes()
}

// Abort drops the upload and its parts; NoSuchUpload is no error.
func (u *Upload) Abort(ctx context.Context) error {
	err := u.client.do(ctx, &call{op: "ABORT UPLOAD", path: u.path, method: http.MethodDelete, object: true,
		query: url.Values{"uploadId": {u.id}}})
	if CodeOf(err) == NoSuchUpload {
		return nil
	}
	return err
}
