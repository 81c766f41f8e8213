package cache

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// WriteAt stores p at off, in the local file. The error is ErrStageFull at the
// limit, when nothing is stored, and ErrStage when the disk fails, perhaps
// after n bytes.
func (s *Staged) WriteAt(p []byte, off int64) (int, error) {
	s.lock()
	defer s.mu.Unlock()
	return s.writeLocked(p, off)
}

func (s *Staged) writeLocked(p []byte, off int64) (int, error) {
	if err := s.reserveRoomLocked(); err != nil {
		return 0, err
	}
	need := s.held.Missing(off, off+int64(len(p)))
	if err := s.c.stage.reserve(need); err != nil {
		return 0, err
	}
	s.noteBytesLocked()
	step("write")
	n, err := s.file.WriteAt(p, off)
	end := off + int64(n)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrStage, err)
		_ = s.c.stage.reserve(s.held.Missing(off, end) - need)
	}
	s.held.Add(off, end)
	if n > 0 {
		s.local.Add(off, end)
		s.size = max(s.size, end)
		s.wasWritten = true
		s.ahead.staleLocked(off, end)
		s.touchLocked(true)
		s.aheadLocked()
		if failed := s.repeatLocked(func(b *Backing) error { return b.writeAt(p[:n], off) }); err == nil {
			err = failed
		}
	}
	return n, err
}

// noteBytesLocked comes before the first bytes: a crash must not leave any that
// no record speaks of. The next record says which they are.
func (s *Staged) noteBytesLocked() {
	if s.noted == "" && !s.unlinked {
		s.noteLocked(StateOpen, nil)
		s.notedAt = time.Time{}
	}
}

// Append is WriteAt at the end, wherever that is by then.
func (s *Staged) Append(p []byte) (int, error) {
	s.lock()
	off := s.size
	if s.direct == nil {
		defer s.mu.Unlock()
		return s.writeLocked(p, off)
	}
	defer s.mu.Unlock()
	n, err := unix.Pwritev2(int(s.file.Fd()), [][]byte{p}, 0, unix.RWF_APPEND) // beside the kernel's own
	s.refreshLocked()
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrStage, err)
	}
	return max(n, 0), err
}

// Truncate sets the size; bytes beyond the old one are zero.
func (s *Staged) Truncate(size int64) error {
	s.lock()
	defer s.mu.Unlock()
	if err := s.reserveRoomLocked(); err != nil {
		return err
	}
	return s.resizeLocked(size)
}

func (s *Staged) resizeLocked(size int64) error {
	cut := s.truncateFileLocked
	if s.direct != nil {
		cut = s.cutDirectLocked
	}
	if err := cut(size); err != nil {
		return err
	}
	if size <= s.size {
		s.freeLocked(size, maxOffset)
		s.local.Cut(size)
		s.baseEnd = min(s.baseEnd, size)
	}
	s.ahead.staleLocked(min(size, s.size), math.MaxInt64)
	s.size = size
	s.touchLocked(true)
	return s.repeatLocked(func(b *Backing) error { return b.truncate(size) })
}

// truncateFileLocked frees what the file holds beyond size. While that is
// promised, nothing is cut off: a file that is emptied gets a new data file, so
// that what is written to it then does not mix with what was promised.
func (s *Staged) truncateFileLocked(size int64) error {
	promised := s.saving > 0 || s.promisedLocked()
	if promised && size == 0 {
		s.emptied = s.changes + 1 // the one that is being made
	}
	switch {
	case !promised || size == 0 && s.local.Bytes() == 0:
		if err := s.file.Truncate(size); err != nil {
			return fmt.Errorf("%w: %w", ErrStage, err)
		}
	case size == 0:
		file, path, err := s.c.stage.create()
		if err != nil {
			return err
		}
		s.former, s.drafts = append(s.former, s.path), append(s.drafts, s.file)
		s.file, s.path, s.noted = file, path, ""
	}
	return nil
}

// recordRoom is how much a record takes in the journal beside its extents, in
// bytes: its inline bytes in base64, metadata, keys.
const recordRoom = inlineLimit/3*4 + 12<<10

// reserveRoomLocked makes sure that the journal can take the file's record,
// even if the disk is full by then.
func (s *Staged) reserveRoomLocked() error {
	const perExtent, step = 48, 32 << 10
	want := recordRoom + (len(s.local.list)*perExtent+step-1)/step*step
	if more := int64(want) - s.room; more > 0 {
		if err := s.c.stage.journal.Reserve(more); err != nil {
			return fmt.Errorf("%w: %w", ErrStageFull, err)
		}
		s.room += more
	}
	return nil
}

// freeRoomLocked gives back what a file holds that is safe and not being
// changed.
func (s *Staged) freeRoomLocked() {
	_ = s.c.stage.journal.Reserve(-s.room) // giving back cannot fail
	s.room = 0
}
