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
	place := place{object: replaced, older: c.sends.late(c.keyOf(to))}
	if old != nil {
		place.ended = old.detach() // its object is overwritten
		place.object = old.replaceable()
		place.mayExist = place.object.Path.Key == "" && old.mayExist()
		place.older = old.late()
	}
	if c.isSave(c.keyOf(from)) {
		place.inheritACL(old)
	}
	c.dirs.Pin(to)
	for err = errEditRuns; errors.Is(err, errEditRuns); {
		if err = s.awaitEdit(ctx); err == nil {
			err = s.renameBehind(from, to, place)
		}
	}
	if err != nil {
		if old != nil {
			old.show(to)
		}
		return Move{}, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	c.moveCreated(c.keyOf(from), c.keyOf(to), place.isSave)
	return Move{Staged: s}, nil
}

// place is what a renamed file takes the place of.
type place struct {
	object   remote.Object // Path empty: none known
	mayExist bool
	older    []remote.ETag // versions that requests for it may have made
	ended    []Record      // end what the journal says of it

	isSave bool        // the file is a new version of it, and has its ACL:
	acl    *remote.ACL // not nil: this one
	aclOf  remote.Path // or that of this object
}

// inheritACL makes the rename a save over old, or over the object where nothing is
// staged of that.
func (p *place) inheritACL(old *Staged) {
	if old == nil {
		p.isSave, p.aclOf = p.object.Path.Key != "", p.object.Path
		return
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	p.isSave, p.acl, p.aclOf = true, old.acl, old.aclOf
	if p.acl == nil {
		p.acl = old.kept // which the object may have lost by now
	}
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
	return c.openStaged(n, StageOptions{Base: e})
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
func (s *Staged) renameBehind(from, to Name, p place) error {
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
	s.object, s.replacing = remote.Object{}, p.object
	s.name, s.movingTo, s.wasSent, s.made, s.older = to, "", p.mayExist, nil, p.older
	if p.isSave {
		s.acl = p.acl
		s.keepsLocked(p.aclOf)
	}
	if s.contentType == typeByName(old.Path.Key) {
		s.contentType = "" // guessed from the old name
	}
	s.changes++
	s.changedAt = time.Now()
	c.stage.move(from, to, s)
	s.indexBasesLocked()
	group := append(p.ended, s.renamedRecordLocked(dataSafe))
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
		s.saved, s.savedAt, s.wasSafe = s.changes, r.At, true
	}
	s.noted, s.notedAt = state, r.At
	return r
}
