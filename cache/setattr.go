package cache

import (
	"context"
	"fmt"
	"io/fs"

	"ncloudfs/remote"
)

// SetMeta changes the metadata or content type of a file or directory. The mount
// shows it at once; the bucket has it with the next upload or rename of the file,
// at the latest after attrsTime, with a look at the ACL that is to be kept and a
// Copy of the object onto itself (with a HEAD now when its metadata is not known),
// or a PUT of the marker. A crash in between does not lose it. The root of a bucket
// has no marker; what is set there lasts as long as the mount.
func (c *Cache) SetMeta(ctx context.Context, n Name, change func(m remote.Meta, contentType *string)) error {
	s, err := c.changeMeta(ctx, n, change)
	if err != nil {
		return fmt.Errorf("set attributes of %q: %w", n, err)
	}
	if s == nil {
		return nil
	}
	defer s.Release()
	return s.Promise(ctx)
}

// changeMeta carries SetMeta out on what is staged of n, which the caller must
// Release; nil for what is not staged, where all is done.
func (c *Cache) changeMeta(ctx context.Context, n Name, change func(m remote.Meta, contentType *string)) (*Staged, error) {
	s := c.takeEither(n)
	if s == nil {
		release, err := c.keepNamed(ctx, n)
		if err != nil {
			return nil, err
		}
		defer release()
		if s, err = c.stageForMeta(ctx, n); err != nil {
			return nil, err
		}
	}
	if s == nil { // the root, or a marker with data
		return nil, c.setDirMeta(ctx, n, change)
	}
	if err := s.checkMeta(change); err != nil {
		s.Release()
		return nil, err
	}
	s.SetMeta(change)
	return s, nil
}

// keepNamed keeps n from being moved or removed until it is released; with
// write-back the kernel has to, as it does for one that it asks to change.
func (c *Cache) keepNamed(ctx context.Context, n Name) (release func(), err error) {
	if c.writeBack {
		return func() {}, c.checkParents(n)
	}
	return c.claimName(ctx, n, c.keyOf(n), c.markerOf(n))
}

// takeEither returns what is staged of the file or directory n with one more user,
// or nil.
func (c *Cache) takeEither(n Name) *Staged {
	if s := c.stage.take(n); s != nil {
		return s
	}
	return c.stage.take(n.marker())
}

// stageForMeta returns the file or marker whose attributes are n's, staged; nil
// for the root of a bucket, and for a marker with data. The caller must Release it.
func (c *Cache) stageForMeta(ctx context.Context, n Name) (*Staged, error) {
	if s := c.takeEither(n); s != nil {
		return s, nil
	}
	e, err := c.Stat(ctx, n)
	if err == nil {
		e, err = c.Describe(ctx, n, e)
	}
	switch {
	case err != nil:
		return nil, err
	case e.Kind == Dir && (c.hasNoMarker(n) || e.Object.Size > 0):
		return nil, nil
	case e.Kind == Dir:
		return c.openStaged(n.marker(), StageOptions{Base: Entry{Kind: Dir, Object: e.Object}, Attr: e.Attr, Meta: e.Object.Meta})
	case e.Kind != File:
		return nil, fs.ErrNotExist
	case e.Staged == nil && e.Object.Size > maxCopySize:
		return nil, remote.ErrTooLarge
	}
	return c.openStaged(n, StageOptions{Base: e})
}

// checkMeta refuses what no object can carry.
func (s *Staged) checkMeta(change func(m remote.Meta, contentType *string)) error {
	s.mu.Lock()
	meta, contentType := s.attr.Meta(s.meta), s.contentType
	s.mu.Unlock()
	change(meta, &contentType)
	size := 0
	for name, value := range meta {
		size += len(name) + len(value)
	}
	if size > maxMeta {
		return &remote.Error{Op: "COPY", Path: s.Entry().Object.Path, Code: remote.MetadataTooLarge}
	}
	return nil
}

// setDirMeta is SetMeta for a directory that cannot be staged, for the holder of
// its claim: the root of a bucket, or one whose marker has data.
func (c *Cache) setDirMeta(ctx context.Context, n Name, change func(remote.Meta, *string)) error {
	e, err := c.Stat(ctx, n)
	if err == nil {
		e, err = c.Describe(ctx, n, e)
	}
	if err != nil {
		return err
	}
	o, contentType := e.Object, ""
	o.Meta = e.Attr.Meta(o.Meta)
	change(o.Meta, &contentType)
	if c.hasNoMarker(n) {
		c.known.Learn(remote.Object{Path: c.path(c.dirKeyOf(n)), Meta: o.Meta, HasMeta: true}, true)
		return nil
	}
	acl, err := c.keptACL(ctx, c.readACL(o.Path))
	if err != nil {
		return err
	}
	o, err = c.copyTo(ctx, o.Path, o, aclHeader(acl))
	if err == nil && hasGrants(acl) {
		err = c.client.ApplyACL(ctx, o.Path, acl)
	}
	if err == nil {
		c.known.Learn(o, true)
	}
	return err
}

// SetAttr changes attributes; see SetMeta for its requests.
func (c *Cache) SetAttr(ctx context.Context, n Name, change func(*Attr)) error {
	return c.SetMeta(ctx, n, func(m remote.Meta, _ *string) {
		a := ParseAttr(m)
		change(&a)
		clearAttr(m)
		for k, v := range a.Meta(nil) {
			m[k] = v
		}
	})
}

func clearAttr(m remote.Meta) {
	for _, name := range []string{metaMode, metaUID, metaGID, metaMtime, metaAtime, metaCtime, metaXattr, metaRdev} {
		delete(m, name)
	}
}
