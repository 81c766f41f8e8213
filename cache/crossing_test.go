package cache

import (
	"errors"
	"io/fs"
	"sync"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// hold claims a key, so that other changes of it wait.
func (m *mounted) hold(n Name) (release func()) {
	m.t.Helper()
	release, err := m.gates.claim(m.t.Context(), m.keyOf(n))
	if err != nil {
		m.t.Fatal(err)
	}
	return release
}

// untilClaimed waits until at least that many changes wait for keys or have
// them; 0: until none does.
func (m *mounted) untilClaimed(count int) {
	m.t.Helper()
	eventually(m.t, "claims", func() bool {
		m.gates.mu.Lock()
		defer m.gates.mu.Unlock()
		return len(m.gates.claims) == count || count > 0 && len(m.gates.claims) > count
	})
}

func TestCommitOfAFileRemovedWhileItWaitsIsNoError(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	m.write(s, []byte("content"), 0)
	release := m.hold("a")
	var committing, removing sync.WaitGroup
	committing.Go(func() { m.commitIn(s) })
	m.untilClaimed(2)
	removing.Go(func() {
		if err := m.Remove(t.Context(), "a", false); err != nil {
			t.Error(err)
		}
	})
	m.untilClaimed(2) // the upload's claim is the removal's now
	release()
	removing.Wait()
	committing.Wait()
	s.Release()
	m.checkObject("a", nil)
	m.checkStageEmpty()
}

func TestFileOpenedWhileItIsRemovedStaysRemoved(t *testing.T) {
	for name, meet := range map[string]func(m *mounted, remove, open func()){
		"before the request": func(m *mounted, remove, open func()) {
			release := m.hold("a")
			go remove()
			m.untilClaimed(2)
			open()
			release()
		},
		"during the request": func(m *mounted, remove, open func()) {
			release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpDeleteObject, Effect: emulator.StallHeader})
			m.server.ResetCounts()
			go remove()
			m.until(emulator.OpDeleteObject, 1)
			open()
			release()
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("a", []byte("base"))
			m.checkKind("a", File)
			var s *Staged
			removed := make(chan error)
			meet(m, func() { removed <- m.Remove(t.Context(), "a", false) }, func() {
				s = m.edit("a")
				m.write(s, []byte("mine"), 2)
			})
			if err := <-removed; err != nil {
				t.Error(err)
			}
			m.checkKind("a", Absent)
			m.commit(s)
			s.Release()
			m.checkObject("a", nil)
			m.checkStageEmpty()
		})
	}
}

// TestFileRemovedWhileItsDirectoryIsRenamedDoesNotComeBack: the unlink waits
// for the rename, which has copied the file already.
func TestFileRemovedWhileItsDirectoryIsRenamedDoesNotComeBack(t *testing.T) {
	for name, open := range map[string]func(m *mounted) *Staged{
		"closed": func(*mounted) *Staged { return nil },
		"staged": func(m *mounted) *Staged { return m.edit("d/a") },
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("d/a", []byte("content"))
			m.put("d/b", []byte("content"))
			s := open(m)
			goOn := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpCopyObject, Effect: emulator.StallHeader})
			m.server.ResetCounts()
			var group sync.WaitGroup
			group.Go(func() {
				if _, err := m.RenameDir(t.Context(), "d", "e"); err != nil {
					t.Error(err)
				}
			})
			m.until(emulator.OpCopyObject, 2)
			var removed error
			group.Go(func() { removed = m.Remove(t.Context(), "d/a", false) })
			m.untilClaimed(2)
			goOn()
			group.Wait()
			if s != nil {
				m.commit(s)
				s.Release()
			}
			m.checkObject("d/a", nil)
			m.checkObject("e/b", []byte("content"))
			if isThere := m.head("e/a").ETag != ""; isThere == (removed == nil) {
				t.Errorf("unlink: %v; e/a exists: %v", removed, isThere)
			}
			m.checkStageEmpty()
		})
	}
}

// TestDirectoryThatMovedDoesNotComeBack: changes below it waited for its rename.
func TestDirectoryThatMovedDoesNotComeBack(t *testing.T) {
	for name, change := range map[string]func(m *mounted) error{
		"mkdir":       func(m *mounted) error { return m.Mkdir(m.t.Context(), "d/new", Attr{}) },
		"store":       func(m *mounted) error { return m.Store(m.t.Context(), "d/new", nil, Attr{}) },
		"chmod":       func(m *mounted) error { return m.SetAttr(m.t.Context(), "d/a", setMode(0o100600)) },
		"chmod of it": func(m *mounted) error { return m.SetAttr(m.t.Context(), "d", setMode(0o40700)) },
		"rename in":   func(m *mounted) error { _, err := m.Rename(m.t.Context(), "x", "d/x"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("d/", nil, remote.PutOptions{ContentType: markerType})
			m.put("d/a", []byte("content"))
			m.put("x", []byte("content"))
			m.checkKind("d/a", File)
			goOn := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpCopyObject, Effect: emulator.StallHeader})
			m.server.ResetCounts()
			var group sync.WaitGroup
			group.Go(func() {
				if _, err := m.RenameDir(t.Context(), "d", "e"); err != nil {
					t.Error(err)
				}
			})
			m.until(emulator.OpCopyObject, 2)
			group.Go(func() {
				if err := change(m); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
			})
			m.untilClaimed(2)
			goOn()
			group.Wait()
			for _, key := range []string{"d/", "d/a", "d/new", "d/new/", "d/x"} {
				m.checkObject(key, nil)
			}
		})
	}
}

// TestFileOpenedForWritingWhileItIsRenamedFollows: the rename finds nothing
// staged when it begins.
func TestFileOpenedForWritingWhileItIsRenamedFollows(t *testing.T) {
	for name, rename := range map[string]func(m *mounted) error{
		"file":      func(m *mounted) error { _, err := m.Rename(m.t.Context(), "d/a", "e/a"); return err },
		"directory": func(m *mounted) error { _, err := m.RenameDir(m.t.Context(), "d", "e"); return err },
	} {
		remove := emulator.OpDeleteObject
		if name == "directory" {
			remove = emulator.OpDeleteObjects
		}
		for _, op := range []string{emulator.OpCopyObject, remove} {
			t.Run(name+", "+op, func(t *testing.T) {
				m := mount(t, Options{})
				m.put("d/a", []byte("0123456789"))
				m.checkKind("d/a", File)
				goOn := m.server.Faults().Add(emulator.Fault{Operation: op, Effect: emulator.StallHeader})
				m.server.ResetCounts()
				var group sync.WaitGroup
				group.Go(func() {
					if err := rename(m); err != nil {
						t.Error(err)
					}
				})
				m.until(op, 1)
				s := m.edit("d/a")
				m.write(s, []byte("xy"), 4)
				goOn()
				group.Wait()
				m.commit(s)
				s.Release()
				m.checkObject("d/a", nil)
				m.checkObject("e/a", []byte("0123xy6789"))
				m.checkStageEmpty()
			})
		}
	}
}
