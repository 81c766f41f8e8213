package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"ncloudfs/remote"
)

// In a cache of remote.Account each directory of the root is a bucket: making
// and removing one is that of the bucket, files are in buckets only, and nothing
// moves from one to another but by reading and writing it.

// isBucket reports whether n is a bucket of an account.
func (c *Cache) isBucket(n Name) bool {
	return c.bucket == remote.Account && n != "" && !isMarker(n) && !strings.Contains(string(n), "/")
}

// hasNoMarker reports whether n is the root of a bucket or of the account, or only
// the beginning of names, for which no object can stand.
func (c *Cache) hasNoMarker(n Name) bool {
	return n.isPiece() || c.path(c.dirKeyOf(n)).Resolve().Key == ""
}

// checkRename refuses what would leave a bucket.
func (c *Cache) checkRename(from, to Name) error {
	if c.bucket != remote.Account {
		return nil
	}
	bucketOf := func(n Name) string { return c.path(c.keyOf(n)).Resolve().Bucket }
	if c.isBucket(from) || c.isBucket(to) || bucketOf(from) != bucketOf(to) {
		return fmt.Errorf("rename %q to %q: %w", from, to, ErrOtherBucket)
	}
	return nil
}

// probeBucket asks for a bucket by its name, as a key without the right to list
// buckets may.
func (c *Cache) probeBucket(ctx context.Context, n Name) (Entry, error) {
	asked := time.Now()
	e := Entry{Kind: Absent}
	if remote.IsBucketName(string(n)) {
		_, err := c.client.ListPage(ctx, remote.ListOptions{Bucket: string(n), MaxKeys: 1})
		switch {
		case err == nil:
			e.Kind = Dir
		case !errors.Is(err, fs.ErrNotExist):
			return Entry{}, fmt.Errorf("look up bucket %q: %w", n, err)
		}
	}
	c.dirs.Seen(n, e, asked)
	e.Expires = asked.Add(c.ttl)
	return e, nil
}

// makeBucket makes the bucket n.
func (c *Cache) makeBucket(ctx context.Context, n Name) error {
	if c.keepBuckets {
		return fmt.Errorf("make bucket %q: %w", n, ErrKeepBuckets)
	}
	release, err := c.claimName(ctx, n, c.dirKeyOf(n))
	if err != nil {
		return err
	}
	defer release()
	if err := c.client.MakeBucket(ctx, string(n), ""); err != nil {
		c.dirs.Forget(n) // perhaps it was made
		return fmt.Errorf("make bucket %q: %w", n, err)
	}
	c.dirs.Created(n)
	return nil
}

// removeBucket removes the bucket n, of which nothing is staged any more.
func (c *Cache) removeBucket(ctx context.Context, n Name) error {
	if c.keepBuckets {
		return ErrKeepBuckets
	}
	release, err := c.claimCleared(ctx, n)
	if err != nil {
		return err
	}
	defer release()
	if _, err := c.checkEmpty(ctx, n); err != nil {
		return err
	}
	if err := c.client.RemoveBucket(ctx, string(n)); err != nil {
		return err
	}
	c.dirs.Changed(n, Entry{Kind: Absent})
	return nil
}
