package remote

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// UploadInfo is an unfinished multipart upload.
type UploadInfo struct {
	Path      Path
	ID        string
	Initiated time.Time
	Owner     string // id; may be empty
}

// Uploads yields the unfinished uploads whose keys begin with prefix. It ends
// after the first error, so a sequence without one was complete.
func (c *Client) Uploads(ctx context.Context, bucket, prefix string) iter.Seq2[UploadInfo, error] {
	return func(yield func(UploadInfo, error) bool) {
		var at uploadMarker
		for {
			page, next, err := c.uploadPage(ctx, bucket, prefix, at)
			if err != nil {
				yield(UploadInfo{}, err)
				return
			}
			for _, u := range page {
				if !yield(u, nil) {
					return
				}
			}
			if next == (uploadMarker{}) {
				return
			}
			at = next
		}
	}
}

// uploadMarker is where a page begins: after this upload of this key.
type uploadMarker struct{ key, id string }

// uploadPage asks for one page; a zero next means it was the last. It does not
// ask for escaped names: Ceph 16 escapes then, but does not say so.
func (c *Client) uploadPage(ctx context.Context, bucket, prefix string, at uploadMarker) (page []UploadInfo, next uploadMarker, err error) {
	q := url.Values{"uploads": {""}, "prefix": {prefix}, "max-uploads": {strconv.Itoa(maxKeys)}}
	if at != (uploadMarker{}) {
		q.Set("key-marker", at.key)
		q.Set("upload-id-marker", at.id)
	}
	k := &call{op: "LIST UPLOADS", path: Path{bucket, prefix}, method: http.MethodGet, query: q, list: true}
	k.accept = func(a *answer) error {
		doc, err := a.document()
		if err != nil {
			return err
		}
		list := uploadListing{bucket: bucket}
		if err := list.scan(doc); err != nil {
			if e := a.errorIn(k, doc); e != nil {
				return e
			}
			return err
		}
		page = list.uploads
		next, err = list.following(at)
		return err
	}
	err = c.do(ctx, k)
	return page, next, err
}

// uploadListing is an answer of List Multipart Uploads while it is decoded. The
// scanner takes names that XML 1.0 cannot express, as encoding/xml would not.
type uploadListing struct {
	bucket    string
	uploads   []UploadInfo
	truncated string
	next      uploadMarker
}

func (l *uploadListing) scan(doc []byte) error {
	s := &scanner{data: doc}
	root, end, err := s.child()
	if err != nil {
		return err
	}
	if end || string(root) != "ListMultipartUploadsResult" {
		return fmt.Errorf("%w: no ListMultipartUploadsResult", errMalformed)
	}
	return s.each(func(name []byte) error {
		switch string(name) {
		case "IsTruncated":
			return s.string(&l.truncated)
		case "NextKeyMarker":
			return s.string(&l.next.key)
		case "NextUploadIdMarker":
			return s.string(&l.next.id)
		case "Upload":
			return l.upload(s)
		}
		return s.skip()
	})
}

func (l *uploadListing) upload(s *scanner) error {
	u := UploadInfo{Path: Path{Bucket: l.bucket}}
	err := s.each(func(name []byte) error {
		switch string(name) {
		case "Key":
			return s.string(&u.Path.Key)
		case "UploadId":
			return s.string(&u.ID)
		case "Initiated":
			return s.time(&u.Initiated)
		case "Owner":
			return s.each(func(name []byte) error {
				if string(name) == "ID" {
					return s.string(&u.Owner)
				}
				return s.skip()
			})
		}
		return s.skip()
	})
	if err == nil && (u.Path.Key == "" || u.ID == "") {
		return fmt.Errorf("%w: an upload without key or id", errMalformed)
	}
	l.uploads = append(l.uploads, u)
	return err
}

// following is where the next page begins.
func (l *uploadListing) following(at uploadMarker) (uploadMarker, error) {
	switch {
	case l.truncated == "false":
		return uploadMarker{}, nil
	case l.truncated != "true":
		return at, fmt.Errorf("%w: IsTruncated is %q", errMalformed, l.truncated)
	case l.next == at || l.next == (uploadMarker{}) || l.next.key < at.key:
		return at, fmt.Errorf("%w: a truncated page of uploads that leads nowhere", errMalformed)
	}
	return l.next, nil
}
