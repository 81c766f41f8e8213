package cache

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

const (
	// uploadsInFlight is how many parts of one file are on their way at once.
	uploadsInFlight = 8

	// maxBuffered is the largest part that is read into memory before it is
	// sent; parts of 32 MiB suffice for objects of 320 GB.
	maxBuffered = 32 << 20

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
			return now, err
		}
	}
	if !snap.dataChanged {
		return c.replaceMeta(ctx, snap.object, snap.meta, snap.contentType)
	}
	p := c.path(c.keyOf(snap.name))
	o := remote.PutOptions{ContentType: snap.contentType, Meta: snap.meta}
	var stored remote.Object
	var err error
	if parts := plan(snap.size, c.partSize); parts == nil {
		stored, err = c.putWhole(ctx, p, snap, o)
	} else {
		stored, err = c.putParts(ctx, p, snap, parts, o)
	}
	if err != nil {
		return remote.Object{}, err
	}
	stored.Size, stored.Meta, stored.ContentType, stored.HasMeta = snap.size, snap.meta, snap.contentType, true
	return stored, nil
}

// checkBase makes sure, right before the commit of an edit, that the object is
// still the version whose bytes were taken over.
func (c *Cache) checkBase(ctx context.Context, snap *snapshot) error {
	if !snap.usesBase() {
		return nil
	}
	now, err := c.client.Head(ctx, snap.base.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("removed elsewhere while it was edited: %w", remote.ErrChanged)
	case err != nil:
		return err
	case now.ETag != snap.base.ETag:
		return fmt.Errorf("written elsewhere while it was edited: %w", remote.ErrChanged)
	}
	return nil
}

// putWhole sends a small file with one PUT.
func (c *Cache) putWhole(ctx context.Context, p remote.Path, snap *snapshot, o remote.PutOptions) (remote.Object, error) {
	body, free, err := c.buffer(ctx, snap, 0, snap.size)
	if err != nil {
		return remote.Object{}, err
	}
	defer free()
	if err := c.checkBase(ctx, snap); err != nil {
		return remote.Object{}, err
	}
	if snap.usesBase() {
		snap.noteSending(remote.ETag(fmt.Sprintf("%x", md5.Sum(body))))
	}
	stored, err := c.client.Put(ctx, p, bytes.NewReader(body), snap.size, o)
	if err == nil && snap.size <= keptAfterPut {
		c.blocks.Store(Version{Path: p, ETag: stored.ETag, Size: snap.size}, body)
	}
	return stored, err
}

// putParts sends a large file in parts, side by side; a failed upload is
// aborted, since unfinished ones are kept and billed for ever. One that the
// service has forgotten, or some of its parts, is begun anew once.
func (c *Cache) putParts(ctx context.Context, p remote.Path, snap *snapshot, parts []part, o remote.PutOptions) (remote.Object, error) {
	stored, err := c.tryParts(ctx, p, snap, parts, o)
	if isForgotten(err) {
		stored, err = c.tryParts(ctx, p, snap, parts, o)
	}
	return stored, err
}

// isForgotten reports that the service does not know the upload, or not its
// parts, any more.
func isForgotten(err error) bool {
	switch remote.CodeOf(err) {
	case remote.NoSuchUpload, remote.InvalidPart, remote.InvalidPartOrder, remote.EntityTooSmall:
		return true
	}
	return false
}

func (c *Cache) tryParts(ctx context.Context, p remote.Path, snap *snapshot, parts []part, o remote.PutOptions) (remote.Object, error) {
	up, err := c.begin(ctx, p, o)
	if err != nil {
		return remote.Object{}, err
	}
	snap.s.noteUpload(up.ID())
	stored, err := c.sendParts(ctx, up, snap, parts)
	if err != nil {
		c.abort(ctx, up)
	}
	return stored, err
}

// begin starts an upload. When ctx ends before the answer, the answer is
// awaited behind, and the upload aborted.
func (c *Cache) begin(ctx context.Context, p remote.Path, o remote.PutOptions) (*remote.Upload, error) {
	var err error
	began := make(chan *remote.Upload)
	c.commits.Go(func() {
		var up *remote.Upload
		up, err = c.client.Begin(c.ctx, p, o)
		select {
		case began <- up:
		case <-ctx.Done():
			if up != nil {
				c.abort(ctx, up)
			}
		}
	})
	select {
	case up := <-began:
		return up, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// abort removes an unfinished upload.
func (c *Cache) abort(ctx context.Context, up *remote.Upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if err := up.Abort(ctx); err != nil {
		c.log.Warn("an unfinished upload remains in the bucket", "upload", up.ID(), "err", err)
	}
}

func (c *Cache) sendParts(ctx context.Context, up *remote.Upload, snap *snapshot, parts []part) (remote.Object, error) {
	sent := make([]remote.Part, len(parts))
	g, partCtx := errgroup.WithContext(ctx)
	g.SetLimit(uploadsInFlight)
	for i, part := range parts {
		if partCtx.Err() != nil {
			break
		}
		g.Go(func() error {
			var err error
			sent[i], err = c.sendPart(partCtx, up, snap, part)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return remote.Object{}, err
	}
	if err := c.checkBase(ctx, snap); err != nil {
		return remote.Object{}, err
	}
	snap.noteSending(combined(sent))
	return up.Complete(ctx, sent)
}

func (c *Cache) sendPart(ctx context.Context, up *remote.Upload, snap *snapshot, p part) (remote.Part, error) {
	if p.size > maxBuffered {
		return up.Part(ctx, p.number, io.NewSectionReader(snap, p.off, p.size), p.size)
	}
	body, free, err := c.buffer(ctx, snap, p.off, p.size)
	if err != nil {
		return remote.Part{}, err
	}
	defer free()
	return up.Part(ctx, p.number, bytes.NewReader(body), p.size)
}

// buffer reads a range of the snapshot into memory, when there is room: what
// is sent is then one state of the bytes, however often it is sent.
func (c *Cache) buffer(ctx context.Context, snap *snapshot, off, size int64) (body []byte, free func(), err error) {
	if err := c.sending.Acquire(ctx, min(size, c.sendingLimit)); err != nil {
		return nil, nil, err
	}
	body = c.bodies.get(size)
	free = func() {
		c.bodies.put(body)
		c.sending.Release(min(size, c.sendingLimit))
	}
	if _, err := snap.readAt(ctx, body, off); err != nil {
		free()
		return nil, nil, err
	}
	return body, free, nil
}

// replaceMeta gives o other metadata by copying it onto itself.
func (c *Cache) replaceMeta(ctx context.Context, o remote.Object, meta remote.Meta, contentType string) (remote.Object, error) {
	if o.Size > maxCopySize {
		return remote.Object{}, remote.ErrTooLarge
	}
	stored, err := c.client.Copy(ctx, o.Path, o.Path,
		remote.CopyOptions{IfMatch: o.ETag, Replace: true, Meta: meta, ContentType: contentType})
	if err != nil {
		return remote.Object{}, err
	}
	stored.Size, stored.Meta, stored.ContentType, stored.HasMeta = o.Size, meta, contentType, true
	c.moveContent(o, stored)
	return stored, nil
}

// moveContent lets what is cached of old serve now, a copy of ours of the same
// bytes.
func (c *Cache) moveContent(old, now remote.Object) {
	if versionOf(old) != versionOf(now) {
		c.blocks.Move(versionOf(old), versionOf(now))
	}
}
