package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Account stands for every bucket of the account in place of a bucket: the key
// "NAME/KEY" is KEY of bucket NAME. Objects and listings carry such paths then,
// too. Operations on a bucket itself need its own name.
const Account = "@"

// Resolve returns p with the bucket that it is in, if it is one of Account.
func (p Path) Resolve() Path {
	if p.Bucket != Account {
		return p
	}
	bucket, key, _ := strings.Cut(p.Key, "/")
	return Path{bucket, key}
}

// listAccount is ListPage for Account: a prefix without a slash lists buckets.
func (c *Client) listAccount(ctx context.Context, o ListOptions) (*Page, error) {
	bucket, prefix, inside := strings.Cut(o.Prefix, "/")
	if !inside {
		return c.listBuckets(ctx, o)
	}
	at := bucket + "/"
	in := o
	in.Bucket, in.Prefix, in.Marker = bucket, prefix, strings.TrimPrefix(o.Marker, at)
	switch {
	case o.Marker > at && !strings.HasPrefix(o.Marker, at):
		return &Page{Ordered: true}, nil // the bucket lies before the marker
	case !strings.HasPrefix(o.Marker, at):
		in.Marker = ""
	}
	page, err := c.ListPage(ctx, in)
	if err != nil {
		return nil, err
	}
	for i := range page.Objects {
		p := &page.Objects[i].Path
		*p = Path{Account, at + p.Key}
	}
	for i := range page.Prefixes {
		page.Prefixes[i] = at + page.Prefixes[i]
	}
	if page.Next != "" {
		page.Next = at + page.Next
	}
	return page, nil
}

// listBuckets lists the buckets as common prefixes.
func (c *Client) listBuckets(ctx context.Context, o ListOptions) (*Page, error) {
	if o.Delimiter != "/" {
		return nil, &Error{Op: "LIST", Path: Path{o.Bucket, o.Prefix}, Err: fmt.Errorf("all keys of an account: %w", errors.ErrUnsupported)}
	}
	buckets, err := c.Buckets(ctx)
	if err != nil {
		return nil, err
	}
	page := &Page{Ordered: true}
	for _, b := range buckets {
		if name := b.Name + "/"; strings.HasPrefix(name, o.Prefix) && name > o.Marker {
			page.Prefixes = append(page.Prefixes, name)
		}
	}
	return page, nil
}

// deleteInAccount is DeleteMany for Account.
func (c *Client) deleteInAccount(ctx context.Context, keys []string) (failed map[string]error, err error) {
	byBucket := map[string][]string{}
	for _, key := range keys {
		p := Path{Account, key}.Resolve()
		byBucket[p.Bucket] = append(byBucket[p.Bucket], p.Key)
	}
	failed = map[string]error{}
	for bucket, keys := range byBucket {
		some, someErr := c.DeleteMany(ctx, bucket, keys)
		for key, reason := range some {
			failed[bucket+"/"+key] = reason
		}
		err = errors.Join(err, someErr)
	}
	return failed, err
}
