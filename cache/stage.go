package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Stage is the directory of staged writes of one source, and the index of what
// is in it. On disk:
//
//	STAGE-DIR/SOURCE-HASH/lock       held while a mount uses the directory
//	STAGE-DIR/SOURCE-HASH/journal    what is to become of each file
//	STAGE-DIR/SOURCE-HASH/data/ID    the local bytes of one file, sparse
//	STAGE-DIR/SOURCE-HASH/ballast    space for the journal, while the kernel writes by itself
type Stage struct {
	root    *os.Root
	lock    *os.File
	journal *Journal
	limit   int64 // bytes; 0: what the file system has free
	lender  *Tier // gives way on the same file system; nil: none
	ballast ballast

	mu     sync.Mutex
	byName map[Name]*Staged            // guarded by mu, like all below
	bases  map[string]map[*Staged]bool // by key: files of other keys that need its object
	files  map[string]bool             // data files of this mount; true: to be kept at its end
	kept   map[string]error            // why records of an earlier mount were not taken up, by ID
	doomed map[string]uint64           // data files to be removed once this record is safe
	spent  []string                    // data files to be removed in a moment
	used   int64                       // bytes written to data files
	free   int64                       // bytes that the file system had to spare when it was last asked, less what was used since
	lastID uint64
}

// openStage makes and locks the directory. While a mount that has ended brings
// its last files into the bucket, it is waited for, until ctx ends.
func openStage(ctx context.Context, dir, source string, limit int64) (*Stage, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(dir, err)
	}
	if err := checkOwner("stage", dir); err != nil {
		return nil, err
	}
	parent, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("stage directory %s: %w", dir, err)
	}
	defer parent.Close()
	if err := parent.MkdirAll(source+"/data", 0o700); err != nil {
		return nil, unusable(dir, err)
	}
	root, err := parent.OpenRoot(source)
	if err != nil {
		return nil, fmt.Errorf("stage directory %s: %w", dir, err)
	}
	s := &Stage{root: root, limit: limit, byName: map[Name]*Staged{}, bases: map[string]map[*Staged]bool{},
		files: map[string]bool{}, kept: map[string]error{}, doomed: map[string]uint64{}, ballast: ballast{root: root}}
	if err := s.prepare(ctx); err != nil {
		s.Close()
		return nil, unusable(root.Name(), err)
	}
	return s, nil
}

func (s *Stage) prepare(ctx context.Context) error {
	if err := s.takeLock(ctx); err != nil {
		return err
	}
	s.ballast.drop()
	return s.probe()
}

// unusable says what to do about a directory that cannot be written to.
func unusable(dir string, err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		err = fmt.Errorf("%w: make room there, or choose another --stage-dir", err)
	case errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission), errors.Is(err, unix.ENOTDIR), errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: choose another --stage-dir, or mount --read-only", err)
	}
	return fmt.Errorf("stage directory %s: %w", dir, err)
}

// checkOwner refuses a directory, stage or cache, that others can write to:
// they could replace what is uploaded or read.
func checkOwner(what, dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("%s directory %s: %w", what, dir, err)
	}
	if st.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("%[1]s directory %[2]s belongs to user %[3]d: choose another --%[1]s-dir", what, dir, st.Uid)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("%[1]s directory %[2]s can be written to by others: chmod 0700 it, or choose another --%[1]s-dir", what, dir)
	}
	return nil
}

// probe finds out now, not at the first write, that nothing can be written.
func (s *Stage) probe() error {
	f, err := s.root.Create("data/probe")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Close(), s.root.Remove("data/probe"))
}

// Close gives the directory up.
func (s *Stage) Close() error {
	if s == nil {
		return nil
	}
	var err error
	s.ballast.give()
	if s.journal != nil {
		s.removeSpent()
		s.removeDoomedNow()
		err = s.journal.Close()
	}
	err = errors.Join(err, s.root.Close())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// Of returns what is staged under n, or nil.
func (s *Stage) Of(n Name) *Staged {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byName[n]
}

// take is Of with one more user; nil when there is none, or it is just leaving
// the stage.
func (s *Stage) take(n Name) *Staged {
	staged := s.Of(n)
	if staged == nil || staged.acquire() {
		return staged
	}
	s.drop(n, staged)
	return nil
}

// takeUnder is Under with one more user for each.
func (s *Stage) takeUnder(n Name) []*Staged {
	return slices.DeleteFunc(s.Under(n), func(staged *Staged) bool { return !staged.acquire() })
}

// Under returns everything staged under directory n.
func (s *Stage) Under(n Name) []*Staged {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var below []*Staged
	for name, staged := range s.byName {
		if name.In(n) {
			below = append(below, staged)
		}
	}
	return below
}

// putNew indexes staged under n, or returns what is there already.
func (s *Stage) putNew(n Name, staged *Staged) *Staged {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byName[n]; old != nil {
		return old
	}
	s.byName[n] = staged
	return staged
}

// move indexes staged under to instead of from, in place of what was there.
func (s *Stage) move(from, to Name, staged *Staged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[from] == staged {
		delete(s.byName, from)
	}
	s.byName[to] = staged
}

// drop removes staged from the index, if it is what stands under n.
func (s *Stage) drop(n Name, staged *Staged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[n] == staged {
		delete(s.byName, n)
	}
}

// setBases notes that staged, whose own key is own, needs the objects of keys;
// an empty one is none.
func (s *Stage) setBases(staged *Staged, own string, keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for of, all := range s.bases {
		if delete(all, staged); len(all) == 0 {
			delete(s.bases, of)
		}
	}
	for _, key := range keys {
		if key == "" || key == own {
			continue
		}
		if s.bases[key] == nil {
			s.bases[key] = map[*Staged]bool{}
		}
		s.bases[key][staged] = true
	}
}

// basedOn returns the files of other keys that need the object of key.
func (s *Stage) basedOn(key string) []*Staged {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.bases[key]))
}
