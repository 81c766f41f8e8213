package cache

import (
	"errors"
	"fmt"
	"sync"
	"testing"

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
