package cache

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Allocation is a change of the space behind the bytes [Off, End) of a file, as
// of fallocate(2).
type Allocation struct {
	Off, End int64
	Zero     bool // the bytes become zeros
	Free     bool // what they took is given back; false: space is set aside for all of them
	KeepSize bool // the file does not grow; what is set aside may lie beyond its end
}

// Allocate does what a says. What is set aside is set aside as long as the file is
// staged: writes there find space. The errors are those of WriteAt, and
// errors.ErrUnsupported where the disk of the stage cannot do it.
func (s *Staged) Allocate(a Allocation) error {
	s.lock()
	defer s.mu.Unlock()
	if err := s.reserveRoomLocked(); err != nil {
		return err
	}
	var need int64
	if !a.Free {
		need = s.held.Missing(a.Off, a.End)
	}
	if err := s.c.stage.reserve(need); err != nil {
		return err
	}
	err := s.allocateLocked(a)
	if err != nil {
		_ = s.c.stage.reserve(-min(need, s.held.Missing(a.Off, a.End))) // giving back cannot fail
	}
	return err
}

// allocateLocked is Allocate once the space is reserved.
func (s *Staged) allocateLocked(a Allocation) error {
	if a.Zero {
		if err := s.zeroLocked(a.Off, min(a.End, s.size)); err != nil {
			return err
		}
	}
	if a.Free {
		s.freeLocked(a.Off, a.End)
		return nil
	}
	mode := uint32(unix.FALLOC_FL_KEEP_SIZE)
	if s.direct != nil && !a.KeepSize {
		mode = 0 // a size that is set beside the kernel's writes might cut some off
	}
	err := fallocate(s.file, mode, a.Off, a.End)
	if err != nil && (mode == 0 || !errors.Is(err, errors.ErrUnsupported)) { // else it is reserved, if not on the disk
		return err
	}
	s.held.Add(a.Off, a.End)
	switch {
	case s.direct != nil:
		s.lookAgainLocked()
	case !a.KeepSize && a.End > s.size:
		return s.resizeLocked(a.End)
	}
	return nil
}

// zeroLocked makes the bytes [start, end) of the file, which has them, zeros that
// take no space in the data file.
func (s *Staged) zeroLocked(start, end int64) error {
	if start >= end {
		return nil
	}
	s.noteBytesLocked()
	step("zero")
	if err := s.lengthenLocked(end); err != nil {
		return err
	}
	if err := fallocate(s.file, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, start, end); err != nil {
		return err
	}
	if s.direct != nil {
		s.lookAgainLocked()
		return nil
	}
	s.local.Add(start, end)
	s.wasWritten = true
	s.ahead.staleLocked(start, end)
	s.touchLocked(true)
	return s.repeatLocked(func(b *Backing) error { return b.zero(start, end) })
}

// lengthenLocked makes the data file at least as long as what is local is to end.
func (s *Staged) lengthenLocked(end int64) error {
	info, err := s.file.Stat()
	if err == nil && info.Size() < end {
		err = s.file.Truncate(end)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	return nil
}

// lookAgainLocked takes in what was done to the data file beside the kernel.
func (s *Staged) lookAgainLocked() {
	s.direct.seen.Size = -1
	s.refreshLocked()
}

// freeLocked gives back the space of the bytes [start, end).
func (s *Staged) freeLocked(start, end int64) {
	before := s.held.Bytes()
	s.held.Remove(start, end)
	_ = s.c.stage.reserve(s.held.Bytes() - before) // giving back cannot fail
}

// holdThereLocked counts bytes that are there already.
func (s *Staged) holdThereLocked(data extents) {
	before := s.held.Bytes()
	for _, e := range data.list {
		s.held.Add(e.Start, e.End)
	}
	s.c.stage.hold(s.held.Bytes() - before)
}

// SeekData returns the first offset from off on where the file has data, and false
// when none follows. Bytes of the base are data; of the local ones, the disk tells.
func (s *Staged) SeekData(off int64) (at int64, ok bool) {
	s.lock()
	defer s.mu.Unlock()
	for off < s.size {
		isData, until := s.segmentLocked(off)
		if isData {
			return off, true
		}
		off = until
	}
	return 0, false
}

// SeekHole returns the first offset from off on where the file has no data, which
// its end is; false when that comes before.
func (s *Staged) SeekHole(off int64) (at int64, ok bool) {
	s.lock()
	defer s.mu.Unlock()
	if off >= s.size {
		return 0, false
	}
	for off < s.size {
		isData, until := s.segmentLocked(off)
		if !isData {
			break
		}
		off = until
	}
	return min(off, s.size), true
}

// segmentLocked reports whether there is data at off, and up to where at least that
// answer holds.
func (s *Staged) segmentLocked(off int64) (isData bool, until int64) {
	inside, until := s.local.at(off)
	switch {
	case !inside && off < s.baseEnd:
		return true, min(until, s.baseEnd)
	case !inside:
		return false, until
	}
	data, err := unix.Seek(int(s.file.Fd()), off, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO:
		return false, until
	case err == nil && data > off:
		return false, min(data, until)
	case err == nil:
		if hole, err := unix.Seek(int(s.file.Fd()), off, unix.SEEK_HOLE); err == nil {
			return true, min(hole, until)
		}
	}
	return true, until // the file system does not tell
}

// fallocate is fallocate(2) of the bytes [start, end) of a data file.
func fallocate(f *os.File, mode uint32, start, end int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), mode, start, end-start)
		switch err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.ENOSPC:
			return fmt.Errorf("%w: the disk is full: %w", ErrStageFull, err)
		case unix.EOPNOTSUPP, unix.ENOSYS:
			return fmt.Errorf("fallocate in the stage directory: %w", errors.ErrUnsupported)
		default:
			return fmt.Errorf("%w: fallocate: %w", ErrStage, err)
		}
	}
}
