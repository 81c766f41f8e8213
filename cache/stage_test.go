package cache

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStageIsRefusedToASecondMount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	first, err := openStage(t.Context(), dir, "source", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = openStage(t.Context(), dir, "source", 0)
	if err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())+" ") {
		t.Errorf("second mount of a source: %v, want the holder's pid", err)
	}
	other, err := openStage(t.Context(), dir, "other", 0)
	if err != nil {
		t.Errorf("another source: %v", err)
	}
	if err := errors.Join(other.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := openStage(t.Context(), dir, "source", 0)
	if err != nil {
		t.Fatalf("after the first has closed: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestStageIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "stage")
	s, err := openStage(t.Context(), dir, "source", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, path, err := s.create()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{dir, dir + "/source", dir + "/source/data", dir + "/source/lock", dir + "/source/" + path} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestStageThatOthersCanChangeIsRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o770, 0o777, 0o702} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := openStage(t.Context(), dir, "source", 0); err == nil || !strings.Contains(err.Error(), "written to by others") {
			t.Errorf("mode %v: %v", mode, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("mode %v: something was made in it", mode)
		}
	}
}

func TestStageOfAnotherUserIsRefused(t *testing.T) {
	dir := "/" // root's: another's for everybody else
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openStage(t.Context(), dir, "source", 0); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("got %v", err)
	}
}

func TestStageThatCannotBeWrittenIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, file + "/below", "/proc/stage"} {
		_, err := openStage(t.Context(), dir, "source", 0)
		if err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want an error that names it", dir, err)
		}
	}
}

// TestFullStageIsRefused needs a file system of its own, mounted where only
// one thread sees it.
func TestFullStageIsRefused(t *testing.T) {
	withTinyFileSystem(t, func(dir string) {
		if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 60<<10), 0o600); err != nil {
			t.Error(err)
			return
		}
		if _, err := openStage(t.Context(), dir, "source", 0); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("full: %v, want ENOSPC", err)
		}
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Error(err)
			return
		}
		if _, err := openStage(t.Context(), dir, "source", 0); !errors.Is(err, unix.EROFS) {
			t.Errorf("read-only: %v, want EROFS", err)
		}
	})
}

// withTinyFileSystem runs f, on one thread, with a file system of 64 KiB at
// dir. It goes with the thread.
func withTinyFileSystem(t *testing.T, f func(dir string)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting takes root; scripts/test runs as root too")
	}
	dir := t.TempDir()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0700")
		}
		if err == nil {
			f(dir)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("root without CAP_SYS_ADMIN: %v", err)
	}
}

func TestStrayDataFilesAreNamedAndEmptyOnesRemoved(t *testing.T) {
	dir := t.TempDir()
	s, err := openStage(t.Context(), dir, "source", 0)
	if err != nil {
		t.Fatal(err)
	}
	f, path, err := s.create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, _, err = s.create(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	s.Close()
	if s, err = openStage(t.Context(), dir, "source", 0); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	left, err := s.strays()
	if want := filepath.Join(dir, "source", path); err != nil || len(left) != 1 || left[0] != want {
		t.Errorf("got %q %v, want %q", left, err, want)
	}
	s.lastID = 0 // as a new process with the same number begins
	if _, second, err := s.create(); err != nil || second == path {
		t.Errorf("a new file took the leftover's place: %s %v", second, err)
	}
}

func TestStageLimitIsKeptAndGivenBack(t *testing.T) {
	s := &Stage{limit: 100}
	if err := s.reserve(60); err != nil {
		t.Fatal(err)
	}
	if err := s.reserve(41); !errors.Is(err, ErrStageFull) {
		t.Errorf("over the limit: %v", err)
	}
	if err := s.reserve(40); err != nil {
		t.Errorf("up to the limit: %v", err)
	}
	if err := s.reserve(-100); err != nil {
		t.Error(err)
	}
	if err := s.reserve(100); err != nil {
		t.Errorf("given back: %v", err)
	}
}

// TestDataFilesThatComeLateAreRemovedToo: nobody else may sync the journal.
func TestDataFilesThatComeLateAreRemovedToo(t *testing.T) {
	m := mount(t, Options{})
	file, path, err := m.stage.create()
	noError(t, err)
	noError(t, file.Close())
	m.stage.mu.Lock()
	m.stage.doomed[path] = m.stage.journal.last() + 1 // as if its record came during the sync
	m.stage.mu.Unlock()
	m.stage.removeDoomedNow()
	_, err = m.stage.journal.Append(Record{ID: path, State: StateDone})
	noError(t, err)
	eventually(t, "it is removed", func() bool {
		left, err := dataFiles(m.stage.root.Name())
		return err == nil && len(left) == 0
	})
}
