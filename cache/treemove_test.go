package cache

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// copied does what a rename of d to e has done when so many of its objects are
// copied.
func (m *mounted) copied(n int) {
	m.t.Helper()
	for i := range n {
		if _, err := m.other.Copy(m.t.Context(), m.path(fmt.Sprintf("e/%d", i)), m.path(fmt.Sprintf("d/%d", i)), remote.CopyOptions{}); err != nil {
			m.t.Fatal(err)
		}
	}
}

// TestDirectoryRenameThatACrashCutShortIsCompleted: before that the mount shows one
// of the two names, with all that is in it.
func TestDirectoryRenameThatACrashCutShortIsCompleted(t *testing.T) {
	for name, c := range map[string]struct {
		copies int
		isOver bool // the copies are complete
		gone   int  // of the originals
	}{
		"before any copy":         {0, false, 0},
		"while it copies":         {3, false, 0},
		"when all are copied":     {5, false, 0},
		"before any deletion":     {5, true, 0},
		"while originals go":      {5, true, 2},
		"when all originals went": {5, true, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mount(t, Options{LateTime: 500 * time.Millisecond})
			for i := range 5 {
				m.put(fmt.Sprintf("d/%d", i), fmt.Appendf(nil, "content %d", i))
			}
			heal := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Key: "d/dirty", Effect: emulator.Refuse, Code: "AccessDenied"})
			s := m.overwrite("d/dirty")
			m.write(s, []byte("never uploaded"), 0)
			if err := s.Commit(t.Context()); err == nil {
				t.Error("committed")
			}
			move := m.beginMove("d", "e", false)
			move.record.Copied = c.isOver
			noError(t, move.note())
			s.noteMove("e/dirty")
			m.copied(c.copies)
			for i := range c.gone {
				noError(t, m.other.Delete(t.Context(), m.path(fmt.Sprintf("d/%d", i))))
			}
			m.crash()
			shown, hidden := Name("d"), Name("e")
			if c.isOver {
				shown, hidden = hidden, shown
			}
			m.checkKind(shown, Dir)
			m.checkKind(shown.Join("4"), File)
			m.checkKind(hidden, Absent)
			m.checkKind(hidden.Join("4"), Absent)
			heal()
			m.sync()
			for i := range 5 {
				m.checkObject(fmt.Sprintf("e/%d", i), fmt.Appendf(nil, "content %d", i))
				m.checkObject(fmt.Sprintf("d/%d", i), nil)
			}
			m.checkObject("d/dirty", nil)
			m.checkObject("e/dirty", []byte("never uploaded"))
			m.checkKind("e/4", File)
			m.checkKind("d", Absent)
			if left := m.Pending(); len(left) > 0 {
				t.Errorf("pending: %+v", left)
			}
		})
	}
}

// TestNewObjectsUnderTheOldNameAreKept: another client made them after the rename.
func TestNewObjectsUnderTheOldNameAreKept(t *testing.T) {
	m := mount(t, Options{})
	for i := range 2 {
		m.put(fmt.Sprintf("d/%d", i), []byte("content"))
	}
	move := m.beginMove("d", "e", false)
	move.record.Copied = true
	noError(t, move.note())
	m.copied(2)
	m.put("d/1", []byte("another"))
	m.put("d/new", []byte("new"))
	m.crash()
	m.sync()
	m.checkObject("d/0", nil)
	m.checkObject("d/1", []byte("another"))
	m.checkObject("d/new", []byte("new"))
	m.checkKind("d/new", File)
}

func TestDirectoryOfTooManyObjectsIsNotRenamed(t *testing.T) {
	m := mount(t, Options{RenameLimit: 2})
	for i := range 3 {
		m.put(fmt.Sprintf("d/%d", i), nil)
	}
	m.server.ResetCounts()
	if _, err := m.RenameDir(t.Context(), "d", "e"); !errors.Is(err, ErrRenameLimit) {
		t.Errorf("%v, want ErrRenameLimit", err)
	}
	m.checkRequests("a refused rename", map[string]int{emulator.OpListObjects: 2}) // of what is at the new name, and at the old one
	noError(t, m.other.Delete(t.Context(), m.path("d/2")))
	if _, err := m.RenameDir(t.Context(), "d", "e"); err != nil {
		t.Error(err)
	}
}

// TestRenamedDirectoryIsNotSeenBeforeItIsComplete, in the directory above neither.
func TestRenamedDirectoryIsNotSeenBeforeItIsComplete(t *testing.T) {
	for name, isThere := range map[string]bool{"new": false, "over an empty directory": true} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("d/a", nil)
			m.put("d/b", nil)
			want, wanted := Absent, "d"
			if isThere {
				m.put("e/", nil, remote.PutOptions{ContentType: markerType})
				want, wanted = Dir, "d e"
			}
			m.checkKind("e", want)
			m.server.ResetCounts()
			goOn := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpCopyObject, Key: "e/b", Effect: emulator.StallHeader})
			done := make(chan error, 1)
			go func() {
				_, err := m.RenameDir(t.Context(), "d", "e")
				done <- err
			}()
			m.until(emulator.OpCopyObject, 2)
			eventually(t, "one is copied", func() bool { r := m.Renames(); return len(r) == 1 && r[0].Copied == 1 })
			if r := m.Renames()[0]; r != (Progress{"d", "e", 2, 1, 0}) {
				t.Errorf("progress: %+v", r)
			}
			m.Forget("e")
			m.checkKind("e", want)
			m.checkKind("e/a", Absent)
			m.checkNames("", wanted)
			m.checkNames("e", "")
			goOn()
			noError(t, <-done)
			m.checkKind("e/a", File)
			m.checkNames("", "e")
			m.checkNames("e", "a b")
			if r := m.Renames(); len(r) > 0 {
				t.Errorf("progress: %+v", r)
			}
		})
	}
}

// checkNames compares the names in a directory, sorted, with a list of them.
func (m *mounted) checkNames(n Name, want string) {
	m.t.Helper()
	entries, err := m.ReadDir(m.t.Context(), n)
	var names []string
	for _, e := range entries {
		names = append(names, e.Base)
	}
	if got := strings.Join(names, " "); err != nil || got != want {
		m.t.Errorf("in %q are %q, %v; want %q", n, got, err, want)
	}
}

// TestDirectoryRenameIsCompletedWithoutAMount, on request.
func TestDirectoryRenameIsCompletedWithoutAMount(t *testing.T) {
	m := mount(t, Options{})
	m.put("d/0", []byte("content"))
	move := m.beginMove("d", "e", false)
	noError(t, move.note())
	m.cancel()
	m.Cache = m.open(Options{StageDir: copyStage(t, m.stage.root), Idle: true})
	pending := m.Pending()
	if len(pending) != 1 || pending[0].State != StateRenaming || pending[0].Name != "d/" {
		t.Fatalf("pending: %+v", pending)
	}
	if err := m.Discard(t.Context(), pending[0].ID); !errors.Is(err, ErrBusy) {
		t.Errorf("discard: %v, want ErrBusy", err)
	}
	noError(t, m.Retry(t.Context(), pending[0].ID))
	m.checkObject("d/0", nil)
	m.checkObject("e/0", []byte("content"))
	if left := m.Pending(); len(left) > 0 {
		t.Errorf("pending: %+v", left)
	}
}
