package cache

import (
	"errors"
	"os"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
)

// TestRetryLeavesAloneWhatIsBeingWritten: a failed close is tried again, unless
// the file has been opened and emptied meanwhile. What is in it then is not
// whole, and does not take the place of what was closed, neither in the bucket
// nor, when a try fails, in the journal.
func TestRetryLeavesAloneWhatIsBeingWritten(t *testing.T) {
	m := mount(t, Options{})
	first := random("first", 100_000)
	s := m.overwrite("a")
	m.write(s, first, 0)
	repair := m.refusedCommit(s)
	free := m.hold("a")
	s.Release()
	m.untilClaimed(2) // by the retry
	upTo := s.saved

	second := m.overwrite("a")
	defer second.Release()
	m.write(second, random("half of the second", 50_000), 0)
	repair()
	free()
	eventually(t, "the retry is over", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.running == nil && !s.isBehind
	})
	m.checkObject("a", nil)

	s.noteFailure(ErrStage, upTo) // as if the retry had been sent before
	m.crash()
	m.sync()
	m.checkObject("a", first)
}

// TestFailedCloseIsTriedAgainWhileOthersReadTheFile: they may do so for ever.
func TestFailedCloseIsTriedAgainWhileOthersReadTheFile(t *testing.T) {
	m := mount(t, Options{})
	want := random("a", 100_000)
	s := m.overwrite("a")
	m.write(s, want, 0)
	repair := m.refusedCommit(s)
	reader := m.edit("a")
	defer reader.Release()
	s.Release()
	repair()
	eventually(t, "the file is in the bucket", func() bool { return !reader.Dirty() })
	m.checkObject("a", want)
	m.checkStaged(reader, want)
}

// TestNamesDoNotChangeIfTheJournalCannotSaySo: a crash would undo it.
func TestNamesDoNotChangeIfTheJournalCannotSaySo(t *testing.T) {
	m := mountBehind(t, Options{})
	defer m.hold("a")()
	defer m.hold("d/")()
	want := random("a", 1000)
	m.save("a", want)
	if err := m.Mkdir(t.Context(), "d", Attr{Mode: 0o40755, HasMode: true}); err != nil {
		t.Fatal(err)
	}
	repair := m.fillDisk()
	if err := m.Remove(t.Context(), "a", false); !errors.Is(err, ErrStageFull) {
		t.Errorf("remove: %v", err)
	}
	if _, err := m.Rename(t.Context(), "a", "b"); !errors.Is(err, ErrStageFull) {
		t.Errorf("rename: %v", err)
	}
	if err := m.Rmdir(t.Context(), "d"); !errors.Is(err, ErrStageFull) {
		t.Errorf("rmdir: %v", err)
	}
	repair()
	m.checkFile("a", want)
	m.checkKind("d", Dir)
	m.checkKind("b", Absent)
	m.crashBehind()
	m.checkFile("a", want)
	m.checkKind("d", Dir)
	m.checkKind("b", Absent)
}

// fillDisk lets the journal find no space until repair is called.
func (m *mounted) fillDisk() (repair func()) {
	m.t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	j := m.stage.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	was := *j.log
	j.log.file, j.log.space = full, j.log.end
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		*j.log = was
		full.Close()
	}
}

// TestUncertainRemovalIsNotOfANewObject: after a loss of power, too.
func TestUncertainRemovalIsNotOfANewObject(t *testing.T) {
	m := mount(t, Options{LateTime: time.Minute})
	m.create("a", []byte("old"))
	m.sends.recall(m.path("a"), "perhaps") // an upload without an answer
	m.remove("a")
	id := removalID(m.path("a"))
	if _, ok := m.stage.journal.Find(id); !ok {
		t.Fatal("the journal does not tell that more may have to be deleted")
	}
	m.server.ResetCounts()
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Delay, After: 50 * time.Millisecond})
	done := make(chan bool)
	go func() {
		m.create("a", []byte("new"))
		close(done)
	}()
	m.until(emulator.OpPutObject, 1)
	if _, ok := m.stage.journal.Find(id); ok || m.stage.journal.safe() < m.stage.journal.last() {
		t.Errorf("the removal is still in the journal: %v; %d of %d records are safe", ok, m.stage.journal.safe(), m.stage.journal.last())
	}
	<-done
	m.checkObject("a", []byte("new"))
}

// TestUploadOfAPromiseThatIsWrittenToIsKnownAgain: even after a loss of power,
// though its bytes are not those that were promised.
func TestUploadOfAPromiseThatIsWrittenToIsKnownAgain(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, random("a", 100_000), 0)
	repair := m.refusedCommit(s)
	defer repair()
	snap, err := s.snapshot("a", false)
	if snap == nil {
		t.Fatalf("nothing to upload: %v", err)
	}
	m.write(s, []byte("edited"), 5)
	snap.noteSending("made of both")
	m.keepOrder(m.keyOf("a"))
	if m.stage.journal.safe() < m.stage.journal.last() {
		t.Error("nothing on disk tells what is sent")
	}
}

// TestFileThatIsRenamedJustBeforeItsUploadIsNotTakenForUploaded: what is stored then
// is not under its name.
func TestFileThatIsRenamedJustBeforeItsUploadIsNotTakenForUploaded(t *testing.T) {
	m := mountBehind(t, Options{})
	s := m.overwrite("a")
	m.write(s, []byte("content"), 0)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	name, release, err := m.claimStaged(t.Context(), s)
	noError(t, err)
	m.rename("a", "b") // which does not wait for the claim
	if err := m.uploadAs(t.Context(), s, &commit{}, name); !errors.Is(err, errRenamed) {
		t.Errorf("%v, want errRenamed", err)
	}
	release()
	s.Release()
	m.sync()
	m.checkObject("a", nil)
	m.checkObject("b", []byte("content"))
	m.checkFile("b", []byte("content"))
	m.checkStageEmpty()
}
