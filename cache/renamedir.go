package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"ncloudfs/remote"
)

// RenameDir moves directory from to to, which may exist if it is empty: list
// pages, a Copy for each object, and batched deletes. When copying fails, what
// was copied is deleted again and nothing has changed. ErrCopyLimit when an
// object below is larger than the service copies, ErrRenameLimit when there are too
// many. It returns what was moved by its former name.
func (c *Cache) RenameDir(ctx context.Context, from, to Name) (map[Name]Move, error) {
	if err := c.checkRename(from, to); err != nil {
		return nil, err
	}
	if err := c.checkDir(to); err != nil {
		return nil, err
	}
	if from.isPiece() || to.isPiece() {
		return nil, fmt.Errorf("rename %q to %q: %w", from, to, ErrPartOfNames)
	}
	still, err := c.claimMoving(ctx, []Name{from, to}, c.dirKeyOf(from), c.dirKeyOf(to))
	if err != nil {
		return nil, err
	}
	defer still()
	if err := errors.Join(c.settleBelow(ctx, from), c.settleBelow(ctx, to)); err != nil {
		return nil, fmt.Errorf("rename directory %q to %q: %w", from, to, err)
	}
	release, err := c.claimNames(ctx, from, to, c.dirKeyOf(from), c.dirKeyOf(to))
	if err != nil {
		return nil, err
	}
	defer release()
	hasMarker, err := c.checkEmpty(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	objects, err := c.allBelow(ctx, from, c.renameLimit)
	if err != nil {
		return nil, fmt.Errorf("rename directory %q to %q: %w", from, to, err)
	}
	staged := c.stage.takeUnder(from)
	defer func() {
		for _, s := range staged {
			s.Release()
		}
	}()
	for _, s := range staged {
		if name, _ := s.Name(); name.In(from) {
			s.noteMove(name.Rebase(from, to))
		}
	}
	undo := func(err error) (map[Name]Move, error) {
		for _, s := range staged {
			s.noteMove("")
		}
		c.dirs.ForgetTree(to)
		c.dirs.Forget(to) // perhaps there is something now
		return nil, fmt.Errorf("rename directory %q to %q: %w", from, to, err)
	}
	isThere, _ := c.Peek(to)
	m := c.beginMove(from, to, isThere.Kind == Dir)
	defer m.end()
	if len(objects) == 0 { // only this mount knew the directory
		if err := c.putMarker(ctx, to, nil); err != nil {
			return undo(err)
		}
		m.show(nil)
		return nil, nil
	}
	if err := m.note(); err != nil {
		return undo(err)
	}
	copies, err := m.copy(ctx, objects, nil)
	if err == nil {
		err = m.noteCopied()
	}
	if err != nil {
		return undo(errors.Join(err, m.undo(ctx, objects, hasMarker)))
	}
	moved := m.deleteOriginals(ctx, objects, copies)
	m.show(moved)
	return moved, nil
}

// settleBelow brings the bucket to where what is below n can be moved by it:
// what was removed is deleted, no older request can take effect, and in
// write-back mode what was closed is uploaded.
func (c *Cache) settleBelow(ctx context.Context, n Name) error {
	key := c.dirKeyOf(n)
	for _, s := range c.stage.Under(n) {
		if s.isMoved() || c.writeBack && s.owes() || s.isMarkerFile() {
			if err := s.Commit(ctx); err != nil {
				return err
			}
		}
	}
	if err := c.removeUnder(ctx, key); err != nil {
		return err
	}
	return c.sends.settled(ctx, key)
}

// isMoved reports whether the file is still to be made of an object of another
// name.
func (s *Staged) isMoved() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base.Path.Key != "" && s.base.Path.Key != s.c.keyOf(s.name)
}

func (s *Staged) isMarkerFile() bool { return isMarker(s.nameNow()) }

// checkEmpty refuses a directory with anything in it but its marker, and tells
// whether it has one: one listing.
func (c *Cache) checkEmpty(ctx context.Context, n Name) (hasMarker bool, err error) {
	for _, s := range c.stage.Under(n) {
		if !s.isMarkerFile() || s.nameNow() != n.marker() {
			return false, ErrNotEmpty
		}
	}
	if n.isPiece() {
		if err := c.removeUnder(ctx, c.dirKeyOf(n)); err != nil {
			return false, err
		}
		l, err := c.list(ctx, n, 0)
		if err == nil && len(l.entries) > 0 {
			err = ErrNotEmpty
		}
		return false, err
	}
	key := c.dirKeyOf(n)
	list := remote.ListOptions{Bucket: c.bucket, Prefix: key, MaxKeys: 2}
	isLeaving, leaving := c.removals.leaving(key)
	if leaving > 0 {
		list.MaxKeys = 0 // it may have many keys that are on their way out
	}
	for page, err := range c.client.List(ctx, list) {
		if err != nil {
			return false, err
		}
		for _, o := range page.Objects {
			switch {
			case isLeaving(o):
			case o.Path.Key != key || o.Size > 0:
				return false, ErrNotEmpty
			default:
				hasMarker = true
			}
		}
		if list.MaxKeys == 2 {
			break
		}
	}
	return hasMarker, nil
}

// allBelow lists every object below directory n, its marker included. ErrRenameLimit
// for more than limit of them; 0: none is too many.
func (c *Cache) allBelow(ctx context.Context, n Name, limit int) ([]remote.Object, error) {
	var all []remote.Object
	for page, err := range c.client.List(ctx, remote.ListOptions{Bucket: c.bucket, Prefix: c.dirKeyOf(n)}) {
		if err != nil {
			return nil, err
		}
		for _, o := range page.Objects {
			switch {
			case c.removals.hides(o.Path):
				continue // removed here a moment ago
			case o.Size > maxCopySize:
				return nil, ErrCopyLimit
			}
			all = append(all, o)
		}
		if limit > 0 && len(all) > limit {
			return nil, fmt.Errorf("more than %d: %w", limit, ErrRenameLimit)
		}
	}
	return all, nil
}

// deleteAll deletes keys in batches, and counts those that are gone.
func (c *Cache) deleteAll(ctx context.Context, keys []string, deleted *atomic.Int64) error {
	var errs []error
	for batch := range slices.Chunk(keys, maxBatch) {
		failed, err := c.client.DeleteMany(ctx, c.bucket, batch)
		errs = append(errs, err)
		for key, keyErr := range failed {
			errs = append(errs, fmt.Errorf("delete %s: %w", c.path(key), keyErr))
		}
		deleted.Add(int64(len(batch) - len(failed)))
	}
	return errors.Join(errs...)
}
