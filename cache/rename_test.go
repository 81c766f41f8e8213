package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"sync"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

func (m *mounted) rename(from, to Name) {
	m.t.Helper()
	if _, err := m.Rename(m.t.Context(), from, to); err != nil {
		m.t.Errorf("rename %q to %q: %v", from, to, err)
	}
}

func TestRenameIsALookAtTheACLACopyAndADelete(t *testing.T) {
	m := mount(t, Options{})
	own := remote.PutOptions{ContentType: "text/x-own", Meta: remote.Meta{"mode": "33152", "foreign": "kept"}}
	m.put("d/a", []byte("content"), own)
	m.put("d/b", []byte("overwritten"))
	m.checkKind("d/a", File)
	m.server.ResetCounts()
	m.rename("d/a", "d/b")
	m.checkRequests("rename", counts{emulator.OpGetObjectACL: 1, emulator.OpCopyObject: 1, emulator.OpDeleteObject: 1})
	m.checkKind("d/a", Absent)
	if e := m.stat("d/b"); e.Kind != File || e.Object.Size != 7 {
		t.Errorf("got %+v", e)
	}
	m.checkRequests("looking at both", counts{})
	m.checkObject("d/a", nil)
	m.checkObject("d/b", []byte("content"))
	if o := m.head("d/b"); !maps.Equal(o.Meta, own.Meta) || o.ContentType != own.ContentType {
		t.Errorf("got %+v, want %+v", o, own)
	}
}

func TestRenamedFileIsReadFromMemory(t *testing.T) {
	m := mount(t, Options{})
	body := random("kept", 100_000)
	m.create("a", body)
	m.rename("a", "b")
	m.server.ResetCounts()
	s := m.edit("b")
	m.checkStaged(s, body)
	s.Release()
	m.checkRequests("opening for write and reading", counts{emulator.OpGetObjectACL: 1})
}

func TestRenameOfAnUncommittedFileSendsNothing(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a.tmp")
	m.write(s, []byte("content"), 0)
	m.server.ResetCounts()
	m.rename("a.tmp", "a.txt")
	m.checkKind("a.tmp", Absent)
	m.checkKind("a.txt", File)
	m.checkRequests("rename", counts{})
	m.commit(s)
	s.Release()
	m.checkRequests("commit", counts{emulator.OpPutObject: 1})
	m.checkObject("a.tmp", nil)
	m.checkObject("a.txt", []byte("content"))
	if o := m.head("a.txt"); o.ContentType != typeByName("a.txt") {
		t.Errorf("content type %q", o.ContentType)
	}
}

func TestRenameGuessesAGuessedTypeAnew(t *testing.T) {
	for name, c := range map[string]struct{ had, want string }{
		"guessed":  {defaultType, typeByName("a.html")},
		"not ours": {"text/x-own", "text/x-own"},
	} {
		for _, isOpen := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", open: ", isOpen), func(t *testing.T) {
				m := mount(t, Options{})
				m.put("a.unknown", []byte("content"), remote.PutOptions{ContentType: c.had})
				s := m.edit("a.unknown")
				if !isOpen {
					s.Release()
				}
				m.rename("a.unknown", "a.html")
				if got := m.head("a.html").ContentType; got != c.want {
					t.Errorf("after the rename: %q, want %q", got, c.want)
				}
				if !isOpen {
					return
				}
				m.write(s, []byte("C"), 0)
				m.commit(s)
				s.Release()
				if got := m.head("a.html").ContentType; got != c.want {
					t.Errorf("after the next commit: %q, want %q", got, c.want)
				}
			})
		}
	}
}

func TestRenameOfADirtyFileTakesItsWritesAlong(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("0123456789"))
	m.put("b", []byte("overwritten"))
	s := m.edit("a")
	m.write(s, []byte("xy"), 4)
	over := m.edit("b")
	m.write(over, []byte("lost by the rename"), 0)
	m.rename("a", "b")
	m.checkStaged(s, []byte("0123xy6789"))
	m.commit(s)
	m.commit(over) // has no name any more
	s.Release()
	over.Release()
	m.checkObject("a", nil)
	m.checkObject("b", []byte("0123xy6789"))
	m.checkStageEmpty()
}

func TestRenameDuringAnUploadMovesWhatWasUploaded(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	m.write(s, []byte("content"), 0)
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.StallHeader})
	m.server.ResetCounts()
	var group sync.WaitGroup
	group.Go(func() { m.commitIn(s) })
	m.until(emulator.OpPutObject, 1)
	group.Go(func() {
		if _, err := m.Rename(t.Context(), "a", "b"); err != nil {
			t.Error(err)
		}
	})
	release()
	group.Wait()
	m.commit(s)
	s.Release()
	m.checkObject("a", nil)
	m.checkObject("b", []byte("content"))
	m.checkStageEmpty()
}

// TestRenameNeverMixesVersions: somebody else has written the base of an edit
// when it is renamed.
func TestRenameNeverMixesVersions(t *testing.T) {
	for name, rename := range map[string]func(m *mounted) error{
		"file": func(m *mounted) error {
			_, err := m.Rename(m.t.Context(), "d/a", "e/a")
			return err
		},
		"directory": func(m *mounted) error {
			_, err := m.RenameDir(m.t.Context(), "d", "e")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("d/a", random("base", 10_000))
			s := m.edit("d/a")
			m.write(s, []byte("mine"), 100)
			theirs := random("theirs", 10_000)
			m.put("d/a", theirs)
			if err := rename(m); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(t.Context()); !errors.Is(err, remote.ErrChanged) {
				t.Errorf("commit: %v, want ErrChanged", err)
			}
			m.checkObject("e/a", theirs)
			m.checkObject("d/a", nil)
			s.Release()
		})
	}
}

func TestRenameOfAnAbsentFileFails(t *testing.T) {
	m := mount(t, Options{})
	if _, err := m.Rename(t.Context(), "none", "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	m.put("a", nil)
	m.Forget("a")
	m.checkKind("a", File)
	if err := m.other.Delete(t.Context(), m.path("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Rename(t.Context(), "a", "b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed elsewhere: %v, want ErrNotExist", err)
	}
	m.checkKind("a", Absent)
}

func TestRefusedRenameLeavesBothNamesTrue(t *testing.T) {
	for _, op := range []string{emulator.OpCopyObject, emulator.OpDeleteObject} {
		m := mount(t, Options{})
		m.put("a", []byte("content"))
		m.put("b", []byte("other content"))
		m.checkKind("a", File)
		allow := m.server.Faults().Add(emulator.Fault{Operation: op, Effect: emulator.Refuse, Code: "AccessDenied"})
		if _, err := m.Rename(t.Context(), "a", "b"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s refused: %v", op, err)
		}
		allow()
		for _, n := range []Name{"a", "b"} {
			if got, want := m.stat(n).Object.ETag, m.head(string(n)).ETag; got != want {
				t.Errorf("%s refused: %s is shown as %s, is %s", op, n, got, want)
			}
		}
		m.checkObject("a", []byte("content"))
	}
}

func TestRenameOfADirectoryCopiesAndDeletesInBatches(t *testing.T) {
	m := mount(t, Options{})
	m.fill("from/sub/", 1499)
	m.put("from/", nil, remote.PutOptions{ContentType: markerType, Meta: remote.Meta{"mode": "16832"}})
	m.server.ResetCounts()
	moved, err := m.RenameDir(t.Context(), "from", "to/deep")
	if err != nil {
		t.Fatal(err)
	}
	m.checkRequests("rename", counts{emulator.OpListObjects: 3, emulator.OpGetObjectACL: 1500, emulator.OpCopyObject: 1500, emulator.OpDeleteObjects: 2})
	if len(moved) != 1500 {
		t.Errorf("%d moves", len(moved))
	}
	m.checkKind("from", Absent)
	m.checkKind("to/deep", Dir)
	m.checkKind("to/deep/sub/01498", File)
	if o := m.head("to/deep/"); o.Meta["mode"] != "16832" || o.ContentType != markerType {
		t.Errorf("marker %+v", o)
	}
	page, err := m.other.ListPage(t.Context(), remote.ListOptions{Bucket: "bucket", Prefix: "from"})
	if err != nil || len(page.Objects) > 0 {
		t.Errorf("left: %+v, %v", page, err)
	}
}

func TestRenameOfADirectoryTakesStagedFilesAlong(t *testing.T) {
	m := mount(t, Options{})
	m.put("from/committed", []byte("0123456789"))
	edited, made := m.edit("from/committed"), m.edit("from/sub/new")
	m.write(edited, []byte("xy"), 4)
	m.write(made, []byte("new"), 0)
	if _, err := m.RenameDir(t.Context(), "from", "to"); err != nil {
		t.Fatal(err)
	}
	m.checkKind("to/sub/new", File)
	m.checkKind("from/sub/new", Absent)
	m.checkStaged(edited, []byte("0123xy6789"))
	m.commit(edited)
	m.commit(made)
	edited.Release()
	made.Release()
	m.checkObject("to/committed", []byte("0123xy6789"))
	m.checkObject("to/sub/new", []byte("new"))
	m.checkObject("from/committed", nil)
	m.checkObject("from/sub/new", nil)
	m.checkStageEmpty()
}

func TestRenameOfADirectoryThatOnlyStagedFilesAreIn(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("from/new")
	if _, err := m.RenameDir(t.Context(), "from", "to"); err != nil {
		t.Fatal(err)
	}
	m.checkKind("to/new", File)
	m.commit(s)
	s.Release()
	m.checkObject("to/new", []byte{})
	m.checkObject("from/new", nil)
}

func TestFailedRenameOfADirectoryChangesNothing(t *testing.T) {
	m := mount(t, Options{})
	m.fill("from/", 40)
	m.checkKind("from/00003", File)
	allow := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpCopyObject, Skip: 20, Effect: emulator.Refuse, Code: "AccessDenied"})
	if _, err := m.RenameDir(t.Context(), "from", "to"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want ErrPermission", err)
	}
	allow()
	m.checkKind("from/00003", File)
	m.checkKind("to", Absent)
	page, err := m.other.ListPage(t.Context(), remote.ListOptions{Bucket: "bucket"})
	if err != nil || len(page.Objects) != 40 || page.Objects[0].Path.Key != "from/00000" {
		t.Errorf("%d objects, %v", len(page.Objects), err)
	}
}

func TestWhatARenameOfADirectoryLeavesIsDeletedLater(t *testing.T) {
	m := mount(t, Options{})
	m.fill("from/", 3)
	m.checkKind("from/00000", File)
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpDeleteObjects, Count: 1, Effect: emulator.Refuse, Code: "AccessDenied"})
	if _, err := m.RenameDir(t.Context(), "from", "to"); err != nil {
		t.Fatal(err)
	}
	m.checkKind("from", Absent)
	m.create("from", []byte("a file now"))
	eventually(t, "what was left is deleted", func() bool {
		page, err := m.other.ListPage(t.Context(), remote.ListOptions{Bucket: "bucket", Prefix: "from/"})
		return err == nil && len(page.Objects) == 0
	})
	m.checkObject("from", []byte("a file now"))
}

func TestDirectoryIsNotRenamedOverAFullOne(t *testing.T) {
	m := mount(t, Options{})
	m.put("from/a", nil)
	m.put("full/b", nil)
	m.put("empty/", nil)
	s := m.overwrite("staged/new")
	defer s.Release()
	for _, to := range []Name{"full", "staged"} {
		if _, err := m.RenameDir(t.Context(), "from", to); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("over %s: %v, want ErrNotEmpty", to, err)
		}
	}
	if _, err := m.RenameDir(t.Context(), "from", "empty"); err != nil {
		t.Error(err)
	}
	m.checkObject("empty/a", []byte{})
}

// TestDirectoryRenamedWhileItsAttributesChange: its marker is no file in it.
func TestDirectoryRenamedWhileItsAttributesChange(t *testing.T) {
	m := mountBehind(t, Options{})
	m.put("d/sub/a", nil)
	m.checkKind("d/sub", Dir)
	free := m.hold("d/sub/a")
	renamed := make(chan error)
	go func() {
		_, err := m.RenameDir(t.Context(), "d", "to")
		renamed <- err
	}()
	m.untilClaimed(2)
	if err := m.SetAttr(t.Context(), "d/sub", setMode(0o40700)); err != nil {
		t.Fatal(err)
	}
	free()
	if err := <-renamed; err != nil {
		t.Fatal(err)
	}
	if all, err := m.ReadDir(t.Context(), "to/sub"); err != nil || len(all) != 1 || all[0].Base != "a" {
		t.Errorf("in the directory: %+v, %v", all, err)
	}
	m.sync()
}

// TestFileIsNotRenamedOutOfADirectoryThatIsBeingRenamed: it would be moved twice.
func TestFileIsNotRenamedOutOfADirectoryThatIsBeingRenamed(t *testing.T) {
	for name, change := range map[string]func(m *mounted) error{
		"renamed": func(m *mounted) error {
			_, err := m.Rename(t.Context(), "d/a", "a")
			return err
		},
		"removed": func(m *mounted) error { return m.Remove(t.Context(), "d/a", false) },
	} {
		t.Run(name, func(t *testing.T) {
			m := mountBehind(t, Options{})
			m.put("d/a", []byte("content"))
			m.checkKind("d/a", File)
			free := m.hold("d/other")
			moved, changed := make(chan error), make(chan error)
			go func() {
				_, err := m.RenameDir(t.Context(), "d", "to")
				moved <- err
			}()
			m.untilClaimed(2)
			go func() { changed <- change(m) }()
			time.Sleep(10 * time.Millisecond) // it may come to something that waits for nothing
			free()
			if err := <-moved; err != nil {
				t.Error(err)
			}
			if err := <-changed; !errors.Is(err, ErrMoved) {
				t.Errorf("%v, want ErrMoved", err)
			}
			m.sync()
			m.checkObject("to/a", []byte("content"))
			m.checkObject("a", nil)
		})
	}
}

// TestNewFileInThePlaceOfOneThatWasRenamedDuringItsUploadIsListed: the object of
// the former is still to be deleted.
func TestNewFileInThePlaceOfOneThatWasRenamedDuringItsUploadIsListed(t *testing.T) {
	m := mountBehind(t, Options{})
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Delay, After: 50 * time.Millisecond, Count: 1})
	first := m.overwrite("a")
	defer first.Release()
	m.write(first, []byte("first"), 0)
	uploaded := make(chan error)
	go func() { uploaded <- first.Commit(t.Context()) }()
	m.until(emulator.OpPutObject, 1)
	m.rename("a", "b")
	second := m.overwrite("a")
	defer second.Release()
	if err := <-uploaded; err != nil {
		t.Error(err)
	}
	all, err := m.ReadDir(t.Context(), "")
	if err != nil || len(all) != 2 || all[0].Base != "a" || all[1].Base != "b" {
		t.Errorf("listed are %+v, %v", all, err)
	}
}
