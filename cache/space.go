package cache

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// keepFree is what staged data leaves free on the file system, in bytes,
	// for the journal and for others.
	keepFree = 16 << 20

	// freeStep is how much of what is free is taken before it is asked for
	// again, in bytes: others use the disk, too.
	freeStep = 64 << 20
)

// reserve takes n bytes of the stage's limit and of the file system's free
// space, before bytes are accepted; ErrStageFull when there are not so many. A
// negative n gives them back.
func (s *Stage) reserve(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= 0 {
		s.used += n
		return nil
	}
	if s.limit > 0 && s.used+n > s.limit {
		return fmt.Errorf("%w: --stage-size is reached", ErrStageFull)
	}
	for n > s.free {
		if err := s.askFreeLocked(n); err != nil {
			return err
		}
		if n <= s.free || !s.lender.giveWay() {
			break
		}
	}
	if n > s.free {
		return fmt.Errorf("%w: the disk of %s is full", ErrStageFull, s.root.Name())
	}
	s.free -= n
	s.used += n
	return nil
}

// borrow has t give way to what is staged, where they share a file system.
func (s *Stage) borrow(t *Tier) {
	if s == nil || t == nil || s.lock == nil {
		return
	}
	var ours, theirs unix.Stat_t
	err := errors.Join(unix.Fstat(int(s.lock.Fd()), &ours), unix.Fstat(int(t.lock.Fd()), &theirs))
	if err == nil && ours.Dev == theirs.Dev {
		s.lender = t
	}
}

// hold is reserve for bytes that are there already, whatever the limit.
func (s *Stage) hold(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used += n
}

// makeRoom has the cache on disk give way before what the kernel writes by itself
// finds the disk full.
func (s *Stage) makeRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.lender != nil {
		if err := s.askFreeLocked(0); err != nil || s.free >= freeStep || !s.lender.giveWay() {
			return
		}
	}
}

// askFreeLocked asks the file system what it has to spare, for the next n bytes.
func (s *Stage) askFreeLocked(n int64) error {
	if s.lock == nil {
		s.free = max(freeStep, n) // a test's
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(s.lock.Fd()), &st); err != nil {
		return fmt.Errorf("%w: free space: %w", ErrStage, err)
	}
	s.free = min(int64(st.Bavail)*st.Bsize-keepFree+s.ballast.size(), max(freeStep, n))
	return nil
}

// nameRoom is how much the records of one change of names take in the journal,
// in bytes, beside what is set aside for the files' own.
const nameRoom = 32 << 10

// reserveRecords makes sure, before names change, that the journal can take what
// there is to say of it, even if the disk is full by then; ErrStageFull if not.
func (s *Stage) reserveRecords() (release func(), err error) {
	if err := s.journal.Reserve(nameRoom); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStageFull, err)
	}
	return func() { _ = s.journal.Reserve(-nameRoom) }, nil // giving back cannot fail
}
