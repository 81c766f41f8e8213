package cache

import (
	"errors"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// orphan makes an object, and removes its name while it is open.
func (m *mounted) orphan(n Name) {
	m.t.Helper()
	m.put(string(n), []byte("content"))
	m.checkKind(n, File)
	m.server.ResetCounts()
	if err := m.Remove(m.t.Context(), n, true); err != nil {
		m.t.Fatal(err)
	}
	m.checkRequests("removing an open file", counts{})
	m.checkKind(n, Absent)
}

func (m *mounted) removeOrphan(n Name) {
	m.t.Helper()
	if err := m.awaitRemoval(m.path(m.keyOf(n))); err != nil {
		m.t.Error(err)
	}
}

// awaitRemoval ends the last use of what was removed, and waits until it is
// deleted.
func (m *mounted) awaitRemoval(p remote.Path) error {
	m.RemoveClosed(p, "")
	for end := time.Now().Add(10 * time.Second); m.removals.hides(p); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			return errors.New("not deleted after 10 s")
		}
	}
	return nil
}

func TestOpenFileIsDeletedAfterItsLastClose(t *testing.T) {
	m := mount(t, Options{})
	m.orphan("d/a")
	m.checkObject("d/a", []byte("content"))
	m.server.ResetCounts()
	m.removeOrphan("d/a")
	m.checkRequests("last close", counts{emulator.OpHeadObject: 1, emulator.OpDeleteObject: 1})
	m.checkObject("d/a", nil)
	m.removeOrphan("d/a")
	m.removeOrphan("d/none")
	m.checkKind("d/a", Absent)
}

func TestRemovedOpenFileStaysHidden(t *testing.T) {
	t.Parallel()
	m := mount(t, Options{MetadataTTL: 50 * time.Millisecond})
	m.orphan("d/a")
	m.put("d/b", nil)
	eventually(t, "others' changes are seen", func() bool { return m.stat("d/b").Kind == File })
	end := time.Now().Add(150 * time.Millisecond)
	for time.Now().Before(end) {
		if m.stat("d/a").Kind != Absent {
			t.Fatal("the removed file is back")
		}
		all, err := m.ReadDir(t.Context(), "d")
		if err != nil || len(all) > 1 {
			t.Fatalf("%d names, %v", len(all), err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestNewFileInAnOrphansPlaceIsKept(t *testing.T) {
	for name, build := range map[string]func(m *mounted){
		"committed":                    func(m *mounted) { m.create("d/a", []byte("new")) },
		"committed with equal content": func(m *mounted) { m.create("d/a", []byte("content")) },
		"stored": func(m *mounted) {
			if err := m.Store(m.t.Context(), "d/a", []byte("content"), Attr{}); err != nil {
				m.t.Fatal(err)
			}
		},
		"renamed": func(m *mounted) {
			m.put("d/b", []byte("content"))
			m.Forget("d/b")
			if _, err := m.Rename(m.t.Context(), "d/b", "d/a"); err != nil {
				m.t.Fatal(err)
			}
		},
		"put by another": func(m *mounted) { m.put("d/a", []byte("new")) },
		"put by another with equal content": func(m *mounted) {
			m.ahead.Store(60)
			m.put("d/a", []byte("content"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.orphan("d/a")
			build(m)
			want := m.head("d/a")
			m.removeOrphan("d/a")
			if got := m.head("d/a"); got.ETag != want.ETag || got.ETag == "" {
				t.Errorf("the new object is gone: %+v, want %+v", got, want)
			}
		})
	}
}

func TestOrphanOfOurOwnWritingIsDeleted(t *testing.T) {
	m := mount(t, Options{})
	m.create("d/a", []byte("content"))
	if err := m.Remove(t.Context(), "d/a", true); err != nil {
		t.Fatal(err)
	}
	m.checkObject("d/a", []byte("content"))
	m.removeOrphan("d/a")
	m.checkObject("d/a", nil)
}

func TestOrphanGoesBeforeAnUncommittedSuccessor(t *testing.T) {
	m := mount(t, Options{})
	m.orphan("d/a")
	s := m.edit("d/a")
	m.write(s, []byte("new"), 0)
	m.removeOrphan("d/a")
	m.checkObject("d/a", nil)
	m.commit(s)
	s.Release()
	m.checkObject("d/a", []byte("new"))
}

func TestDrainDeletesOrphans(t *testing.T) {
	m := mount(t, Options{})
	m.orphan("d/a")
	if err := m.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	m.checkObject("d/a", nil)
}

func TestDirectoryWithAnOrphanIsEmpty(t *testing.T) {
	t.Run("rmdir", func(t *testing.T) {
		m := mount(t, Options{})
		m.orphan("d/a")
		if err := m.Rmdir(t.Context(), "d"); err != nil {
			t.Error(err)
		}
		m.checkObject("d/a", nil)
		m.checkKind("d", Absent)
	})
	t.Run("renamed over", func(t *testing.T) {
		m := mount(t, Options{})
		m.orphan("d/a")
		m.put("from/x", []byte("x"))
		if _, err := m.RenameDir(t.Context(), "from", "d"); err != nil {
			t.Error(err)
		}
		m.removeOrphan("d/a")
		m.checkObject("d/a", nil)
		m.checkObject("d/x", []byte("x"))
	})
	t.Run("renamed", func(t *testing.T) {
		m := mount(t, Options{})
		m.orphan("d/a")
		m.put("d/x", []byte("x"))
		if _, err := m.RenameDir(t.Context(), "d", "to"); err != nil {
			t.Error(err)
		}
		m.checkObject("to/x", []byte("x"))
		m.checkObject("to/a", nil)
		m.checkObject("d/a", nil)
	})
}

// TestDirectoryIsEmptyWhileItsLastObjectsGo, though a listing shows them that is
// looked at when they are gone.
func TestDirectoryIsEmptyWhileItsLastObjectsGo(t *testing.T) {
	m := mountBehind(t, Options{})
	m.put("d/", nil, remote.PutOptions{ContentType: markerType})
	m.put("d/a", []byte("content"))
	m.checkKind("d/a", File)
	m.remove("d/a")
	isLeaving, count := m.removals.leaving("d/")
	listed := m.head("d/a")
	m.sync()
	if count != 1 || !isLeaving(listed) {
		t.Errorf("%d on their way out, %v", count, isLeaving(listed))
	}
	another := listed
	another.ETag = "another"
	if isLeaving(another) {
		t.Error("what another client has made is taken for it")
	}
}
