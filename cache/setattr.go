package cache

import (
	"context"
	"fmt"
	"io/fs"

	"ncloudfs/remote"
)

// SetMeta changes the metadata or content type of a file or directory: with a
// commit of what is staged, else a look at the ACL that is to be kept and a Copy of
// the object onto itself (with a HEAD before it when its metadata is not known), or
// a PUT of the marker. The root of a bucket
// has no marker; what is set there lasts as long as the mount.
func (c *Cache) SetMeta(ctx context.Context, n Name, change func(m remote.Meta, contentType *string)) error {
	if c.writeBack {
		return c.setMetaBehind(ctx, n, nil, change)
	}
	release, err := c.claimName(ctx, n, c.keyOf(n), c.markerOf(n))
	if err != nil {
		return err
	}
	for _, name := range []Name{n, n.marker()} {
		if s := c.stage.take(name); s != nil {
			release()
			defer s.Release()
			s.SetMeta(change)
			return s.Commit(ctx)
		}
	}
	e, read, err := c.describeWithACL(ctx, n)
	var acl *remote.ACL
	if err == nil {
		acl, err = c.keptACL(ctx, read)
	}
	if err == nil && hasGrants(acl) {
		release()
		return c.setMetaBehind(ctx, n, read, change) // between the copy and its ACL, a crash must lose neither
	}
	defer release()
	switch {
	case err != nil:
	case e.Kind == Dir:
		err = c.setDirMeta(ctx, n, e, acl, change)
	case e.Kind == File:
		err = c.setFileMeta(ctx, n, e, acl, change)
	default:
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("set attributes of %q: %w", n, err)
	}
	return nil
}

// describeWithACL describes n, and looks at the ACL that what takes the place of
// its object is to have; for a file, both requests go side by side.
func (c *Cache) describeWithACL(ctx context.Context, n Name) (Entry, *aclRead, error) {
	e, err := c.Stat(ctx, n)
	if err != nil {
		return e, nil, err
	}
	var read *aclRead
	if e.Kind == File {
		read = c.readACL(e.Object.Path)
	}
	if e, err = c.Describe(ctx, n, e); err != nil {
		return e, nil, err
	}
	if e.Kind == Dir && e.Object.ETag != "" { // it has a marker
		read = c.readACL(e.Object.Path)
	}
	return e, read, nil
}

// setMetaBehind is SetMeta in write-back mode, and for an object whose ACL follows
// it, at which read is a look: what has other attributes now is staged.
func (c *Cache) setMetaBehind(ctx context.Context, n Name, read *aclRead, change func(m remote.Meta, contentType *string)) error {
	if err := c.checkParents(n); err != nil {
		return err
	}
	s, err := c.stageForMeta(ctx, n)
	if err != nil {
		return fmt.Errorf("set attributes of %q: %w", n, err)
	}
	if s == nil { // the root, or a marker with data
		e, err := c.Describe(ctx, n, Entry{Kind: Dir})
		var acl *remote.ACL
		if err == nil && e.Object.Size > 0 {
			acl, err = c.keptACL(ctx, c.readACL(e.Object.Path))
		}
		if err != nil {
			return fmt.Errorf("set attributes of %q: %w", n, err)
		}
		return c.setDirMeta(ctx, n, e, acl, change)
	}
	defer s.Release()
	s.keepRead(read)
	s.SetMeta(change)
	return s.Promise(ctx)
}

// stageForMeta returns the file or marker whose attributes are n's, staged; nil
// for the root of a bucket, and for a marker with data. The caller must Release it.
func (c *Cache) stageForMeta(ctx context.Context, n Name) (*Staged, error) {
	for _, name := range []Name{n, n.marker()} {
		if s := c.stage.take(name); s != nil {
			return s, nil
		}
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
		return c.openStaged(n.marker(), StageOptions{Base: Entry{Kind: Dir}, Attr: e.Attr, Meta: e.Object.Meta})
	case e.Kind != File:
		return nil, fs.ErrNotExist
	case e.Staged == nil && e.Object.Size > maxCopySize:
		return nil, remote.ErrTooLarge
	}
	return c.openStaged(n, StageOptions{Base: e})
}

func (c *Cache) setFileMeta(ctx context.Context, n Name, e Entry, acl *remote.ACL, change func(remote.Meta, *string)) error {
	o := e.Object
	o.Meta = e.Attr.Meta(o.Meta) // a copy
	change(o.Meta, &o.ContentType)
	if err := c.makeWay(ctx, o.Path.Key); err != nil {
		return err
	}
	if o.Size > maxCopySize {
		return remote.ErrTooLarge
	}
	o, err := c.copyTo(ctx, o.Path, o, aclHeader(acl))
	if err != nil {
		c.dirs.Forget(n) // perhaps another version by now
		return err
	}
	c.known.Learn(o, true)
	c.dirs.Changed(n, Entry{Kind: File, Object: o})
	return nil
}

func (c *Cache) setDirMeta(ctx context.Context, n Name, e Entry, acl *remote.ACL, change func(remote.Meta, *string)) error {
	key := c.dirKeyOf(n)
	meta, contentType := e.Attr.Meta(e.Object.Meta), ""
	change(meta, &contentType)
	if c.hasNoMarker(n) {
		c.known.Learn(remote.Object{Path: c.path(key), Meta: meta, HasMeta: true}, true)
		return nil
	}
	if o := e.Object; o.Size > 0 { // it has data, too
		o.Meta = meta
		o, err := c.copyTo(ctx, o.Path, o, aclHeader(acl))
		if err == nil && hasGrants(acl) {
			err = c.client.ApplyACL(ctx, o.Path, acl)
		}
		if err == nil {
			c.known.Learn(o, true)
		}
		return err
	}
	return c.putMarker(ctx, n, meta, acl)
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
