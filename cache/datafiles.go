package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

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

// adopt takes up a data file of an earlier mount.
func (s *Stage) adopt(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = false
}

// keep lets a data file outlive the mount: it holds what the bucket lacks.
func (s *Stage) keep(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = true
}

// keepBecause is keep for a record that was not taken up.
func (s *Stage) keepBecause(id string, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[id], s.kept[id] = true, why
}

// whyKept returns the error of keepBecause, nil for another record.
func (s *Stage) whyKept(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[id]
}

// doomTime is how long data files that are not needed wait for others, so that
// one fsync of the journal serves many.
const doomTime = time.Second

// removeLater deletes a data file whose record is done: at once, or where the
// journal had made a promise of it, once a loss of power cannot bring that back.
func (s *Stage) removeLater(path string, wasPromised bool) {
	seq := s.journal.last()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !wasPromised {
		s.removeLocked(path)
		return
	}
	if len(s.doomed) == 0 {
		time.AfterFunc(doomTime, s.removeDoomedNow)
	}
	s.doomed[path] = seq
}

const (
	// spentTime is how long a small data file that is not needed stays: its deletion
	// takes longer than the making of the next one, which would wait for it.
	spentTime = 5 * time.Millisecond
	// spentMost is how many there may be, each of up to spentSize bytes.
	spentMost = 64
	spentSize = 64 << 10
)

// removeSoon is removeLater for a file of size bytes without a promise, for a caller
// that somebody waits for.
func (s *Stage) removeSoon(path string, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > spentSize || len(s.spent) == spentMost {
		s.removeLocked(path)
		return
	}
	if len(s.spent) == 0 {
		time.AfterFunc(spentTime, s.removeSpent)
	}
	s.spent = append(s.spent, path)
}

// removeSpent deletes what removeSoon has left.
func (s *Stage) removeSpent() {
	s.mu.Lock()
	spent := s.spent
	s.spent = nil
	s.mu.Unlock()
	for _, path := range spent {
		s.removeFile(path)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range spent {
		delete(s.files, path)
	}
}

// removeDoomed deletes what waits for a record that is safe by now.
func (s *Stage) removeDoomed() {
	synced := s.journal.safe()
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, seq := range s.doomed {
		if seq <= synced {
			delete(s.doomed, path)
			s.removeLocked(path)
		}
	}
}

// removeDoomedNow makes safe what data files wait for, and deletes them.
func (s *Stage) removeDoomedNow() {
	s.mu.Lock()
	none := len(s.doomed) == 0
	s.mu.Unlock()
	if none || s.journal.Sync(s.journal.last()) != nil {
		return // the next mount removes them
	}
	step("doomed-removing")
	s.removeDoomed()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.doomed) > 0 { // they have come meanwhile
		time.AfterFunc(doomTime, s.removeDoomedNow)
	}
}

func (s *Stage) removeLocked(path string) {
	delete(s.files, path)
	s.removeFile(path)
}

func (s *Stage) removeFile(path string) {
	if err := s.root.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
		s.journal.Forget(path)
	} // else the next mount removes it
}

// removeUnneeded deletes, at the end of a mount, the data files of files that
// are still open but hold nothing that the bucket lacks.
func (s *Stage) removeUnneeded() {
	for _, staged := range s.Under("") {
		staged.keepFiles()
	}
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, isKept := range s.files {
		if _, doomed := s.doomed[path]; !isKept && !doomed {
			_ = s.root.Remove(path) // the next mount names what stays
		}
	}
}

// keepFiles lets the data files outlive the mount where the bucket lacks
// something.
func (s *Staged) keepFiles() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dirtyLocked() && !s.watched {
		return
	}
	for _, path := range append(s.former[:len(s.former):len(s.former)], s.path) {
		s.c.stage.keep(path)
	}
}
