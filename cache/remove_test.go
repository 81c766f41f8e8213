package cache

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"

	"ncloudfs/remote/emulator"
)

func (m *mounted) remove(n Name) {
	m.t.Helper()
	if err := m.Remove(m.t.Context(), n, false); err != nil {
		m.t.Errorf("remove %q: %v", n, err)
	}
}

func TestUnlinkIsOneDelete(t *testing.T) {
	m := mount(t, Options{})
	m.put("d/a", []byte("x"))
	m.checkKind("d/a", File)
	m.server.ResetCounts()
	m.remove("d/a")
	m.checkRequests("unlink", counts{emulator.OpDeleteObject: 1})
	m.checkKind("d/a", Absent)
	m.checkKind("d", Dir) // it does not vanish with its last file
	if err := m.Remove(t.Context(), "d/a", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("again: %v, want ErrNotExist", err)
	}
	if err := m.Remove(t.Context(), "d", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory: %v, want ErrNotExist", err)
	}
}

func TestUnlinkOfAnUncommittedFileSendsNothing(t *testing.T) {
	m := mount(t, Options{})
	m.checkKind("d/a", Absent)
	s := m.edit("d/a")
	m.write(s, []byte("hello"), 0)
	m.server.ResetCounts()
	m.remove("d/a")
	m.checkKind("d/a", Absent)
	m.checkStaged(s, []byte("hello"))
	m.write(s, []byte("J"), 0)
	m.checkStaged(s, []byte("Jello"))
	m.commit(s)
	s.Release()
	m.checkRequests("all of it", counts{})
	m.checkStageEmpty()
}

func TestUnlinkOfACommittedOpenFileLeavesItsBytes(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	want := random("hello", 100_000)
	m.write(s, want, 0)
	m.commit(s)
	m.remove("a")
	m.checkObject("a", nil)
	m.checkStaged(s, want)
	m.write(s, []byte("more"), 100_000)
	m.commit(s)
	s.Release()
	m.checkObject("a", nil)
	m.checkStageEmpty()
}

// TestUnlinkOfAnOpenEditLeavesItsBytes: the base shows through the edit, and
// was never read.
func TestUnlinkOfAnOpenEditLeavesItsBytes(t *testing.T) {
	m := mount(t, Options{})
	want := random("base", 100_000)
	m.put("a", want)
	s := m.edit("a")
	m.write(s, []byte("mine"), 50)
	copy(want[50:], "mine")
	if err := m.Remove(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	m.checkKind("a", Absent)
	m.checkStaged(s, want)
	s.Release()
	m.removeOrphan("a")
	m.checkObject("a", nil)
	m.checkStageEmpty()
}

func TestUnlinkDuringAnUploadLeavesNothing(t *testing.T) {
	for _, op := range []string{emulator.OpPutObject, emulator.OpCreateMultipartUpload, emulator.OpUploadPart, emulator.OpCompleteMultipartUpload} {
		t.Run(op, func(t *testing.T) {
			m := mount(t, Options{})
			size := int64(17 << 20)
			if op == emulator.OpPutObject {
				size = 1000
			}
			s := m.overwrite("a")
			m.write(s, random(op, size), 0)
			release := m.server.Faults().Add(emulator.Fault{Operation: op, Effect: emulator.StallHeader})
			m.server.ResetCounts()
			var group sync.WaitGroup
			group.Go(func() { m.commitIn(s) })
			m.until(op, 1)
			m.remove("a")
			group.Wait()
			s.Release()
			m.checkKind("a", Absent)
			release()
			if op != emulator.OpPutObject && op != emulator.OpCompleteMultipartUpload { // their requests were sent, and may still be carried out
				m.checkObject("a", nil)
			}
			m.checkNoUploads()
			m.checkStageEmpty()
		})
	}
}

func TestRefusedUnlinkLeavesTheFile(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("base"))
	s := m.edit("a")
	m.write(s, []byte("mine"), 2)
	allow := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpDeleteObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	if err := m.Remove(t.Context(), "a", false); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("remove: %v, want ErrPermission", err)
	}
	allow()
	m.checkKind("a", File)
	m.checkStaged(s, []byte("bamine"))
	m.commit(s)
	s.Release()
	m.checkObject("a", []byte("bamine"))
	m.checkStageEmpty()
}

func TestRefusedUnlinkOfAClosedFileKeepsItsBytes(t *testing.T) {
	t.Parallel()
	m := mount(t, Options{})
	m.put("a", []byte("base"))
	s := m.overwrite("a")
	m.write(s, []byte("mine"), 0)
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpDeleteObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	if err := s.Commit(t.Context()); err == nil {
		t.Error("committed")
	}
	s.Release()
	if err := m.Remove(t.Context(), "a", false); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("remove: %v, want ErrPermission", err)
	}
	m.server.Faults().Clear()
	again := m.edit("a")
	m.checkStaged(again, []byte("mine"))
	m.commit(again)
	again.Release()
	m.checkObject("a", []byte("mine"))
}

func TestInterruptedUnlinkLeavesTheFile(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	m.write(s, []byte("mine"), 0)
	release, err := m.gates.claim(t.Context(), "a") // another change of the name
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Remove(ctx, "a", false); !errors.Is(err, context.Canceled) {
		t.Errorf("remove: %v, want Canceled", err)
	}
	release()
	m.checkKind("a", File)
	m.commit(s)
	s.Release()
	m.checkObject("a", []byte("mine"))
}

func TestRmdirIsAListingAndADelete(t *testing.T) {
	m := mount(t, Options{})
	if err := m.Mkdir(t.Context(), "d", Attr{Mode: 0o40755, HasMode: true}); err != nil {
		t.Fatal(err)
	}
	m.checkRequests("mkdir", counts{emulator.OpPutObject: 1})
	m.checkKind("d", Dir)
	m.checkKind("d/a", Absent)
	if all, err := m.ReadDir(t.Context(), "d"); err != nil || len(all) > 0 {
		t.Errorf("%d names, %v", len(all), err)
	}
	if e := m.stat("d"); e.Attr.Mode != 0o40755 {
		t.Errorf("got %+v", e)
	}
	m.checkRequests("looking at it", counts{})
	if o := m.head("d/"); o.ContentType != markerType || o.Meta["mode"] != "16877" {
		t.Errorf("marker: %+v", o)
	}
	m.server.ResetCounts()
	if err := m.Rmdir(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	m.checkRequests("rmdir", counts{emulator.OpListObjects: 1, emulator.OpDeleteObject: 1})
	m.checkKind("d", Absent)
}

func TestRmdirOfADirectoryWithoutAMarkerDeletesNothing(t *testing.T) {
	m := mount(t, Options{})
	m.put("d/a", nil)
	m.checkKind("d/a", File)
	m.remove("d/a")
	m.server.ResetCounts()
	if err := m.Rmdir(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	m.checkRequests("rmdir", counts{emulator.OpListObjects: 1})
}

func TestRmdirRefusesWhatIsNotEmpty(t *testing.T) {
	m := mount(t, Options{})
	if err := m.Mkdir(t.Context(), "staged", Attr{}); err != nil {
		t.Fatal(err)
	}
	s := m.overwrite("staged/new")
	defer s.Release()
	m.put("full/", nil)
	m.put("full/a", nil)
	m.put("hidden//x", nil) // a key that is no path
	for _, n := range []Name{"staged", "full", "hidden"} {
		if err := m.Rmdir(t.Context(), n); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("%s: %v, want ErrNotEmpty", n, err)
		}
	}
	m.checkObject("staged/", []byte{})
	m.checkObject("full/", []byte{})
}

func TestDirectoryWhoseAttributesJustChangedIsRemoved(t *testing.T) {
	m := mountBehind(t, Options{})
	m.put("d/", nil)
	if err := m.SetAttr(t.Context(), "d", setMode(0o40700)); err != nil {
		t.Fatal(err)
	}
	if err := m.Rmdir(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	m.crashBehind()
	m.checkKind("d", Absent)
	m.sync()
	m.checkObject("d/", nil)
	m.checkKind("d", Absent)
}
