package remote

import (
	"context"
	"encoding/xml"
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

type uploadsDocument struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	EncodingType       string
	IsTruncated        bool
	NextKeyMarker      string
	NextUploadIDMarker string `xml:"NextUploadIdMarker"`
	Upload             []struct {
		Key       string
		UploadID  string `xml:"UploadId"`
		Initiated time.Time
		Owner     struct{ ID string }
	}
}

// uploadPage asks for one page; a zero next means it was the last.
func (c *Client) uploadPage(ctx context.Context, bucket, prefix string, at uploadMarker) (page []UploadInfo, next uploadMarker, err error) {
	q := url.Values{"uploads": {""}, "encoding-type": {"url"}, "prefix": {prefix}, "max-uploads": {strconv.Itoa(maxKeys)}}
	if at != (uploadMarker{}) {
		q.Set("key-marker", at.key)
		q.Set("upload-id-marker", at.id)
	}
	k := &call{op: "LIST UPLOADS", path: Path{bucket, prefix}, method: http.MethodGet, query: q, list: true}
	k.accept = func(a *answer) error {
		var doc uploadsDocument
		if err := a.decode(k, &doc); err != nil {
			return err
		}
		page, next, err = doc.page(bucket, at)
		return err
	}
	err = c.do(ctx, k)
	return page, next, err
}

func (d *uploadsDocument) page(bucket string, at uploadMarker) ([]UploadInfo, uploadMarker, error) {
	var page []UploadInfo
	for _, u := range d.Upload {
		if err := d.plain(&u.Key); err != nil {
			return nil, at, err
		}
		page = append(page, UploadInfo{Path{bucket, u.Key}, u.UploadID, u.Initiated.UTC(), u.Owner.ID})
	}
	if !d.IsTruncated {
		return page, uploadMarker{}, nil
	}
	next := uploadMarker{d.NextKeyMarker, d.NextUploadIDMarker}
	if err := d.plain(&next.key); err != nil {
		return nil, at, err
	}
	if next == at || next == (uploadMarker{}) || next.key < at.key {
		return nil, at, fmt.Errorf("%w: a truncated page of uploads that leads nowhere", errMalformed)
	}
	return page, next, nil
}

func (d *uploadsDocument) plain(s *string) error {
	if d.EncodingType == "url" {
		return unescape(s)
	}
	return nil
}
