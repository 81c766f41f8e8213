package cache

import (
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// followTime is how often the size of a file that the kernel writes to is
	// looked at, so that finished parts are sent; idleFollowTime while it does
	// not change.
	followTime     = 50 * time.Millisecond
	idleFollowTime = time.Second
)

// direct is for a data file that the kernel writes to by itself: nobody tells us
// of the writes, and the file says what the file's bytes are. Only descriptors
// that are open for nothing but writing do so, and those cannot map the file:
// what changes it changes its size or its time.
type direct struct {
	seen   unix.Stat_t // when it was looked at last
	follow *time.Timer
	wait   time.Duration
}

// BeginDirect lets the kernel write to the data file by itself, through copies of
// the descriptor fd, until EndDirect; false where it cannot: only to a new file,
// or one just emptied, of which nobody but the caller knows.
func (s *Staged) BeginDirect() (fd int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const setID = 0o6000 // a write takes these bits away, and must be seen
	if !s.c.direct || s.direct != nil || s.users != 1 || s.unlinked || isMarker(s.name) || s.size > 0 || s.baseEnd > 0 ||
		s.c.HasNoBacking(s.c.path(s.c.keyOf(s.name))) || s.promisedLocked() || s.saving > 0 || s.running != nil || len(s.mirrors) > 0 || s.attr.Mode&setID != 0 {
		return -1, false
	}
	if !s.c.stage.ballast.take() {
		return -1, false
	}
	d := &direct{wait: followTime}
	if err := unix.Fstat(int(s.file.Fd()), &d.seen); err != nil {
		return -1, false
	}
	d.follow = time.AfterFunc(d.wait, s.followDirect)
	s.direct, s.wasDirect = d, true
	return int(s.file.Fd()), true
}

// IsDirect reports whether the kernel writes to the data file by itself.
func (s *Staged) IsDirect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.direct != nil
}

// EndDirect is called once the kernel has let go of the data file.
func (s *Staged) EndDirect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.direct == nil {
		return
	}
	s.refreshLocked()
	s.direct.follow.Stop()
	s.direct = nil
}

// followDirect sends what has been written, and looks again later.
func (s *Staged) followDirect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.direct
	if d == nil || s.file == nil {
		return
	}
	if s.refreshLocked() {
		d.wait = followTime
		s.c.stage.makeRoom()
		s.aheadLocked()
	} else {
		d.wait = min(2*d.wait, idleFollowTime)
	}
	d.follow.Reset(d.wait)
}

// lock locks the file, and takes in what the kernel has written to it.
func (s *Staged) lock() {
	s.mu.Lock()
	s.refreshLocked()
}

// refreshLocked takes in what the kernel has written, and reports whether it was
// anything.
func (s *Staged) refreshLocked() bool {
	d := s.direct
	if d == nil || s.file == nil {
		return false
	}
	var now unix.Stat_t
	if err := unix.Fstat(int(s.file.Fd()), &now); err != nil || now.Size == d.seen.Size && now.Mtim == d.seen.Mtim {
		return false
	}
	d.seen = now
	s.local, s.size = dataOf(s.file, now.Size), now.Size
	s.holdThereLocked(s.local)
	_ = s.reserveRoomLocked() // else the close finds out
	s.wasWritten = true
	s.touchLocked(true)
	s.attr.Mtime = time.Unix(now.Mtim.Unix())
	s.attr.Mode &^= 0o6000 // as for a write of somebody without privileges
	return true
}

// dataOf returns where a file of size bytes has data; the rest is zeros.
func dataOf(f *os.File, size int64) extents {
	var data extents
	for off := int64(0); off < size; {
		start, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		end := size
		if err == nil {
			end, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
		}
		if err != nil { // the file system does not tell
			start, end = off, size
		}
		data.Add(start, min(end, size))
		off = end
	}
	return data
}

// settleDirectLocked returns once the bytes of every write that refreshLocked
// has seen are in the file: a write changes the time first, and holds the
// inode's lock, which a change of the mode takes, until it is done.
func (s *Staged) settleDirectLocked() {
	if s.direct != nil && s.file != nil {
		_ = unix.Fchmod(int(s.file.Fd()), 0o600) // it has that mode; on an error the next look finds the change
	}
}

// cutDirectLocked sets the size of a file that the kernel writes to. What the
// journal promises of it goes to a file of its own first.
func (s *Staged) cutDirectLocked(size int64) error {
	for s.saving > 0 {
		s.saveEnded().Wait()
	}
	if s.direct == nil {
		return s.truncateFileLocked(size)
	}
	promised := s.promisedLocked()
	if promised && size == 0 {
		s.emptied = s.changes + 1 // the one that is being made
	}
	if promised && s.savedID == s.path {
		if err := s.copyPromiseLocked(); err != nil {
			return err
		}
	}
	if err := s.file.Truncate(size); err != nil {
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	return nil
}

// saveEnded tells, with the file locked, that nothing of it is being made safe any
// more.
func (s *Staged) saveEnded() *sync.Cond {
	if s.noSave == nil {
		s.noSave = sync.NewCond(&s.mu)
	}
	return s.noSave
}

// copyPromiseLocked gives what the journal promises a data file of its own.
func (s *Staged) copyPromiseLocked() error {
	r, ok := s.c.stage.journal.Find(s.savedID)
	if !ok {
		return nil
	}
	file, path, err := s.c.stage.create()
	if err != nil {
		return err
	}
	if err = copyData(file, s.file, extents{r.Local}); err == nil {
		err = syncDir(s.c.stage.root, "data")
	}
	r.ID = path
	var seq uint64
	if err == nil {
		seq, err = s.c.stage.journal.Append(r)
	}
	if err != nil {
		file.Close()
		s.c.stage.removeLater(path, false)
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	s.former, s.drafts = append(s.former, path), append(s.drafts, file)
	s.savedID, s.savedSeq, s.noted, s.safeEntry = path, seq, "", ""
	return nil
}

// partFromWriters gives a file that an earlier mount left a data file of its own
// where programs still write to that: those whose kernel wrote there by itself go
// on when the mount is gone, and what is promised must not change under us.
func (c *Cache) partFromWriters(r Record) (Record, error) {
	if c.idle || r.isInline() || !isWrittenTo(c.stage.root, r.ID) {
		return r, nil
	}
	from, err := c.openData(r)
	if err != nil {
		return r, err
	}
	defer from.Close()
	to, path, err := c.stage.create()
	if err != nil {
		return r, err
	}
	defer to.Close()
	old := r.ID
	if err = copyData(to, from, extents{r.Local}); err == nil {
		err = syncDir(c.stage.root, "data")
	}
	if err == nil {
		r.ID = path
		_, err = c.stage.journal.Append(r, Record{ID: old, State: StateDone, At: r.At})
	}
	if err != nil {
		c.stage.removeLater(path, false)
		return r, fmt.Errorf("%w: %w", ErrStage, err)
	}
	c.stage.removeLater(old, true)
	return r, nil
}

// isWrittenTo reports whether somebody has the file open for writing: it gets no
// lease for reading then.
func isWrittenTo(root *os.Root, path string) bool {
	f, err := root.Open(path)
	if err != nil {
		return false // openData tells
	}
	defer f.Close()
	if _, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); err == nil {
		_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK) // ends with f, too
	}
	return err == unix.EAGAIN
}

// copyData copies ranges of a file, and makes them safe from a loss of power.
func copyData(to, from *os.File, data extents) error {
	for _, e := range data.list {
		if _, err := to.Seek(e.Start, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(to, io.NewSectionReader(from, e.Start, e.End-e.Start)); err != nil {
			return err
		}
	}
	return unix.Fdatasync(int(to.Fd()))
}

// sumOf returns the CRC32C of a range of the file.
func (v *view) sumOf(off, size int64) (uint32, error) {
	buf := make([]byte, min(size, 256<<10))
	var sum uint32
	for size > 0 {
		p := buf[:min(size, int64(len(buf)))]
		if err := readLocal(v.file, p, off); err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli(), p)
		off, size = off+int64(len(p)), size-int64(len(p))
	}
	return sum, nil
}

// probeDirect reports whether changes of a file in the stage directory can be
// told by its time: not where that moves in steps of some milliseconds, as up
// to Linux 6.12 and on some file systems.
func probeDirect(s *Stage) bool {
	f, path, err := s.create()
	if err != nil {
		return false
	}
	defer s.removeLater(path, false)
	defer f.Close()
	var last, now unix.Stat_t
	for i := range 20 {
		if _, err := f.WriteAt([]byte("x"), 0); err != nil || unix.Fstat(int(f.Fd()), &now) != nil {
			return false
		}
		if i > 0 && now.Mtim == last.Mtim {
			return false
		}
		last = now
	}
	return true
}
