package remote

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"time"
)

// Bucket is one bucket of the account.
type Bucket struct {
	Name    string
	Created time.Time // UTC
}

// Buckets returns the account's buckets (at most 1000 exist).
func (c *Client) Buckets(ctx context.Context) ([]Bucket, error) {
	k := &call{op: "LIST BUCKETS", method: http.MethodGet}
	var buckets []Bucket
	k.accept = func(a *answer) error {
		var doc struct {
			XMLName xml.Name `xml:"ListAllMyBucketsResult"`
			Bucket  []struct {
				Name         string
				CreationDate string
			} `xml:"Buckets>Bucket"`
		}
		if err := a.decode(k, &doc); err != nil {
			return err
		}
		buckets = nil
		for _, b := range doc.Bucket {
			created, ok := parseTime([]byte(b.CreationDate))
			if b.Name == "" || !ok {
				return fmt.Errorf("%w: bucket %q of %q", errMalformed, b.Name, b.CreationDate)
			}
			buckets = append(buckets, Bucket{b.Name, created})
		}
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	return buckets, nil
}

// HeadBucket asks whether a bucket is there and may be used.
func (c *Client) HeadBucket(ctx context.Context, bucket string) error {
	return c.do(ctx, bucketCall("HEAD BUCKET", http.MethodHead, bucket))
}

// MakeBucket makes a bucket with a canned ACL (empty: private). When an
// attempt's answer was lost and the next says that the bucket exists, the
// account's own list decides. A name that the service could not take is
// refused before anything is sent.
func (c *Client) MakeBucket(ctx context.Context, bucket, acl string) error {
	k := bucketCall("MAKE BUCKET", http.MethodPut, bucket)
	if !IsBucketName(bucket) {
		return &Error{Op: k.op, Path: k.path, Code: InvalidBucketName,
			Message: "a name has 3 to 63 small letters, digits, hyphens and dots, begins and ends with a letter or digit, and is no IP address"}
	}
	k.header = http.Header{}
	setACL(k.header, acl)
	k.done = func(ctx context.Context) bool {
		buckets, err := c.Buckets(ctx)
		return err == nil && slices.ContainsFunc(buckets, func(b Bucket) bool { return b.Name == bucket })
	}
	return c.do(ctx, k)
}

// RemoveBucket removes an empty bucket.
func (c *Client) RemoveBucket(ctx context.Context, bucket string) error {
	k := bucketCall("REMOVE BUCKET", http.MethodDelete, bucket)
	k.done = func(ctx context.Context) bool { return CodeOf(c.HeadBucket(ctx, bucket)) == NoSuchBucket }
	return c.do(ctx, k)
}

// bucketName is the form of a bucket's name (Object Storage API guide, "PUT
// Bucket"): dots and hyphens stand alone or as hyphens in a row.
var bucketName = regexp.MustCompile(`^[a-z0-9]+(?:\.[a-z0-9]+|-+[a-z0-9]+)*$`)

// IsBucketName reports whether a new bucket can have this name.
func IsBucketName(name string) bool {
	_, err := netip.ParseAddr(name)
	return len(name) >= 3 && len(name) <= 63 && bucketName.MatchString(name) && err != nil
}

func bucketCall(op, method, bucket string) *call {
	return &call{op: op, path: Path{Bucket: bucket}, method: method, bucket: true}
}
