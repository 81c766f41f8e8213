package cache

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"ncloudfs/remote"
)

const (
	// uploadsInFlight is how many parts are on their way at once, at first.
	uploadsInFlight = 16

	// maxBuffered is the largest part that is read into memory before it is
	// sent; parts of 128 MiB suffice for objects of 230 GB.
	maxBuffered = 128 << 20

	// abortTime bounds the cleaning up after a failed upload.
	abortTime = 30 * time.Second

	// keptAfterPut is up to which size a file's bytes stay in memory as blocks
	// once they are in the bucket.
	keptAfterPut = 4 << 20
)

// send stores the snapshot as the object of its name.
func (c *Cache) send(ctx context.Context, snap *snapshot) (remote.Object, error) {
	if snap.size > MaxFileSize {
		return remote.Object{}, remote.ErrTooLarge
	}
	if snap.isLate {
		if now, err := c.comeLate(ctx, snap); now.Path.Key != "" || err != nil {
			u := snap.s.unfinished()
			if err == nil {
				c.recallACL(snap)
			}
			snap.metaLags = err == nil && u != nil && u.Early && now.Size <= maxCopySize && !maps.Equal(now.Meta, snap.meta)
			return now, err
		}
	}
	if err := c.chooseACL(ctx, snap); err != nil {
		return remote.Object{}, err
	}
	p := c.path(c.keyOf(snap.name))
	switch {
	case snap.isCopy():
		return c.copyBase(ctx, p, snap)
	case !snap.dataChanged:
		return remote.Object{}, remote.ErrTooLarge
	}
	return c.sendBytes(ctx, p, snap)
}

// isCopy reports whether the snapshot is stored by a copy of its base. Of an empty
// file it is a PUT, which needs no other object.
func (s *snapshot) isCopy() bool {
	return s.isBase() && s.base.Size <= maxCopySize && (s.size > 0 || !s.dataChanged)
}

// sendBytes stores the snapshot under p.
func (c *Cache) sendBytes(ctx context.Context, p remote.Path, snap *snapshot) (remote.Object, error) {
	o := snap.putOptions()
	snap.carried = o.ACL
	var stored remote.Object
	var err error
	if parts := plan(snap.size, c.partSize); parts == nil {
		if stored, err = c.putWhole(ctx, p, snap, o); err == nil {
			stored.Meta, stored.ContentType = snap.meta, snap.contentType
		}
	} else {
		stored, err = c.putParts(ctx, p, snap, parts, o)
	}
	if err != nil {
		return remote.Object{}, err
	}
	stored.Size, stored.HasMeta = snap.size, true
	return stored, nil
}

func (s *snapshot) putOptions() remote.PutOptions {
	return remote.PutOptions{ContentType: s.contentType, Meta: s.meta, ACL: aclHeader(s.acl)}
}

// checkBase makes sure, right before the commit of an edit, that the object is
// still the version whose bytes were taken over.
func (c *Cache) checkBase(ctx context.Context, snap *snapshot) error {
	if snap.diverted || !snap.usesBase() {
		return nil
	}
	now, err := c.client.Head(ctx, snap.base.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errRemovedElsewhere()
	case err != nil:
		return err
	case now.ETag != snap.base.ETag:
		return errWrittenElsewhere()
	}
	return nil
}

func errRemovedElsewhere() error {
	return fmt.Errorf("removed elsewhere while it was edited: %w", remote.ErrChanged)
}

func errWrittenElsewhere() error {
	return fmt.Errorf("written elsewhere while it was edited: %w", remote.ErrChanged)
}

// putWhole sends a small file with one PUT. When its base has changed, the
// error is a rescued one: the bytes are all here, and can be stored elsewhere.
func (c *Cache) putWhole(ctx context.Context, p remote.Path, snap *snapshot, o remote.PutOptions) (remote.Object, error) {
	snap.s.dropUpload() // begun for a larger file
	body, free, err := c.buffer(ctx, &snap.view, 0, snap.size)
	if err != nil {
		return remote.Object{}, err
	}
	defer free()
	if !snap.asItIs && !snap.isStill() {
		return remote.Object{}, errWritten
	}
	stored, err := c.putOver(ctx, p, snap, body, o)
	if errors.Is(err, remote.ErrChanged) {
		err = &rescued{err, bytes.Clone(body)}
	}
	return stored, err
}

// putOver is putBody over the base of an edit only: by one request where the
// service honours If-Match, else with a look at it just before.
func (c *Cache) putOver(ctx context.Context, p remote.Path, snap *snapshot, body []byte, o remote.PutOptions) (remote.Object, error) {
	if !snap.diverted && snap.usesBase() && p == snap.base.Path && c.client.Findings().ConditionalPut {
		o.IfMatch = snap.base.ETag
		stored, err := c.putBody(ctx, p, snap, body, o)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return stored, errRemovedElsewhere()
		case errors.Is(err, remote.ErrChanged):
			return stored, errWrittenElsewhere()
		case !errors.Is(err, errors.ErrUnsupported):
			return stored, err
		}
		o.IfMatch = ""
	}
	if err := c.checkBase(ctx, snap); err != nil {
		return remote.Object{}, err
	}
	return c.putBody(ctx, p, snap, body, o)
}

// putBody sends the whole snapshot, which is body.
func (c *Cache) putBody(ctx context.Context, p remote.Path, snap *snapshot, body []byte, o remote.PutOptions) (remote.Object, error) {
	sum := md5.Sum(body)
	o.MD5 = sum[:]
	etag := remote.ETag(hex.EncodeToString(sum[:]))
	defer c.sends.begin(p.Key, etag)()
	snap.noteSending(etag)
	c.keepOrder(p.Key)
	step("put")
	stored, err := c.client.Put(ctx, p, bytes.NewReader(body), snap.size, o)
	if err == nil && snap.size <= keptAfterPut {
		v := Version{Path: p, ETag: stored.ETag, Size: snap.size}
		c.blocks.Store(v, body)
		c.tier.offerAll(v)
	}
	step("put-done")
	return stored, err
}

// buffer reads a range of the file into memory, when there is room: what
// is sent is then one state of the bytes, however often it is sent.
func (c *Cache) buffer(ctx context.Context, v *view, off, size int64) (body []byte, free func(), err error) {
	giveBack, err := c.borrow(ctx, min(size, c.blocks.lendable()))
	if err != nil {
		return nil, nil, err
	}
	c.inFlight.Add(size)
	body = c.bodies.get(size)
	free = func() {
		c.bodies.put(body)
		c.inFlight.Add(-size)
		giveBack()
	}
	if _, err := v.readAt(ctx, body, off); err != nil {
		free()
		return nil, nil, err
	}
	return body, free, nil
}

// borrow takes n bytes of memory for a body.
func (c *Cache) borrow(ctx context.Context, n int64) (giveBack func(), err error) {
	if err := c.sending.Acquire(ctx, n); err != nil {
		return nil, err
	}
	if err := c.blocks.borrow(ctx, n); err != nil {
		c.sending.Release(n)
		return nil, err
	}
	return func() {
		c.blocks.giveBack(n)
		c.sending.Release(n)
	}, nil
}

// copyBase makes an object of a snapshot that is a whole object already: another
// name or other metadata.
func (c *Cache) copyBase(ctx context.Context, p remote.Path, snap *snapshot) (remote.Object, error) {
	base := snap.base
	base.Meta, base.ContentType = snap.meta, snap.contentType
	if !base.ETag.Multipart() {
		snap.noteSending(base.ETag)
	}
	snap.carried = aclHeader(snap.acl)
	return c.copyTo(ctx, p, base, snap.carried)
}

// copyTo copies the version o, with the metadata and content type that o has
// here and a canned ACL, to p. What is cached of it serves the copy.
func (c *Cache) copyTo(ctx context.Context, p remote.Path, o remote.Object, acl string) (remote.Object, error) {
	stored, err := c.sendCopy(ctx, p, o, acl)
	if err == nil {
		c.moveContent(o, stored)
	}
	return stored, err
}

// sendCopy is copyTo where o stays: so does what is cached of it.
func (c *Cache) sendCopy(ctx context.Context, p remote.Path, o remote.Object, acl string) (remote.Object, error) {
	etag := o.ETag
	if etag.Multipart() {
		etag = "" // the copy gets another one
	}
	defer c.sends.begin(p.Key, etag)()
	c.keepOrder(p.Key)
	step("copy")
	stored, err := c.client.Copy(ctx, p, o.Path,
		remote.CopyOptions{IfMatch: o.ETag, Replace: true, Meta: o.Meta, ContentType: o.ContentType, ACL: acl})
	if err != nil {
		return remote.Object{}, err
	}
	step("copy-done")
	stored.Path, stored.Size, stored.Meta, stored.ContentType, stored.HasMeta = p, o.Size, o.Meta, o.ContentType, true
	return stored, nil
}

// moveContent lets what is cached of old serve now, a copy of ours of the same
// bytes.
func (c *Cache) moveContent(old, now remote.Object) {
	if versionOf(old) != versionOf(now) {
		c.blocks.Move(versionOf(old), versionOf(now))
		c.tier.move(versionOf(old), versionOf(now))
	}
}
