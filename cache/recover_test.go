package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// crash opens the cache anew on what the stage directory holds at this moment,
// as after a kill -9.
func (m *mounted) crash() {
	m.t.Helper()
	m.cancel() // what has died sends nothing any more
	m.Cache = m.open(Options{StageDir: copyStage(m.t, m.stage.root)})
}

// copyStage returns a stage directory with what root holds at this moment.
func copyStage(t testing.TB, root *os.Root) string {
	t.Helper()
	dir := t.TempDir()
	err := os.CopyFS(filepath.Join(dir, filepath.Base(root.Name())), root.FS())
	if errors.Is(err, fs.ErrNotExist) {
		return copyStage(t, root) // a data file that was done with has just been deleted
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// editedBase returns an edit of object a that is not committed yet, and what
// the file then holds.
func (m *mounted) editedBase() (s *Staged, want []byte) {
	m.t.Helper()
	want = random("base", 50_000)
	m.put("a", want)
	s = m.edit("a")
	m.write(s, []byte("edited"), 20_000)
	copy(want[20_000:], "edited")
	return s, want
}

// refusedCommit commits s while the bucket refuses uploads, which it does until
// repair is called.
func (m *mounted) refusedCommit(s *Staged) (repair func()) {
	m.t.Helper()
	repair = m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	if err := s.Commit(m.t.Context()); err == nil {
		m.t.Fatal("no error")
	}
	return repair
}

func TestRefusedUploadIsTakenUpAfterACrash(t *testing.T) {
	m := mount(t, Options{})
	want := random("a", 100_000)
	s := m.overwrite("d/a")
	defer s.Release()
	s.SetAttr(setMode(0o100640))
	m.write(s, want, 5)
	repair := m.refusedCommit(s)
	m.crash()
	e := m.stat("d/a")
	if e.Staged == nil || e.Object.Size != int64(len(want))+5 || e.Attr.Mode != 0o100640 {
		t.Fatalf("shown: %+v", e)
	}
	again := m.edit("d/a")
	m.checkStaged(again, append(make([]byte, 5), want...))
	again.Release()
	repair()
	m.checkStageEmpty()
	m.checkObject("d/a", append(make([]byte, 5), want...))
}

func TestEditIsTakenUpWithItsBase(t *testing.T) {
	m := mount(t, Options{})
	s, want := m.editedBase()
	defer s.Release()
	repair := m.refusedCommit(s)
	m.crash()
	repair()
	m.checkStageEmpty()
	m.checkObject("a", want)
}

func TestFileThatWasNotClosedIsKeptButNotShown(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, []byte("half"), 0)
	m.crash()
	m.checkKind("a", Absent)
	left, err := dataFiles(m.stage.root.Name())
	if err != nil || len(left) != 1 {
		t.Fatalf("kept: %q %v", left, err)
	}
	checkFile(t, left[0], "half")
}

func TestUploadThatArrivedIsNotSentAgain(t *testing.T) {
	for name, size := range map[string]int64{"whole": 1000, "in parts": 20 << 20} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			s := m.overwrite("a")
			defer s.Release()
			m.write(s, random("a", size), 0)
			refuse := func(op string) func() {
				return m.server.Faults().Add(emulator.Fault{Operation: op, KeyPrefix: "a", Effect: emulator.Refuse, Code: "AccessDenied"})
			}
			for _, op := range []string{emulator.OpPutObject, emulator.OpCreateMultipartUpload} {
				defer refuse(op)()
			}
			repair := refuse(emulator.OpHeadObject) // the close that failed is tried again before the crash
			if err := s.Commit(t.Context()); err == nil {
				t.Fatal("no error")
			}
			m.create("elsewhere", random("a", size)) // the same bytes in the same parts
			if _, err := m.other.Copy(t.Context(), m.path("a"), m.path("elsewhere"), remote.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
			repair()
			etag := m.head("a").ETag
			m.crash()
			m.checkStageEmpty() // else it is sent again, and refused
			if m.head("a").ETag != etag {
				t.Error("sent again")
			}
		})
	}
}

func TestLateUploadDoesNotReplaceWhatOthersWrote(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, []byte("mine"), 0)
	repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Count: 1, Effect: emulator.Refuse, Code: "AccessDenied"})
	if err := s.Commit(t.Context()); err == nil {
		t.Fatal("no error")
	}
	repair()
	m.put("a", []byte("theirs"))
	m.crash()
	m.checkStageEmpty()
	m.checkObject("a", []byte("theirs"))
	m.checkConflictCopy("a", []byte("mine"))
}

func TestUploadInPartsIsEndedAfterACrash(t *testing.T) {
	m := mount(t, Options{})
	want := random("large", 20<<20)
	s := m.overwrite("large")
	defer s.Release()
	m.write(s, want, 0)
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpUploadPart, Effect: emulator.StallHeader, Count: 3})
	m.server.ResetCounts()
	go s.Commit(t.Context()) // it ends with the first mount
	m.until(emulator.OpUploadPart, 3)
	first := m.Cache
	m.crash()
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	release()
	m.checkStageEmpty()
	m.checkObject("large", want)
	eventually(t, "no upload is left", func() bool {
		for range m.other.Uploads(t.Context(), "bucket", "") {
			return false
		}
		return true
	})
}

func TestRemovedFileStaysRemovedAfterACrash(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, []byte("content"), 0)
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Count: 1, Effect: emulator.Refuse, Code: "AccessDenied"})
	if err := s.Commit(t.Context()); err == nil {
		t.Fatal("no error")
	}
	m.remove("a")
	m.crash()
	m.checkKind("a", Absent)
	m.checkObject("a", nil)
}

func TestShortDataFileIsReportedAndKept(t *testing.T) {
	m := mount(t, Options{})
	for _, name := range []Name{"a", "b"} {
		s := m.overwrite(name)
		defer s.Release()
		m.write(s, random("content of "+string(name), inlineLimit+1), 0)
		m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Count: 1, Effect: emulator.Refuse, Code: "AccessDenied"})
		if err := s.Commit(t.Context()); err == nil {
			t.Fatal("no error")
		}
		if name == "a" {
			if err := s.file.Truncate(3); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.crash()
	eventually(t, "the other one is uploaded", func() bool { return m.head("b").ETag != "" && m.stage.Of("b") == nil })
	m.checkKind("a", Absent)
	m.checkObject("a", nil)
	eventually(t, "only the data file of a is left", func() bool {
		m.stage.removeDoomedNow()
		left, err := dataFiles(m.stage.root.Name())
		return err == nil && len(left) == 1 && strings.HasPrefix(left[0], m.stage.root.Name())
	})
	if p := m.Pending(); len(p) != 1 || !p[0].IsKept || !strings.Contains(p[0].Error, "has 3 bytes") || m.Backlog().Changes != 0 {
		t.Errorf("pending %+v, backlog %+v", p, m.Backlog())
	}
}

func TestRenameThatACrashCutShortIsCompleted(t *testing.T) {
	m := mount(t, Options{})
	s, want := m.editedBase()
	defer s.Release()
	repair := m.refusedCommit(s)
	s.noteMove("b") // as Rename does before it asks for anything
	if _, err := m.moveObject(t.Context(), "a", "b", copyOf{}); err != nil {
		t.Fatal(err)
	}
	m.crash()
	repair()
	m.checkStageEmpty()
	m.checkObject("b", want)
	m.checkObject("a", nil)
	m.checkKind("b", File)
	m.checkKind("a", Absent)
}

// TestFileThatFailedMayReplaceAnotherByARename is an editor's save while the
// bucket refuses uploads.
func TestFileThatFailedMayReplaceAnotherByARename(t *testing.T) {
	for name, crash := range map[string]bool{"in the same mount": false, "after a crash": true} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("a", []byte("old"))
			m.checkKind("a", File)
			repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied"})
			s := m.overwrite("temporary")
			m.write(s, []byte("new"), 0)
			if err := s.Commit(t.Context()); err == nil {
				t.Fatal("no error")
			}
			s.Release()
			if _, err := m.Rename(t.Context(), "temporary", "a"); err != nil {
				t.Fatal(err)
			}
			if crash {
				m.crash()
			}
			repair()
			m.checkStageEmpty()
			m.checkObject("a", []byte("new"))
			m.checkObject("temporary", nil)
		})
	}
}

func TestEditThatArrivedIsKnownAgain(t *testing.T) {
	m := mount(t, Options{})
	s, want := m.editedBase()
	defer s.Release()
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.StallHeader, Count: 1})
	m.server.ResetCounts()
	go s.Commit(t.Context()) // it ends with the first mount
	m.until(emulator.OpPutObject, 1)
	m.put("a", want) // what the upload made, which the daemon did not live to see
	first := m.Cache
	m.crash()
	m.server.Faults().Clear()
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	m.checkStageEmpty()
	m.checkObject("a", want)
}

func TestDataFileOfWhatArrivedIsRemovedAfterACrash(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, []byte("content"), 0)
	m.commit(s) // the handle stays open, and with it the data file
	m.crash()
	m.checkStageEmpty()
	m.checkObject("a", []byte("content"))
}

func TestRemovedOpenFileIsDeletedAfterACrash(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"))
	m.checkKind("a", File)
	if err := m.Remove(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	m.crash()
	m.checkKind("a", Absent)
	eventually(t, "it is deleted", func() bool { return m.head("a").ETag == "" })
	m.checkKind("a", Absent)
}

// TestOlderFileOfANameIsKeptIfItsEndIsLost: with a damaged record.
func TestOlderFileOfANameIsKeptIfItsEndIsLost(t *testing.T) {
	m := mountBehind(t, Options{})
	defer m.hold("a")()
	defer m.hold("old")()
	old, newest := random("old", 1000), random("newest", 1000)
	m.save("old", old)
	for _, r := range m.stage.journal.Live() {
		r.Key = []byte("a")
		m.appendLogged("a", r)
	}
	m.save("a", newest)
	m.crashBehind()
	m.sync()
	m.checkObject("a", newest)
	pending := m.Pending()
	if len(pending) != 1 || pending[0].Key != "a" || !strings.Contains(pending[0].Error, "newer file") {
		t.Fatalf("pending: %+v", pending)
	}
	var kept bytes.Buffer
	if err := m.Export(t.Context(), pending[0].ID, &kept); err != nil || !bytes.Equal(kept.Bytes(), old) {
		t.Errorf("%d bytes, %v", kept.Len(), err)
	}
	if keys := m.server.Counts()[emulator.OpPutObject]; keys != 1 {
		t.Errorf("%d uploads, want 1", keys)
	}
}

func TestUploadOfARemovedFileIsAbortedAfterACrash(t *testing.T) {
	m := mountBehind(t, Options{})
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpUploadPart, Effect: emulator.Refuse, Code: "AccessDenied"})
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpAbortMultipartUpload, Effect: emulator.Refuse, Code: "AccessDenied"}) // it dies before that
	s := m.overwrite("large")
	m.write(s, random("large", 20<<20), 0)
	if err := s.Commit(t.Context()); err == nil {
		t.Fatal("no error")
	}
	s.Release()
	m.remove("large")
	m.until(emulator.OpAbortMultipartUpload, 1)
	dir := copyStage(t, m.stage.root)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	m.server.Faults().Clear()
	m.Cache = m.open(Options{StageDir: dir, WriteBack: true})
	m.checkNoUploads()
	m.checkObject("large", nil)
}

// TestRenamedFileIsTakenUpBeforeWhatReplacesItsOldObject, however much else there
// is to take up.
func TestRenamedFileIsTakenUpBeforeWhatReplacesItsOldObject(t *testing.T) {
	m := mountBehind(t, Options{})
	old, replacement := random("old", 1000), random("replacement", 1000)
	m.put("a", old)
	for _, op := range []string{emulator.OpPutObject, emulator.OpCopyObject} {
		m.server.Faults().Add(emulator.Fault{Operation: op, Effect: emulator.Refuse, Code: "AccessDenied"})
	}
	m.rename("a", "b")
	for i := range 300 {
		if err := m.Mkdir(t.Context(), Name(fmt.Sprintf("d%d", i)), Attr{Mode: 0o40700, HasMode: true}); err != nil {
			t.Fatal(err)
		}
	}
	m.save("a", replacement)
	dir := copyStage(t, m.stage.root)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	m.server.Faults().Clear()
	time.Sleep(restTime) // then all are due at once
	m.Cache = m.open(Options{StageDir: dir, WriteBack: true})
	m.sync()
	m.checkObject("b", old)
	m.checkObject("a", replacement)
}

// TestEmptiedFileThatWasNotClosedIsKeptWhole: what was in it before does not
// count.
func TestEmptiedFileThatWasNotClosedIsKeptWhole(t *testing.T) {
	m := mount(t, Options{})
	m.create("a", random("before", 30_000))
	s := m.edit("a")
	defer s.Release()
	if err := s.Truncate(0); err != nil {
		t.Fatal(err)
	}
	want := random("a", 50_000)
	m.write(s, want, 0)
	m.crash()
	pending := m.Pending()
	if len(pending) != 1 {
		t.Fatalf("pending: %+v", pending)
	}
	var kept bytes.Buffer
	if err := m.Export(t.Context(), pending[0].ID, &kept); err != nil || !bytes.Equal(kept.Bytes(), want) {
		t.Errorf("%d bytes, %v, want %d", kept.Len(), err, len(want))
	}
}
