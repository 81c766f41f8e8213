package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Pending is one change that the bucket lacks: a file, the removal of an
// object, the ACL of a copy, or what was kept because it cannot be uploaded.
type Pending struct {
	ID      string    `json:"id"`
	Key     string    `json:"key"`  // of the object that it becomes, changes or removes
	Name    Name      `json:"name"` // of that in the mount
	State   State     `json:"state"`
	Size    int64     `json:"size"`             // of the whole file, in bytes
	Sent    int64     `json:"sent"`             // bytes of it that the service has
	Since   time.Time `json:"since"`            // of the last change
	Error   string    `json:"error,omitempty"`  // of the last try
	NextTry time.Time `json:"nextTry,omitzero"` // zero: under way, or only on request
	File    string    `json:"file,omitempty"`   // that holds the local bytes, when they are not in the journal
	IsKept  bool      `json:"isKept,omitempty"` // goes nowhere by itself: never closed, in conflict, or damaged
}

// Backlog sums up what the bucket lacks.
type Backlog struct {
	Changes int       `json:"changes"` // files and removals on their way
	Bytes   int64     `json:"bytes"`   // to be sent
	Sent    int64     `json:"sent"`    // bytes of these that the service has
	Kept    int       `json:"kept"`    // files that go nowhere by themselves
	Oldest  time.Time `json:"oldest,omitzero"`
}

// Pending lists what the bucket lacks, in the order of its changes.
func (c *Cache) Pending() []Pending {
	if c.stage == nil {
		return nil
	}
	staged := c.stagedByID()
	var all []Pending
	for _, r := range c.stage.journal.Live() {
		p := Pending{ID: r.ID, Key: string(r.Key), Name: c.nameOf(string(r.Key)), State: r.State, Size: r.Size, Since: r.At, Error: r.Error,
			IsKept: r.State == StateOpen || r.State == StateConflict}
		if r.State == StateConflict || r.hasFile() && !r.isInline() {
			p.File = c.stage.root.Name() + "/" + r.ID
		}
		if s := staged[r.ID]; s != nil && !s.describe(&p) {
			continue // in the bucket, and only watched
		}
		if r.isMove() {
			p.IsKept = false
		} else if r.State == StateRemoved {
			c.removals.describe(c, &p)
		} else if err := c.whyKept(r); staged[r.ID] == nil && err != nil {
			p.Error, p.IsKept = err.Error(), true
		}
		all = append(all, p)
	}
	return all
}

// stagedByID returns what is staged by the IDs of its records.
func (c *Cache) stagedByID() map[string]*Staged {
	byID := map[string]*Staged{}
	for _, s := range c.stage.Under("") {
		s.mu.Lock()
		byID[s.path] = s
		if s.savedID != "" {
			byID[s.savedID] = s
		}
		s.mu.Unlock()
	}
	return byID
}

// describe fills in what the journal does not say; false when the bucket lacks
// nothing.
func (s *Staged) describe(p *Pending) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Sent, p.NextTry = min(s.progress.sent.Load(), s.size), s.nextTry
	if !s.lacksBytesLocked() {
		p.Sent = s.size
	}
	if s.failure != nil {
		p.Error = s.failure.Error()
	}
	return s.dirtyLocked()
}

func (x *removals) describe(c *Cache, p *Pending) {
	r := x.get(c.path(p.Key), "")
	if r == nil {
		return
	}
	p.NextTry = r.due
	if r.failure != nil {
		p.Error = r.failure.Error()
	}
}

// Backlog sums up what the bucket lacks.
func (c *Cache) Backlog() Backlog {
	var b Backlog
	for _, p := range c.Pending() {
		if p.IsKept {
			b.Kept++
			continue
		}
		b.Changes++
		b.Bytes += p.Size
		b.Sent += p.Sent
		if b.Oldest.IsZero() || p.Since.Before(b.Oldest) {
			b.Oldest = p.Since
		}
	}
	return b
}

// whyKept returns why a file that is not staged stays where it is.
func (c *Cache) whyKept(r Record) error { return cmp.Or(c.stage.whyKept(r.ID), c.isWanted(r)) }

// Retry tries the changes with these IDs now, or without IDs all, those that
// were never closed and conflicts only by ID, and returns once they are in the
// bucket or with what prevents it. fs.ErrNotExist for an unknown ID.
func (c *Cache) Retry(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return c.Sync(ctx)
	}
	return c.forEach(ids, func(r Record, s *Staged) error {
		switch {
		case r.State == StateRemoved:
			return c.retryRemoval(ctx, r)
		case r.isGrants():
			return c.grantLeft(ctx, r)
		case r.isMove():
			return c.retryMove(ctx, r)
		case s == nil:
			return c.retryKept(ctx, r)
		case !s.owes():
			return ErrBusy
		}
		return s.Commit(ctx)
	})
}

// forEach calls f for the pending changes with these IDs.
func (c *Cache) forEach(ids []string, f func(Record, *Staged) error) error {
	var errs []error
	for _, id := range ids {
		err := fs.ErrNotExist
		var r Record
		if c.stage != nil {
			var ok bool
			if r, ok = c.stage.journal.Find(id); ok {
				err = f(r, c.stagedByID()[id])
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("pending change %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

func (c *Cache) retryRemoval(ctx context.Context, r Record) error {
	due := c.removals.get(c.path(string(r.Key)), "")
	if due == nil {
		return nil
	}
	return c.removeBatch(ctx, []*removal{due}, true)
}

// retryKept uploads a file that was only kept, as if it had been closed.
func (c *Cache) retryKept(ctx context.Context, r Record) error {
	r.State, r.Boot, r.Error = StateReady, "", ""
	if err := c.takeUp(r); err != nil {
		return err
	}
	s := c.stage.Of(c.nameOf(string(r.Key)))
	if s == nil {
		return nil // done already
	}
	defer s.settle()
	if err := s.noteRetry(r); err != nil {
		return err
	}
	err := s.Commit(ctx)
	if permanent(err) && !errors.Is(err, ErrConflict) {
		c.setAside(s, err)
	}
	return err
}

// noteRetry records that a file which was kept is to be uploaded, unless it has
// been meanwhile.
func (s *Staged) noteRetry(r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dirtyLocked() {
		return nil
	}
	_, err := s.c.stage.journal.Append(r)
	return err
}

// Discard gives up the changes with these IDs: their local bytes are deleted
// and the mount shows what the bucket has. ErrBusy while a handle is open.
func (c *Cache) Discard(_ context.Context, ids ...string) error {
	return c.forEach(ids, func(r Record, s *Staged) error {
		n := c.nameOf(string(r.Key))
		switch {
		case r.State == StateRemoved:
			if removal := c.removals.get(c.path(string(r.Key)), ""); removal != nil && removal.isOpen {
				return ErrBusy
			}
			c.dropRemoval(c.path(string(r.Key)))
			c.dirs.Unpin(shownName(n))
		case r.isMove():
			return ErrBusy
		case r.isGrants():
			c.dropRecords(r.ID)
		case s != nil:
			if !s.giveUp() {
				return ErrBusy
			}
			c.dirs.Unpin(shownName(n))
		default:
			c.abortBehind(r.Upload, nil)
			c.dropRecords(r.ID)
			c.stage.removeLater(r.ID, false)
		}
		c.log.Warn("a pending change was discarded", "path", c.path(string(r.Key)).String(), "bytes", r.Size)
		c.Forget(shownName(n))
		return nil
	})
}

// giveUp drops a file with all that the bucket lacks of it; false while handles
// are open.
func (s *Staged) giveUp() bool {
	s.mu.Lock()
	if s.users > 0 || s.unlinked {
		s.mu.Unlock()
		return false
	}
	s.users++
	s.mu.Unlock()
	s.hide()
	s.Release()
	return true
}

// Export writes the whole file of a pending change to w.
func (c *Cache) Export(ctx context.Context, id string, w io.Writer) error {
	return c.forEach([]string{id}, func(r Record, s *Staged) error {
		switch {
		case !r.hasFile():
			return fs.ErrNotExist
		case s != nil && s.Retain():
			defer s.Release()
			return s.writeTo(ctx, w)
		}
		s, err := c.restage(r)
		if err != nil {
			return err
		}
		defer s.letGo()
		return s.writeTo(ctx, w)
	})
}

// letGo ends the use of a file that is not in the stage.
func (s *Staged) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader != nil {
		s.reader.Close()
	}
	s.freeLocked(0, maxOffset)
	s.file.Close()
}

// writeTo writes the whole file to w.
func (s *Staged) writeTo(ctx context.Context, w io.Writer) error {
	buf := make([]byte, 1<<20)
	for off := int64(0); ; {
		n, err := s.ReadAt(ctx, buf, off)
		if _, failed := w.Write(buf[:n]); failed != nil {
			return failed
		}
		off += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("byte %d: %w", off, err)
		}
	}
}
