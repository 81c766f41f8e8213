package remote

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"sync"
)

// etagKinds remembers by bucket whether the ETag of a body sent in one piece
// is its MD5. Buckets encrypted through a key service may have others.
type etagKinds struct {
	mu    sync.Mutex // leaf; guards isMD5
	isMD5 map[string]bool
}

func (k *etagKinds) get(bucket string) (isMD5, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	isMD5, known = k.isMD5[bucket]
	return isMD5, known
}

func (k *etagKinds) set(bucket string, isMD5 bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.isMD5 == nil {
		k.isMD5 = map[string]bool{}
	}
	k.isMD5[bucket] = isMD5
}

// checkPart compares the ETag of a part with the MD5 of what was sent. A
// mismatch is a BadDigest in a bucket whose ETags are known to be MD5s. In one
// of which nothing is known yet Content-MD5 has to do, which the service
// honours, because a part cannot be read back.
func (c *Client) checkPart(k *call, etag ETag) error {
	if string(etag) == hex.EncodeToString(k.md5[:]) {
		c.etags.set(k.path.Bucket, true)
		return nil
	}
	if isMD5, _ := c.etags.get(k.path.Bucket); isMD5 {
		return k.badDigest(etag)
	}
	return nil
}

// checkPut compares the ETag of an object with the MD5 of what was sent. At a
// mismatch the object is read back once: when it is what was sent, the
// bucket's ETags are not MD5s, which is remembered. When it cannot be read
// back (no permission, already replaced) Content-MD5 has to do, unless the
// bucket's ETags are known to be MD5s.
func (c *Client) checkPut(ctx context.Context, k *call, etag ETag) error {
	if string(etag) == hex.EncodeToString(k.md5[:]) {
		c.etags.set(k.path.Bucket, true)
		return nil
	}
	isMD5, known := c.etags.get(k.path.Bucket)
	if known && !isMD5 {
		return nil
	}
	sum, err := c.readBack(ctx, k.path, etag)
	switch {
	case err == nil && sum == k.md5:
		c.etags.set(k.path.Bucket, false)
		return nil
	case err == nil || isMD5:
		return k.badDigest(etag)
	}
	c.log.Debug("object not verified by its ETag", "path", k.path.String(), "etag", string(etag), "error", err)
	return nil
}

// readBack returns the MD5 of one version of an object's content.
func (c *Client) readBack(ctx context.Context, p Path, etag ETag) (sum [md5.Size]byte, err error) {
	b, err := c.Get(ctx, p, GetOptions{IfMatch: etag})
	if err != nil {
		return sum, err
	}
	defer func() { _ = b.Close() }()
	h := md5.New()
	if _, err := io.Copy(h, b); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

func (k *call) badDigest(etag ETag) error {
	return &Error{Op: k.op, Path: k.path, Code: BadDigest,
		Message: "stored with ETag " + string(etag) + ", but the MD5 sent is " + hex.EncodeToString(k.md5[:])}
}
