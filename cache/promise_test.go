package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// TestClosesSideBySideKeepEachOthersBytes: a record that was begun earlier does
// not take the place of a newer one.
func TestClosesSideBySideKeepEachOthersBytes(t *testing.T) {
	m := mountBehind(t, Options{})
	defer m.hold("a")()
	s := m.overwrite("a")
	defer s.Release()
	const writers, rounds, size = 8, 30, 5000
	for round := range rounds {
		var group sync.WaitGroup
		for i := range writers {
			group.Go(func() {
				off := int64(round*writers+i) * size
				if _, err := s.WriteAt(make([]byte, size), off); err != nil {
					t.Error(err)
				}
				if err := s.Save(t.Context()); err != nil {
					t.Error(err)
				}
				s.mu.Lock()
				r, _ := m.stage.journal.Find(s.savedID)
				s.mu.Unlock()
				if local := (extents{r.Local}); !local.Covers(off, off+size) {
					t.Errorf("round %d: the journal lacks what was saved at %d: %v", round, off, r.Local)
				}
			})
		}
		group.Wait()
		if t.Failed() {
			return
		}
	}
}

// TestRefusedRetryLeavesTheKeptBytesAlone: a newer file has the name.
func TestRefusedRetryLeavesTheKeptBytesAlone(t *testing.T) {
	m := mountBehind(t, Options{})
	s := m.overwrite("a")
	want := random("a", 100_000)
	m.write(s, want, 0)
	s.mu.Lock()
	s.noteLocked(StateOpen, nil) // else up to a second later
	s.mu.Unlock()
	dir := copyStage(t, m.stage.root)
	s.Release()
	m.sync()
	m.Cache = m.open(Options{StageDir: dir, WriteBack: true})
	kept := m.Pending()[0]
	newer := m.overwrite("a")
	if err := m.Retry(t.Context(), kept.ID); err == nil {
		t.Error("retried beside a newer file")
	}
	newer.Release()
	m.sync()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m.Cache = m.open(Options{StageDir: dir, WriteBack: true})
	for _, p := range m.Pending() {
		if p.ID == kept.ID {
			err := m.Export(t.Context(), p.ID, &compare{want: want})
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Error("what was kept is gone")
}

// compare is an io.Writer that fails where what is written differs.
type compare struct{ want []byte }

func (c *compare) Write(p []byte) (int, error) {
	if len(p) > len(c.want) || string(p) != string(c.want[:len(p)]) {
		return 0, errors.New("differs")
	}
	c.want = c.want[len(p):]
	return len(p), nil
}

func TestFailedRemovalLeavesTheStagedCopyInTheJournal(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("old"))
	want := random("a", 100_000)
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, want, 0)
	repair := m.refusedCommit(s)
	defer m.server.Faults().Add(emulator.Fault{Operation: emulator.OpDeleteObject, Effect: emulator.Refuse, Code: "AccessDenied"})()
	if err := m.Remove(t.Context(), "a", true); err == nil {
		t.Fatal("removed")
	}
	m.crash()
	m.checkFile("a", want)
	repair()
	m.sync()
	m.checkObject("a", want)
}

// TestFileStagedTwiceAtOnceLeavesNothing: one of two that create it is too late.
func TestFileStagedTwiceAtOnceLeavesNothing(t *testing.T) {
	m := mount(t, Options{})
	for i := range 100 {
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { m.create(Name(fmt.Sprint("a", i)), nil) })
		}
		group.Wait()
	}
	m.checkStageEmpty()
	if live := m.stage.journal.Live(); len(live) > 0 {
		t.Errorf("left in the journal: %d records, first %+v", len(live), live[0])
	}
}

func TestBytesOfAnEarlierMountCountOnceWhateverTheLimit(t *testing.T) {
	m := mountBehind(t, Options{})
	repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	m.save("a", random("a", 100_000))
	dir := copyStage(t, m.stage.root)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m.Cache = m.open(Options{StageDir: dir, StageSize: 50_000, WriteBack: true})
	repair()
	m.sync()
	m.checkStageEmpty()
}

// TestKeptFileTakesNoRoom: neither of the stage's limit nor of the journal.
func TestKeptFileTakesNoRoom(t *testing.T) {
	m := mountBehind(t, Options{})
	m.put("a", random("a", 100_000))
	s := m.edit("a")
	m.write(s, random("mine", 50_000), 0)
	m.put("a", []byte("theirs"))
	s.Release()
	if err := m.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file is set aside", func() bool { return m.stage.Of("a") == nil })
	kept := m.Pending()
	if len(kept) != 1 || kept[0].State != StateConflict {
		t.Fatalf("%+v", kept)
	}
	m.stage.journal.mu.Lock()
	room := m.stage.journal.room
	m.stage.journal.mu.Unlock()
	if room != 0 {
		t.Errorf("%d bytes of the journal were not given back", room)
	}
	if err := m.Discard(t.Context(), kept[0].ID); err != nil {
		t.Error(err)
	}
	m.checkStageEmpty()
}

func TestLookingAtAnUnclosedFileForgetsNoUpload(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	m.write(s, random("a", 100), 0)
	s.mu.Lock()
	s.upload = &recordedUpload{ID: "id", Key: []byte("a")}
	s.noteLocked(StateOpen, nil)
	s.mu.Unlock()
	dir := copyStage(t, m.stage.root)
	c := m.open(Options{StageDir: dir, Idle: true})
	if live := c.stage.journal.Live(); len(live) != 1 || live[0].Upload == nil {
		t.Errorf("%+v", live)
	}
	s.Release()
}

// crashAnywhere opens the cache anew on every journal that a crash can have left
// since the log ended at from, and lets check look at it.
func (m *mounted) crashAnywhere(from int64, check func(*mounted)) {
	m.t.Helper()
	m.stage.journal.mu.Lock()
	end := m.stage.journal.log.end
	m.stage.journal.mu.Unlock()
	dir := copyStage(m.t, m.stage.root)
	name := filepath.Join(dir, filepath.Base(m.stage.root.Name()), journalName)
	log, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	for cut := from; cut <= end; {
		again := m.t.(*testing.T).TempDir()
		if err := os.CopyFS(again, os.DirFS(dir)); err != nil {
			m.t.Fatal(err)
		}
		short := append(append([]byte{}, log[:cut]...), make([]byte, 1<<16)...)
		if err := os.WriteFile(filepath.Join(again, filepath.Base(m.stage.root.Name()), journalName), short, 0o600); err != nil {
			m.t.Fatal(err)
		}
		is := *m
		is.Cache = m.open(Options{StageDir: again, WriteBack: true, Idle: true})
		check(&is)
		if err := is.Close(); err != nil {
			m.t.Fatal(err)
		}
		_, size := frameAt(log[cut:])
		if size == 0 {
			return
		}
		cut += int64(size)
	}
}

func (m *mounted) logEnd() int64 {
	m.stage.journal.mu.Lock()
	defer m.stage.journal.mu.Unlock()
	return m.stage.journal.log.end
}

func TestCrashInARenameLeavesTheOldFileOrTheNewOne(t *testing.T) {
	m := mountBehind(t, Options{})
	defer m.hold("a")()
	before, now := random("before", 100_000), random("now", 50_000)
	m.put("a", []byte("in the bucket"))
	m.save("a", before)
	m.save("tmp", now)
	from := m.logEnd()
	m.rename("tmp", "a")
	m.crashAnywhere(from, func(m *mounted) {
		if got, err := m.readFile(t.Context(), "a"); err != nil || !bytes.Equal(got, before) && !bytes.Equal(got, now) {
			t.Errorf("%d bytes, %v, are neither version", len(got), err)
		}
	})
}

func TestCrashInAnUnlinkLeavesTheFileOrNone(t *testing.T) {
	m := mountBehind(t, Options{})
	defer m.hold("a")()
	want := random("a", 100_000)
	m.put("a", []byte("in the bucket"))
	m.save("a", want)
	from := m.logEnd()
	m.remove("a")
	m.crashAnywhere(from, func(m *mounted) {
		if got, err := m.readFile(t.Context(), "a"); err != nil || got != nil && !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v, are an older version", len(got), err)
		}
	})
}

// TestCrashAfterARenameOfATruncatedFileLeavesItThere: nothing was written to it,
// and its object goes with the old name.
func TestCrashAfterARenameOfATruncatedFileLeavesItThere(t *testing.T) {
	m := mountBehind(t, Options{})
	defer m.hold("b")()
	want := random("a", 100_000)
	m.put("a", want)
	s := m.edit("a")
	defer s.Release()
	if err := s.Truncate(50_000); err != nil {
		t.Fatal(err)
	}
	m.rename("a", "b")
	m.crashBehind()
	m.sync()
	m.checkObject("a", nil)
	m.checkObject("b", want[:50_000])
}

// TestAttributesOfAnEmptiedFileArePromisedWithItsBytes: what was promised before
// it was emptied does not come back.
func TestAttributesOfAnEmptiedFileArePromisedWithItsBytes(t *testing.T) {
	m := mountBehind(t, Options{})
	defer m.hold("a")()
	m.save("a", random("first", 100_000))
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, []byte("second"), 0)
	if err := m.SetAttr(t.Context(), "a", setMode(0o100600)); err != nil {
		t.Fatal(err)
	}
	m.crashBehind()
	m.checkFile("a", []byte("second"))
	m.sync()
	m.checkObject("a", []byte("second"))
}

// TestFileRenamedOverAnUploadUnderWayIsRemovedWithIt: the upload may have
// arrived.
func TestFileRenamedOverAnUploadUnderWayIsRemovedWithIt(t *testing.T) {
	m := mountBehind(t, Options{})
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Key: "a", Effect: emulator.Delay, After: 50 * time.Millisecond, Count: 1})
	s := m.overwrite("a")
	m.write(s, []byte("first"), 0)
	go s.Commit(t.Context())
	eventually(t, "the upload is sent", s.mayExist)
	time.Sleep(20 * time.Millisecond) // it arrives with any luck
	m.save("tmp", []byte("second"))
	m.rename("tmp", "a")
	m.remove("a")
	s.Release()
	m.sync()
	time.Sleep(100 * time.Millisecond)
	m.sync()
	m.checkObject("a", nil)
}

// TestUploadWaitsForNobodyWithItsClaim: what it waits for may wait behind one
// who waits for both.
func TestUploadWaitsForNobodyWithItsClaim(t *testing.T) {
	m := mountBehind(t, Options{})
	old := random("old", 1000)
	m.put("d/a", old)
	repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpCopyObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	m.server.ResetCounts()
	m.rename("d/a", "d/b")
	m.until(emulator.OpCopyObject, 1)
	m.untilClaimed(0) // it is tried again a second later
	repair()
	release := m.hold("d/a")
	s := m.overwrite("d/a")
	defer s.Release()
	m.write(s, []byte("new"), 0)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.Commit(ctx); err != nil { // needs d/b to be made of what is there
			t.Error(err)
		}
	})
	m.untilClaimed(2)
	group.Go(func() {
		release, err := m.gates.claim(ctx, "d/") // as the rename of the directory does
		if err != nil {
			t.Error(err)
			return
		}
		release()
	})
	m.untilClaimed(3)
	release()
	group.Wait()
	m.sync()
	m.checkObject("d/b", old)
	m.checkObject("d/a", []byte("new"))
}

// TestObjectIsDeletedOnceItsRemovalIsSafe: a loss of power must not leave a
// journal that lacks where its bytes have gone.
func TestObjectIsDeletedOnceItsRemovalIsSafe(t *testing.T) {
	m := mountBehind(t, Options{ACL: remote.Private}) // else it is needed until its ACL is read
	defer m.hold("b")()
	m.put("a", []byte("old"))
	m.save("a", random("a", 100_000))
	m.rename("a", "b")
	seq := m.stage.journal.last()
	m.until(emulator.OpDeleteObject, 1)
	if safe := m.stage.journal.safe(); safe < seq {
		t.Errorf("records up to %d are safe, the rename is %d", safe, seq)
	}
}

// TestOurOlderVersionIsNoConflictHoweverLate: an upload that arrived without an
// answer is ours still when no request can take effect any more.
func TestOurOlderVersionIsNoConflictHoweverLate(t *testing.T) {
	for name, isCrash := range map[string]bool{"mounted": false, "after a crash": true} {
		t.Run(name, func(t *testing.T) {
			m := mountBehind(t, Options{LateTime: 50 * time.Millisecond})
			heal := m.lose(emulator.OpPutObject)
			defer heal()
			m.save("a", []byte("first"))
			eventually(t, "the first version arrives", func() bool { return m.head("a").ETag != "" })
			m.save("a", []byte("second"))
			if isCrash {
				m.crashBehind()
			}
			time.Sleep(150 * time.Millisecond) // than LateTime, also of a mount after a crash
			_ = m.Sync(t.Context())            // refused
			heal()
			m.sync()
			m.checkObject("a", []byte("second"))
			m.checkStageEmpty()
			page, err := m.other.ListPage(t.Context(), remote.ListOptions{Bucket: "bucket"})
			if err != nil || len(page.Objects) != 1 {
				t.Errorf("%d objects, %v", len(page.Objects), err)
			}
		})
	}
}

// TestChangeWhileItsUploadIsSentIsNoConflictAfterACrash: what was sent is not
// what the file is by now, and is ours.
func TestChangeWhileItsUploadIsSentIsNoConflictAfterACrash(t *testing.T) {
	m := mountBehind(t, Options{})
	m.put("a", random("base", 100_000))
	s := m.edit("a")
	defer s.Release()
	m.write(s, random("first", 50_000), 0)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer m.server.Faults().Add(emulator.Fault{Operation: emulator.OpHeadObject, Key: "a", Effect: emulator.Delay, After: 50 * time.Millisecond, Count: 1})()
	m.server.ResetCounts()
	var group sync.WaitGroup
	group.Go(func() { m.commitIn(s) })
	m.until(emulator.OpHeadObject, 1) // right before the upload
	m.write(s, random("second", 50_000), 0)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.until(emulator.OpPutObject, 1)
	dir := copyStage(t, m.stage.root)
	group.Wait()
	m.sync()
	first := random("base", 100_000)
	copy(first, random("first", 50_000))
	m.put("a", first) // as the crash left it
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m.Cache = m.open(Options{StageDir: dir, WriteBack: true})
	m.sync()
	copy(first, random("second", 50_000))
	m.checkObject("a", first)
}

// TestEditGoesOnFromItsOwnUploadWithoutAnAnswer: its base is gone with that.
func TestEditGoesOnFromItsOwnUploadWithoutAnAnswer(t *testing.T) {
	m := mount(t, Options{})
	want := random("base", 100_000)
	m.put("a", want)
	s := m.edit("a")
	defer s.Release()
	m.write(s, []byte("first"), 0)
	heal := m.lose(emulator.OpPutObject)
	if err := s.Commit(t.Context()); err == nil {
		t.Fatal("no error")
	}
	heal()
	m.blocks.Forget(m.path("a"))
	m.write(s, []byte("second"), 50_000)
	m.commit(s)
	copy(want, "first")
	copy(want[50_000:], "second")
	m.checkObject("a", want)
	m.checkStaged(s, want)
}
