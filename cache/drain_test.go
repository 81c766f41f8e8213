package cache

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

func TestDrainBringsEverythingIn(t *testing.T) {
	m := mount(t, Options{})
	var open []*Staged
	for i := range 20 {
		s := m.overwrite(Name(fmt.Sprint("d/", i)))
		m.write(s, []byte(fmt.Sprint("content ", i)), 0)
		open = append(open, s)
	}
	m.server.ResetCounts()
	if err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.checkRequests("drain", counts{emulator.OpPutObject: 20})
	for i, s := range open {
		m.checkObject(fmt.Sprint("d/", i), []byte(fmt.Sprint("content ", i)))
		s.Release()
	}
	m.checkStageEmpty()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestDrainTriesOnceMoreWhatFailsMeanwhile: the upload that Drain finds running
// was begun before the server recovered.
func TestDrainTriesOnceMoreWhatFailsMeanwhile(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	m.write(s, []byte("content"), 0)
	release, err := m.gates.claim(t.Context(), "a") // holds the upload back
	if err != nil {
		t.Fatal(err)
	}
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Count: 1, Effect: emulator.Refuse, Code: "AccessDenied"})
	s.Release()
	eventually(t, "the upload waits for its turn", func() bool {
		m.gates.mu.Lock()
		defer m.gates.mu.Unlock()
		return len(m.gates.claims) == 2
	})
	var group sync.WaitGroup
	group.Go(func() {
		if err := m.Drain(t.Context()); err != nil {
			t.Errorf("drain: %v", err)
		}
	})
	<-m.draining
	time.Sleep(10 * time.Millisecond) // until Drain waits for the upload; should it come later, the more easily it succeeds
	release()
	group.Wait()
	m.checkObject("a", []byte("content"))
	m.checkStageEmpty()
}

func TestWhatCannotBeDrainedIsShownAndUploadedByTheNextMount(t *testing.T) {
	dir := t.TempDir()
	m := mount(t, Options{StageDir: dir})
	s := m.overwrite("d/a")
	m.write(s, []byte("precious"), 0)
	repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	s.Release()
	if err := m.Drain(t.Context()); remote.CodeOf(err) != remote.AccessDenied || !strings.Contains(err.Error(), "d/a") {
		t.Errorf("drain: %v, want AccessDenied of d/a", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	left, err := dataFiles(m.stage.root.Name())
	if err != nil || len(left) != 1 {
		t.Fatalf("left: %q, %v", left, err)
	}
	checkFile(t, left[0], "precious")
	m.Cache = m.open(Options{StageDir: dir})
	m.checkKind("d/a", File)
	m.checkKind("d", Dir)
	repair()
	m.checkStageEmpty()
	m.checkObject("d/a", []byte("precious"))
}

func TestCloseLeavesAnUploadThatHangsToTheNextMount(t *testing.T) {
	dir := t.TempDir()
	m := mount(t, Options{StageDir: dir})
	s := m.overwrite("a")
	want := random("a", 20<<20)
	m.write(s, want, 0)
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpUploadPart, Effect: emulator.StallHeader})
	m.server.ResetCounts()
	s.Release()
	m.until(emulator.OpUploadPart, 1)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	release()
	m.checkObject("a", nil)
	m.Cache = m.open(Options{StageDir: dir})
	m.checkStageEmpty()
	m.checkObject("a", want)
	m.checkNoUploads()
}

func TestFileThatDidNotFitIsRefusedAndRoomComesBack(t *testing.T) {
	m := mount(t, Options{StageSize: 100_000})
	a, b := m.overwrite("a"), m.overwrite("b")
	m.write(a, make([]byte, 60_000), 0)
	m.write(a, make([]byte, 60_000), 0) // the same bytes again take no room
	if n, err := b.WriteAt(make([]byte, 50_000), 0); n != 0 || err == nil {
		t.Errorf("over the limit: %d, %v", n, err)
	}
	m.write(b, make([]byte, 40_000), 1<<40) // sparse
	if err := b.Truncate(1 << 30); err != nil {
		t.Error(err)
	}
	m.write(b, make([]byte, 40_000), 0)
	if err := b.Truncate(0); err != nil {
		t.Error(err)
	}
	m.commit(a)
	a.Release()
	eventually(t, "a has left the stage", func() bool { return m.stage.Of("a") == nil })
	m.write(b, make([]byte, 100_000), 0)
	m.remove("b")
	b.Release()
	m.checkStageEmpty()
}

func mustRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func checkFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v, want %q", path, got, err, want)
	}
}
