package bucket

import (
	"context"
	"fmt"

	"ncloudfs/remote"
)

// Make makes a bucket with a canned ACL (empty: private).
func Make(ctx context.Context, c *remote.Client, name, acl string) error {
	err := c.MakeBucket(ctx, name, acl)
	switch remote.CodeOf(err) {
	case remote.BucketAlreadyExists, remote.BucketAlreadyOwnedByYou:
		return fmt.Errorf("%w: names are shared by all accounts of a region: choose another", err)
	case remote.TooManyBuckets:
		return fmt.Errorf("%w: remove one that is not needed, or ask NAVER Cloud for more", err)
	}
	return err
}

// Remove removes an empty bucket.
func Remove(ctx context.Context, c *remote.Client, name string) error {
	err := c.RemoveBucket(ctx, name)
	if remote.CodeOf(err) == remote.BucketNotEmpty {
		return fmt.Errorf("%w: remove its objects first, and what `ncloudfs bucket uploads ls %s` shows", err, name)
	}
	return err
}
