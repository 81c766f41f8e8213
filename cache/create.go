package cache

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"ncloudfs/remote"
)

// CheckName refuses what cannot become the key of a file: too long, or not UTF-8.
func (c *Cache) CheckName(n Name) error {
	switch {
	case c.isBucket(n):
		return fmt.Errorf("create %q: %w", n, ErrNoFileHere)
	case !utf8.ValidString(string(n)), !n.isName():
		return fmt.Errorf("create %q: %w", n, ErrBadName)
	}
	return c.checkLength(n, c.keyOf(n))
}

// checkDir is CheckName for a directory, whose marker is a byte longer.
func (c *Cache) checkDir(n Name) error {
	if err := c.CheckName(n); err != nil {
		return err
	}
	return c.checkLength(n, c.dirKeyOf(n))
}

func (c *Cache) checkLength(n Name, key string) error {
	if len(c.path(key).Resolve().Key) > remote.MaxKeyLength {
		return fmt.Errorf("create %q: %w", n, ErrNameTooLong)
	}
	return nil
}

// checkFile is CheckName for a file that is to be written.
func (c *Cache) checkFile(n Name) error {
	if isTrailing(n) {
		return fmt.Errorf("write %q: %w", n, ErrMarkerFile)
	}
	return c.CheckName(n)
}

// Mkdir stores the marker of a new directory: one PUT, in write-back mode behind.
// In the root of an account it makes a bucket.
func (c *Cache) Mkdir(ctx context.Context, n Name, a Attr) error {
	if c.isBucket(n) {
		return c.makeBucket(ctx, n)
	}
	if err := c.checkDir(n); err != nil {
		return err
	}
	if n.isPiece() {
		c.dirs.Created(n) // it is there with its first file
		return nil
	}
	if c.writeBack {
		return c.storeBehind(ctx, n, n.marker(), nil, a)
	}
	release, err := c.claimName(ctx, n, c.dirKeyOf(n))
	if err != nil {
		return err
	}
	defer release()
	c.noteCreated(c.dirKeyOf(n))
	if err := c.putMarker(ctx, n, a.Meta(nil)); err != nil {
		c.dirs.Forget(n) // perhaps it was made
		return fmt.Errorf("make directory %q: %w", n, err)
	}
	c.dirs.Created(n)
	return nil
}

// storeBehind stages what n is to be, under the name staged.
func (c *Cache) storeBehind(ctx context.Context, n, staged Name, body []byte, a Attr) error {
	release, err := c.ClaimName(ctx, n)
	if err != nil {
		return err
	}
	defer release()
	s, err := c.openStaged(staged, StageOptions{Attr: a})
	if err != nil {
		return err
	}
	defer s.Release()
	if len(body) > 0 {
		if _, err := s.WriteAt(body, 0); err != nil {
			return err
		}
	}
	return s.Promise(ctx)
}

// putMarker writes a new marker of a directory, and remembers it.
func (c *Cache) putMarker(ctx context.Context, n Name, meta remote.Meta) error {
	p, begun := c.path(c.dirKeyOf(n)), time.Now()
	step("put")
	o, err := c.client.Put(ctx, p, bytes.NewReader(nil), 0, remote.PutOptions{ContentType: markerType, Meta: meta, ACL: aclHeader(c.acl)})
	if err != nil {
		return err
	}
	o.Path, o.Meta, o.ContentType, o.HasMeta = p, meta, markerType, true
	c.known.Learn(o, true)
	c.noteMade(o, begun)
	return nil
}

// Store makes a whole small file at once, as symbolic links and special files
// need it: one PUT.
func (c *Cache) Store(ctx context.Context, n Name, body []byte, a Attr) error {
	if err := c.checkFile(n); err != nil {
		return err
	}
	if c.writeBack {
		return c.storeBehind(ctx, n, n, body, a)
	}
	p := c.path(c.keyOf(n))
	release, err := c.claimName(ctx, n, p.Key)
	if err != nil {
		return err
	}
	defer release()
	meta, contentType, begun := a.Meta(nil), typeByName(p.Key), time.Now()
	c.noteCreated(p.Key)
	defer c.sends.begin(p.Key, "")()
	c.keepOrder(p.Key)
	step("put")
	o, err := c.client.Put(ctx, p, bytes.NewReader(body), int64(len(body)), remote.PutOptions{ContentType: contentType, Meta: meta, ACL: aclHeader(c.acl)})
	if err != nil {
		c.dirs.Forget(n) // perhaps it was made
		return fmt.Errorf("create %q: %w", n, err)
	}
	o.Path, o.Size, o.Meta, o.ContentType, o.HasMeta = p, int64(len(body)), meta, contentType, true
	c.noteMade(o, begun)
	c.dropRemoval(p)
	c.blocks.Store(versionOf(o), body)
	c.known.Learn(o, true)
	c.dirs.Changed(n, Entry{Kind: File, Object: o})
	return nil
}

// maxLink is the longest target of a symbolic link (PATH_MAX of Linux).
const maxLink = 4096

// ReadAll returns the bytes of a small file, at most maxLink of them. What is
// staged of it must be retained.
func (c *Cache) ReadAll(ctx context.Context, e Entry) ([]byte, error) {
	o := e.Object
	if e.Staged != nil && o.Size <= maxLink {
		body := make([]byte, o.Size)
		if n, err := e.Staged.ReadAt(ctx, body, 0); n < len(body) {
			return nil, cmp.Or(err, io.ErrUnexpectedEOF)
		}
		return body, nil
	}
	if o.Size > maxLink {
		return nil, fmt.Errorf("read %s: %w", o.Path, remote.ErrTooLarge)
	}
	r := c.Reader(o)
	defer r.Close()
	chunk, err := r.Read(ctx, 0, int(o.Size))
	if err != nil {
		return nil, err
	}
	defer chunk.Release()
	body := make([]byte, o.Size)
	if chunk.CopyTo(body) < len(body) {
		return nil, io.ErrUnexpectedEOF
	}
	return body, nil
}
