package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Stage is the directory of staged writes of one source, and the index of what
// is in it. On disk:
//
//	STAGE-DIR/SOURCE-HASH/lock       held while a mount uses the directory
//	STAGE-DIR/SOURCE-HASH/journal    what is to become of each file
//	STAGE-DIR/SOURCE-HASH/data/ID    the local bytes of one file, sparse
type Stage struct {
	root    *os.Root
	lock    *os.File
	journal *Journal
	limit   int64 // bytes; 0: what the file system has free

	mu     sync.Mutex
	byName map[Name]*Staged // guarded by mu, like all below
	files  map[string]bool  // data files of this mount; true: to be kept at its end
	used   int64            // bytes written to data files
	lastID uint64
}

// openStage makes and locks the directory.
func openStage(dir, source string, limit int64) (*Stage, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(dir, err)
	}
	if err := checkOwner(dir); err != nil {
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
	s := &Stage{root: root, limit: limit, byName: map[Name]*Staged{}, files: map[string]bool{}}
	if err := errors.Join(s.takeLock(), s.probe()); err != nil {
		s.Close()
		return nil, unusable(root.Name(), err)
	}
	return s, nil
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

// checkOwner refuses a directory that others can write to: they could replace
// what is uploaded.
func checkOwner(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("stage directory %s: %w", dir, err)
	}
	if st.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("stage directory %s belongs to user %d: choose another --stage-dir", dir, st.Uid)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("stage directory %s can be written to by others: chmod 0700 it, or choose another --stage-dir", dir)
	}
	return nil
}

// takeLock makes sure that one mount uses the directory.
func (s *Stage) takeLock() error {
	f, err := s.root.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	s.lock = f
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := make([]byte, 20)
		n, _ := f.ReadAt(holder, 0)
		return fmt.Errorf("process %s has this source mounted and uses it: unmount that one, or choose another --stage-dir", holder[:n])
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
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
	err := s.root.Close()
	if s.journal != nil {
		err = errors.Join(err, s.journal.Close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// strays returns the paths of data files that this mount has neither made nor
// taken up nor kept. Empty ones are removed.
func (s *Stage) strays() ([]string, error) {
	files, err := fs.ReadDir(s.root.FS(), "data")
	if err != nil {
		return nil, fmt.Errorf("stage directory %s: %w", s.root.Name(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for _, f := range files {
		path := "data/" + f.Name()
		if _, known := s.files[path]; known {
			continue
		}
		if info, err := f.Info(); err == nil && info.Size() == 0 && s.root.Remove(path) == nil {
			continue
		}
		paths = append(paths, s.root.Name()+"/"+path)
	}
	return paths, nil
}

// adopt takes up a data file of an earlier mount.
func (s *Stage) adopt(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = false
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

// create makes a data file.
func (s *Stage) create() (*os.File, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.lastID++
		path := fmt.Sprintf("data/%d-%d", os.Getpid(), s.lastID)
		f, err := s.root.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", ErrStage, err)
		}
		s.files[path] = false
		return f, path, nil
	}
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

// remove deletes a data file.
func (s *Stage) remove(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, path)
	return s.root.Remove(path)
}

// keep lets a data file outlive the mount: it holds what the bucket lacks.
func (s *Stage) keep(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = true
}

// removeUnneeded deletes, at the end of a mount, the data files of files that
// are still open but hold nothing that the bucket lacks.
func (s *Stage) removeUnneeded() {
	for _, staged := range s.Under("") {
		if staged.Dirty() {
			s.keep(staged.path)
		}
	}
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, isKept := range s.files {
		if !isKept {
			_ = s.root.Remove(path) // the next mount names what stays
		}
	}
}

// drop removes staged from the index, if it is what stands under n.
func (s *Stage) drop(n Name, staged *Staged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[n] == staged {
		delete(s.byName, n)
	}
}

// reserve takes n bytes of the stage's limit, or gives them back when n is
// negative.
func (s *Stage) reserve(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 && s.limit > 0 && s.used+n > s.limit {
		return ErrStageFull
	}
	s.used += n
	return nil
}
