package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ncloudfs/remote"
)

// renameBehind is Rename in write-back mode: the file is staged under its new
// name, made of the object under its old one, which is removed once the new one
// is there. Nothing is sent, but for what would have to wait for itself, which
// is committed first.
func (c *Cache) renameBehind(ctx context.Context, from, to Name) (Move, error) {
	release, err := c.claimMoving(ctx, []Name{from, to}, c.keyOf(from), c.keyOf(to))
	if err != nil {
		return Move{}, err
	}
	defer release()
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
	giveBack, err := c.stage.reserveRecords()
	if err != nil {
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	defer giveBack()
	old := c.stage.take(to)
	defer old.Release()
	if s.publishes(old.isPromised()) {
		// What is under the names now goes with the rename, so that what takes
		// its place must be safe.
		if err := s.makeSafe(StateReady, nil); err != nil {
			return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
		}
	}
	if err := c.awaitQueue(ctx, s); err != nil {
		return Move{}, err
	}
	var ended []Record
	mayExist := false
	older := c.sends.late(c.keyOf(to))
	if old != nil {
		ended = old.detach() // its object is overwritten
		replaced = old.replaceable()
		mayExist = replaced.Path.Key == "" && old.mayExist()
		older = old.late()
	}
	c.dirs.Pin(to)
	for err = errEditRuns; errors.Is(err, errEditRuns); {
		if err = s.awaitEdit(ctx); err == nil {
			err = s.renameBehind(from, to, replaced, mayExist, older, ended)
		}
	}
	if err != nil {
		if old != nil {
			old.show(to)
		}
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
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

// errEditRuns: not while an edit is being uploaded (see awaitEdit).
var errEditRuns = errors.New("an edit is being uploaded")

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
// bytes that are not, and takes the place of some that are: an object that goes
// with its old name, or what is promised of its new one.
func (s *Staged) publishes(replacesPromise bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirtyLocked() && s.dataChanges > max(s.saved, s.committed) && (replacesPromise || s.object.Path.Key != "")
}

// isPromised is promisedLocked; nothing is of nil.
func (s *Staged) isPromised() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.promisedLocked()
}

// renameBehind gives the file its new name, its old object to the removals, and
// ends the file that it replaces, in one group of records. fs.ErrNotExist: it has
// just left the stage.
func (s *Staged) renameBehind(from, to Name, replaced remote.Object, mayExist bool, older []remote.ETag, group []Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if view := s.viewLocked(); s.running != nil && view.usesBase() {
		return errEditRuns
	}
	if s.unlinked {
		return fs.ErrNotExist
	}
	c := s.c
	old := s.removableLocked()
	hasOld := old.Path.Key != ""
	old.Path = c.path(c.keyOf(from))
	if removed := c.removals.version(old.Path); !hasOld && removed.Path.Key != "" {
		hasOld, old = true, removed // what the file has taken the place of
	}
	late := s.lateLocked()
	dataSafe := s.dataChanges <= max(s.saved, s.committed)
	s.object, s.replacing = remote.Object{}, replaced
	s.name, s.movingTo, s.wasSent, s.made, s.older = to, "", mayExist, nil, older
	if s.contentType == typeByName(old.Path.Key) {
		s.contentType = "" // guessed from the old name
	}
	s.changes++
	s.changedAt = time.Now()
	c.stage.move(from, to, s)
	c.stage.setBase(s, s.base.Path.Key, c.keyOf(to))
	group = append(group, s.renamedRecordLocked(dataSafe))
	if hasOld {
		group = append(group, c.removalRecord(old, late...))
	}
	s.savedSeq = c.appendOrdered(to, group...)
	step("renamed")
	if hasOld {
		c.hideNoted(from, old, late, false)
	} else {
		c.removed(from)
	}
	s.startBehindLocked()
	return nil
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
