package remote

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
		c.etags.set(k.path.Resolve().Bucket, true)
		return nil
	}
	if isMD5, _ := c.etags.get(k.path.Resolve().Bucket); isMD5 {
		return k.badDigest(etag, k.sentMD5())
	}
	return nil
}

// checkPut compares the ETag of an object with the MD5 of what was sent. At a
// mismatch the object is read back once: when it is what was sent, the
// bucket's ETags are not MD5s, which is remembered. When it cannot be read
// back (no permission, already replaced) Content-MD5 has to do, unless the
// bucket's ETags are known to be MD5s. It has to do, too, where they are known
// not to be: the service refuses a body that does not match it, a short one
// included, and a look at the size would cost each small file another request.
func (c *Client) checkPut(ctx context.Context, k *call, etag ETag) error {
	if string(etag) == hex.EncodeToString(k.md5[:]) {
		c.etags.set(k.path.Resolve().Bucket, true)
		return nil
	}
	isMD5, known := c.etags.get(k.path.Resolve().Bucket)
	if known && !isMD5 {
		return nil
	}
	sum, err := c.readBack(ctx, k.path, etag)
	switch {
	case err == nil && sum == k.md5:
		c.etags.set(k.path.Resolve().Bucket, false)
		return nil
	case err == nil || isMD5:
		return k.badDigest(etag, k.sentMD5())
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

// checkComplete makes sure that o, as the answer of a Complete describes it, is
// what the parts make, and returns it. Where o has their combined ETag, no
// request is needed: the parts were checked when they were sent. Else the
// object is looked at: its size has to be right, and where ETags are MD5s and o
// has one of the combined form (not all services make such ones), its ETag,
// too. When it must not be looked at, or was replaced already, the answer has
// to do. A mismatch is not for call.do to try again: the upload is used up.
func (c *Client) checkComplete(ctx context.Context, k *call, parts []Part, o Object) (Object, error) {
	want, ok := CombinedETag(parts)
	if ok && o.ETag == want {
		return o, nil
	}
	now, err := c.Head(ctx, o.Path)
	isMD5, _ := c.etags.get(o.Path.Resolve().Bucket)
	switch wrong := ok && isMD5 && o.ETag.Multipart(); {
	case err == nil && ok && now.ETag == want && now.Size == o.Size:
		return now, nil
	case wrong && (err == nil || errors.Is(err, fs.ErrPermission)):
		return Object{}, k.badDigest(o.ETag, "its parts make "+string(want))
	case errors.Is(err, fs.ErrPermission) || err == nil && now.ETag != o.ETag:
		c.log.Debug("object not verified", "path", o.Path.String(), "etag", string(o.ETag), "found", string(now.ETag), "error", err)
		return o, nil
	case err != nil:
		return Object{}, err
	case now.Size != o.Size:
		return Object{}, k.badDigest(o.ETag, fmt.Sprintf("it has %d bytes, and its parts %d", now.Size, o.Size))
	}
	return now, nil
}

// badDigest says that what was stored with this ETag is not what was sent.
func (k *call) badDigest(etag ETag, why string) error {
	return &Error{Op: k.op, Path: k.path, Code: BadDigest, Message: "stored with ETag " + string(etag) + ", but " + why}
}

// sentMD5 is badDigest's reason where one body was sent.
func (k *call) sentMD5() string { return "the MD5 sent is " + hex.EncodeToString(k.md5[:]) }
