package cache

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// inlineLimit is up to how many local bytes of a file stand in its record: a
// small close then takes one fdatasync, which it shares with all that wait.
const inlineLimit = 32 << 10

// Save is what close(2) waits for: in sync mode every byte is in the bucket then,
// and attributes alone are as safe as with Promise. In write-back mode it is Sync.
func (s *Staged) Save(ctx context.Context) error {
	if !s.c.writeBack {
		return s.Promise(ctx)
	}
	return s.Sync(ctx)
}

// Sync is what fsync(2) waits for. Without write-back that is Commit. With it,
// every change made before the call is on the local disk then, and will be in the
// bucket; while too many files wait for that already, so does Sync.
func (s *Staged) Sync(ctx context.Context) error {
	if !s.c.writeBack {
		return s.Commit(ctx)
	}
	s.lock()
	aside, clean := s.aside, !s.dirtyLocked()
	s.mu.Unlock()
	if aside != nil || clean {
		return aside
	}
	if err := s.c.awaitQueue(ctx, s); err != nil {
		return err
	}
	if err := s.makeSafe(StateReady, nil); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isOwed = false
	s.startBehindLocked()
	return nil
}

// SyncDir is what fsync(2) of directory n waits for: Sync of its attributes.
func (c *Cache) SyncDir(ctx context.Context, n Name) error {
	s := c.stage.take(n.marker())
	if s == nil {
		return nil
	}
	defer s.Release()
	return s.Sync(ctx)
}

// Promise is Save for a change that no close follows, of attributes or of a
// whole small file: it stands in the journal then, in its order. In write-back mode
// it is safe from a loss of power with the next Save of any file. In sync mode a
// loss of power takes it if the bucket has not got it yet, and no fsync is needed
// to tell whether it has; with bytes that the bucket lacks, and while the service
// refuses what is sent, Promise is Commit.
func (s *Staged) Promise(ctx context.Context) error {
	if !s.c.writeBack && (s.LacksBytes() || s.c.refused.Load()) {
		return s.Commit(ctx)
	}
	if err := s.c.awaitQueue(ctx, s); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.dirtyLocked():
		return s.aside
	case s.promisedLocked() && s.saved == s.changes: // there is nothing new
		s.startBehindLocked()
		return nil
	case s.dataChanges > max(s.saved, s.committed) && s.local.Bytes() > inlineLimit:
		return nil // goes with the bytes, which the next close makes safe
	}
	r := s.recordLocked(StateReady, nil)
	promised := s.promisedLocked()
	if s.dataChanges > max(s.saved, s.committed) {
		if err := s.makeBytesSafe(&r, s.file, false); err != nil { // inline
			return err
		}
	} else if promised {
		r.Amend, r.ID, r.Local = true, s.savedID, nil
	} else if s.base.Path.Key != "" && s.base.Size == s.size {
		r.Local, r.Boot, r.BaseEnd = nil, "", s.size // nothing but the base
	}
	if !s.c.writeBack {
		r.Boot = s.c.boot
	}
	group := []Record{r}
	if !r.Amend {
		group = append(group, s.formerDoneLocked(r.ID)...)
	}
	seq, err := s.c.stage.journal.Append(group...)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	s.savedID, s.savedSeq = r.ID, seq
	if !r.Amend {
		s.keepDraftLocked(r.ID)
	}
	if !promised {
		s.waitsFrom = r.At
	}
	s.saved, s.savedAt, s.noted, s.notedAt = s.changes, r.At, StateReady, r.At
	s.wasSafe = s.wasSafe || s.c.writeBack
	s.freeRoomLocked()
	s.startBehindLocked()
	step("promised")
	return nil
}

// makeSafe has all changes made so far on disk, with a record that says so. The
// bytes come first: a record never promises what a loss of power can take.
func (s *Staged) makeSafe(state State, failure error) error {
	s.lock()
	if s.unlinked || s.file == nil {
		s.mu.Unlock()
		return nil
	}
	s.settleDirectLocked()
	if seq := s.savedSeq; s.saved == s.changes && seq > 0 && state == StateReady {
		s.mu.Unlock()
		return s.syncJournal(seq) // it stands there already
	}
	want, r, file := s.changes, s.recordLocked(state, failure), s.file
	needsEntry := s.safeEntry != s.path
	isNew := s.saved < want
	s.saving++
	s.mu.Unlock()

	err := s.makeBytesSafe(&r, file, needsEntry)

	s.mu.Lock()
	s.saving--
	s.saveEnded().Broadcast()
	if err != nil || s.unlinked || s.committed >= want {
		s.mu.Unlock()
		return err
	}
	if seq := s.savedSeq; s.saved > want {
		s.mu.Unlock()
		return s.syncJournal(seq) // a newer record has these bytes, too
	}
	now := s.recordLocked(state, failure)
	now.ID, now.At = r.ID, r.At
	now = r.amend(now)
	now.Sending = r.Sending // of these changes
	seq, err := s.c.stage.journal.Append(append([]Record{now}, s.formerDoneLocked(r.ID)...)...)
	if err != nil {
		s.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	if isNew {
		s.savedAt = time.Now()
	}
	s.saved, s.savedID, s.noted, s.notedAt = max(s.saved, want), r.ID, state, r.At
	s.savedSeq, s.wasSafe = seq, true
	if len(r.Inline) == 0 {
		s.safeEntry = r.ID
	}
	s.keepDraftLocked(r.ID)
	if s.changes == want {
		s.freeRoomLocked()
	}
	s.mu.Unlock()
	return s.syncJournal(seq)
}

// syncJournal returns once the record seq is safe from a loss of power.
func (s *Staged) syncJournal(seq uint64) error {
	if err := s.c.stage.journal.Sync(seq); err != nil {
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	s.c.stage.removeDoomed()
	step("saved")
	return nil
}

// makeBytesSafe puts the local bytes into the record, or onto the disk.
func (s *Staged) makeBytesSafe(r *Record, file *os.File, needsEntry bool) error {
	local := extents{r.Local}
	if n := local.Bytes(); n <= inlineLimit {
		r.Inline, r.Boot = make([]byte, 0, n), ""
		for _, e := range r.Local {
			p := make([]byte, e.End-e.Start)
			if err := readLocal(file, p, e.Start); err != nil {
				return err
			}
			r.Inline = append(r.Inline, p...)
		}
		return nil
	}
	step("save-data")
	if err := unix.Fdatasync(int(file.Fd())); err != nil {
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	if needsEntry {
		if err := syncDir(s.c.stage.root, "data"); err != nil {
			return fmt.Errorf("%w: %w", ErrStage, err)
		}
	}
	step("save-data-synced")
	r.Boot = ""
	return nil
}

// keepDraftLocked forgets all former data files but for that of id, which the
// record just written ends.
func (s *Staged) keepDraftLocked(id string) {
	for i, path := range s.former {
		if path != id {
			continue
		}
		kept := s.drafts[i]
		s.former = append(s.former[:i:i], s.former[i+1:]...)
		s.drafts = append(s.drafts[:i:i], s.drafts[i+1:]...)
		s.dropDraftsLocked()
		s.former, s.drafts = []string{id}, []*os.File{kept}
		return
	}
	s.dropDraftsLocked()
}
