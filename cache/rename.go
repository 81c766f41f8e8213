package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"ncloudfs/remote"
)

// Rename moves file from over to, which may exist as a file: a look at its ACL, one
// Copy and one DELETE; none for a file that never reached the bucket. ErrCopyLimit
// for an object of more than 5 GiB.
func (c *Cache) Rename(ctx context.Context, from, to Name) (Move, error) {
	if err := c.checkRename(from, to); err != nil {
		return Move{}, err
	}
	if err := c.checkFile(to); err != nil {
		return Move{}, err
	}
	if c.writeBack && !isTrailing(from) {
		return c.renameBehind(ctx, from, to)
	}
	m, err := c.renameNow(ctx, from, to)
	if u := (*ungranted)(nil); errors.As(err, &u) && u.stays {
		c.oweGrants(ctx, to, u)
	}
	return m, err
}

// renameNow is Rename in sync mode. Of an *ungranted error it leaves what is under
// the new name to the caller.
func (c *Cache) renameNow(ctx context.Context, from, to Name) (Move, error) {
	if err := c.makeWay(ctx, c.keyOf(from), c.keyOf(to)); err != nil {
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	release, err := c.claimNames(ctx, from, to, c.keyOf(from), c.keyOf(to))
	if err != nil {
		return Move{}, err
	}
	defer release()
	s := c.stage.take(from)
	defer func() { s.Release() }() // not to leave the stage meanwhile
	giveBack, err := c.stage.reserveRecords()
	if err != nil {
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	defer giveBack()
	var replaced remote.Object
	if s != nil && s.Committed().Path.Key == "" {
		if replaced, err = c.replacedBy(ctx, to); err != nil {
			return Move{}, err
		}
	}
	saved, err := c.savedOver(ctx, from, to)
	if err != nil {
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	s.noteMove(to)
	m, err := c.moveObject(ctx, from, to, copyOf{saved: saved, attrs: s.waiting()})
	if err == nil && m.isEmpty() && s != nil && s.mayExist() {
		err = c.delete(ctx, c.path(c.keyOf(from))) // what an upload with a lost answer left
	}
	if err != nil {
		s.noteMove("")
		c.dirs.Forget(to) // perhaps overwritten
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	if old := c.stage.take(to); old != nil {
		old.hide() // its object is overwritten
		old.Release()
	}
	if s == nil {
		s = c.stage.take(from) // opened for writing meanwhile
	}
	if s != nil {
		s.rename(from, to, m, replaced)
		if m.isEmpty() {
			s.keepACLOf(saved)
		}
	}
	c.moveCreated(c.keyOf(from), c.keyOf(to), saved.Key != "")
	c.dropRemoval(c.path(c.keyOf(to)))
	if s != nil && m.isEmpty() {
		c.dirs.Pin(to)
	} else {
		c.dirs.Changed(to, Entry{Kind: File, Object: m.To})
	}
	c.removed(from) // last: for a moment there are both, never neither
	return m, nil
}

// claimNames is claimName for two names.
func (c *Cache) claimNames(ctx context.Context, from, to Name, keys ...string) (release func(), err error) {
	release, err = c.claimName(ctx, from, keys...)
	if err != nil {
		return nil, err
	}
	if err := c.checkPlace(ctx, to); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// Move is one object that a rename has moved: the version that was copied and
// the copy. It is zero where the bucket had none.
// Staged is the file where nothing was moved yet, but will be.
type Move struct {
	From, To remote.Object
	Staged   *Staged

	carries uint64 // the value of Staged.changes whose attributes the copy has; 0: it has those of before
}

func (m Move) isEmpty() bool { return m.To.Path.Key == "" }

// copyOf is how the copy of an object differs from it.
type copyOf struct {
	saved remote.Path   // the object whose ACL it gets; Key empty: its own
	attrs *waitingAttrs // nil: the same
}

// moveObject copies the object of from, if the bucket has one, to the key of to
// and deletes the original.
func (c *Cache) moveObject(ctx context.Context, from, to Name, how copyOf) (Move, error) {
	old, err := c.objectOf(ctx, from)
	if err != nil || old.Path.Key == "" {
		return Move{}, err
	}
	if o := c.stage.Of(to); o != nil {
		o.noteReplaced(old.ETag)
	}
	copied, err := c.copyObject(ctx, old, c.path(c.keyOf(to)), how)
	if errors.Is(err, remote.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
		c.dirs.Forget(from) // written elsewhere: the newest is what is renamed
		how.attrs = nil     // which were set on another version
		if old, err = c.client.Head(ctx, old.Path); err == nil {
			copied, err = c.copyObject(ctx, old, c.path(c.keyOf(to)), how)
		}
	}
	if u := (*ungranted)(nil); errors.As(err, &u) {
		err = c.undoCopy(ctx, to, u)
	}
	if err != nil {
		return Move{}, err
	}
	return Move{From: old, To: copied, carries: how.attrs.of()}, c.delete(ctx, old.Path)
}

// objectOf returns the version of n that the bucket holds; its Path is empty
// when it holds none.
func (c *Cache) objectOf(ctx context.Context, n Name) (remote.Object, error) {
	if s := c.stage.Of(n); s != nil {
		return s.Committed(), nil
	}
	e, err := c.Stat(ctx, n)
	if err == nil && e.Kind != File {
		err = fs.ErrNotExist
	}
	return e.Object, err
}

// copyObject copies one version with its metadata and ACL, or what how says; what
// is cached of it serves the copy.
func (c *Cache) copyObject(ctx context.Context, old remote.Object, to remote.Path, how copyOf) (remote.Object, error) {
	if old.Size > maxCopySize {
		return remote.Object{}, ErrCopyLimit
	}
	acl, err := c.aclForCopy(ctx, old, how.saved)
	if err != nil {
		return remote.Object{}, err
	}
	old, _ = c.known.Complete(old)
	o := remote.CopyOptions{IfMatch: old.ETag, ACL: aclHeader(acl)}
	if how.attrs != nil {
		old.Meta, old.ContentType, old.HasMeta = how.attrs.meta, how.attrs.contentType, true
	}
	contentType := retype(old, to)
	if contentType != old.ContentType || how.attrs != nil {
		o.Replace, o.Meta, o.ContentType = true, old.Meta, contentType
	}
	etag := old.ETag
	if etag.Multipart() {
		etag = "" // the copy gets another one
	}
	if hasGrants(acl) {
		if err := c.noteGrants(to.Key, old, acl); err != nil {
			return remote.Object{}, err
		}
	}
	defer c.sends.begin(to.Key, etag)()
	c.keepOrder(to.Key)
	step("copy")
	copied, err := c.client.Copy(ctx, to, old.Path, o)
	step("copy-done")
	if err != nil {
		c.endGrants(to.Key, nil)
		return remote.Object{}, err
	}
	copied.Path, copied.Size, copied.Meta, copied.ContentType, copied.HasMeta = to, old.Size, old.Meta, contentType, old.HasMeta
	if hasGrants(acl) {
		step("acl")
		if err := c.client.ApplyACL(ctx, to, acl); err != nil {
			return remote.Object{}, &ungranted{acl: acl, err: err}
		}
		c.endGrants(to.Key, nil)
	}
	if copied.HasMeta {
		c.known.Learn(copied, true)
	}
	c.moveContent(old, copied)
	return copied, nil
}

// replacedBy returns what the bucket has under a name that a file, not in the
// bucket itself, is renamed to: a late upload may replace that.
func (c *Cache) replacedBy(ctx context.Context, to Name) (remote.Object, error) {
	if old := c.stage.Of(to); old != nil {
		return old.replaceable(), nil
	}
	if removed := c.removals.version(c.path(c.keyOf(to))); removed.Path.Key != "" {
		return removed, nil
	}
	o, err := c.objectOf(ctx, to)
	if errors.Is(err, fs.ErrNotExist) {
		return remote.Object{}, nil
	}
	return o, err
}

// replaceable returns the version that a late upload of the file may replace.
func (s *Staged) replaceable() remote.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.object.Path.Key == "" {
		return s.replacing
	}
	return s.object
}

// rename follows a move of the file's object. Where another client's version
// was moved, the base stays what it was: it is gone, and the next read or
// commit that needs it says so.
func (s *Staged) rename(from, to Name, m Move, replaced remote.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlinked {
		return // it has just left the stage
	}
	s.c.stage.move(from, to, s)
	s.name, s.movingTo, s.replacing, s.made, s.older = to, "", replaced, nil, nil
	s.wasSent = true // an older object may have the new name
	switch {
	case m.isEmpty():
	case s.object.ETag != m.From.ETag:
		s.object.Path = m.To.Path // ours is gone: what needs it says so
		s.followsLocked(m.To.Path)
	default:
		s.object = m.To
		s.followsLocked(m.To.Path)
		if m.To.HasMeta {
			s.contentType = m.To.ContentType
		}
		if s.base.Path.Key != "" && s.base.ETag == m.From.ETag {
			s.setBaseLocked(m.To)
		}
		s.carriedLocked(m.carries)
	}
	if s.watched && !s.dirtyLocked() { // nothing of the old name can take effect any more: see makeWay
		s.watched = false
		s.noteDoneLocked()
	}
	s.noteNameLocked()
}

// makeWay is settleBelow for single keys that are about to be replaced, moved or
// deleted.
func (c *Cache) makeWay(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := c.commitDependents(ctx, key); err != nil {
			return err
		}
	}
	return c.sends.settled(ctx, keys...)
}
