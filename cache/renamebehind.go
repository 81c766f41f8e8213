package cache

import (
	"context"
	"fmt"
	"io/fs"

	"ncloudfs/remote"
)

// renameBehind is Rename in write-back mode: the file is staged under its new
// name, made of the object under its old one, which is removed once the new one
// is there. Nothing is sent, but for what would have to wait for itself, which
// is committed first.
func (c *Cache) renameBehind(ctx context.Context, from, to Name) (Move, error) {
	if err := c.checkParents(from); err != nil {
		return Move{}, err
	}
	if err := c.checkParents(to); err != nil {
		return Move{}, err
	}
	if err := c.commitDependents(ctx, c.keyOf(to)); err != nil {
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	s, err := c.stageForRename(ctx, from)
	if err != nil {
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	defer s.Release()
	replaced, err := c.replacedBy(ctx, to)
	if err != nil {
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	if s.publishes() {
		// The object under the old name goes with the rename, so that what
		// takes its place must be safe.
		if err := s.makeSafe(StateReady, nil); err != nil {
			return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
		}
	}
	if err := c.awaitQueue(ctx, s); err != nil {
		return Move{}, err
	}
	if old := c.stage.take(to); old != nil {
		old.hide() // its object is overwritten
		old.Release()
	}
	c.dirs.Pin(to)
	for !s.renameBehind(from, to, replaced) {
		if err := s.awaitEdit(ctx); err != nil {
			return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
		}
	}
	return Move{Staged: s}, nil
}

// stageForRename returns the file, staged; the caller must Release it.
func (c *Cache) stageForRename(ctx context.Context, n Name) (*Staged, error) {
	if s := c.stage.take(n); s != nil {
		return s, nil
	}
	e, err := c.Stat(ctx, n)
	if err == nil {
		e, err = c.Describe(ctx, n, e)
	}
	switch {
	case err != nil:
		return nil, err
	case e.Kind != File:
		return nil, fs.ErrNotExist
	case e.Staged == nil && e.Object.Size > maxCopySize:
		return nil, ErrCopyLimit
	}
	return c.OpenStaged(n, StageOptions{Base: e})
}

// awaitEdit waits for the end of an upload that takes the place of the version
// whose bytes it needs: a crash after the rename could not tell any more whether
// that is gone.
func (s *Staged) awaitEdit(ctx context.Context) error {
	s.mu.Lock()
	view, running := s.viewLocked(), s.running
	s.mu.Unlock()
	if running == nil || !view.usesBase() {
		return nil
	}
	select {
	case <-running.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publishes reports whether a rename has to make the file safe first: it has
// changes that are not, and an object that goes with its old name.
func (s *Staged) publishes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirtyLocked() && s.saved < s.changes && s.wasWritten && s.object.Path.Key != ""
}

// renameBehind gives the file its new name, and its old object to the removals,
// in one record of the journal. False: not while an edit is being uploaded.
func (s *Staged) renameBehind(from, to Name, replaced remote.Object) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if view := s.viewLocked(); s.running != nil && view.usesBase() {
		return false
	}
	if s.unlinked {
		return true // it has just left the stage
	}
	c := s.c
	old := s.removableLocked()
	hasOld := old.Path.Key != ""
	old.Path = c.path(c.keyOf(from))
	if removed := c.removals.version(old.Path); !hasOld && removed.Path.Key != "" {
		hasOld, old = true, removed // what the file has taken the place of
	}
	dataSafe := s.dataChanges <= max(s.saved, s.committed)
	s.object, s.replacing = remote.Object{}, replaced
	s.name, s.movingTo, s.wasSent = to, "", false
	if s.contentType == typeByName(old.Path.Key) {
		s.contentType = "" // guessed from the old name
	}
	s.changes++
	c.stage.move(from, to, s)
	c.stage.setBase(s, s.base.Path.Key, c.keyOf(to))
	group := []Record{s.renamedRecordLocked(dataSafe)}
	if hasOld {
		group = append(group, c.removalRecord(old))
	}
	c.appendLogged(to, group...)
	step("renamed")
	if hasOld {
		c.hideNoted(from, old, false)
	} else {
		c.removed(from)
	}
	s.startBehindLocked()
	return true
}

// renamedRecordLocked is the record of a file that has just been renamed. Where
// all its bytes are safe, or in the bucket, so is the file.
func (s *Staged) renamedRecordLocked(dataSafe bool) Record {
	promised := s.saved > s.committed
	state := StateOpen
	if promised || dataSafe {
		state = StateReady
	}
	r := s.recordLocked(state, nil)
	switch {
	case promised:
		r.Amend, r.ID, r.Local = true, s.savedID, nil
	case dataSafe && s.dataChanges <= s.committed:
		r.Local, r.Boot, r.Size, r.BaseEnd = nil, "", s.base.Size, s.base.Size // just the object
	}
	if !promised {
		s.savedID = s.path
	}
	if dataSafe {
		s.saved, s.savedAt = s.changes, r.At
	}
	s.noted, s.notedAt = state, r.At
	return r
}
