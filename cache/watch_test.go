package cache

import (
	"testing"
	"time"

	"ncloudfs/remote/emulator"
)

// TestFileThatIsRenamedInDoubtLeavesTheStage: its watch ends with its name.
func TestFileThatIsRenamedInDoubtLeavesTheStage(t *testing.T) {
	m := mount(t, Options{LateTime: 300 * time.Millisecond})
	heal := m.lose(emulator.OpPutObject)
	s := m.overwrite("a")
	m.write(s, []byte("first"), 0)
	_ = s.Commit(t.Context())
	heal()
	m.write(s, []byte("second"), 0)
	m.commit(s)
	if !s.isWatched() {
		t.Fatal("not watched")
	}
	s.mu.Lock()
	watched := s.object
	s.mu.Unlock()
	m.rename("a", "b")
	s.Release()
	if err := m.lookAgain(t.Context(), s, watched, doubt{}); err != nil {
		t.Error(err)
	}
	m.checkStageEmpty()
	m.checkObject("b", []byte("second"))
	m.checkObject("a", nil)
}

// TestFailedLookAfterALostAnswerIsRepeatedSoon: until then the file's local bytes
// stay.
func TestFailedLookAfterALostAnswerIsRepeatedSoon(t *testing.T) {
	t.Parallel()
	m := mount(t, Options{LateTime: 300 * time.Millisecond})
	heal := m.lose(emulator.OpPutObject)
	s := m.overwrite("a")
	m.write(s, []byte("first"), 0)
	_ = s.Commit(t.Context()) // no answer
	heal()
	m.write(s, []byte("second"), 0)
	m.commit(s)
	if !s.isWatched() {
		t.Fatal("not watched")
	}
	m.server.ResetCounts()
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpHeadObject, Count: 1, Effect: emulator.Refuse, Status: 403})
	s.Release()
	m.checkStageEmpty()
	if n := m.server.Counts()[emulator.OpHeadObject]; n != 2 {
		t.Errorf("%d looks at the object, want one that fails and one more", n)
	}
}

// TestWatchesAreWaitedForWhileTheyBegin, which the race detector watches.
func TestWatchesAreWaitedForWhileTheyBegin(t *testing.T) {
	var w watches
	for range 100 {
		began, end := make(chan struct{}), make(chan struct{})
		go w.Go(func() {
			close(began)
			<-end
		})
		<-w.ended()
		<-began
		ended := w.ended()
		select {
		case <-ended:
			t.Fatal("one still runs")
		default:
		}
		close(end)
		<-ended
	}
}

// TestCopyWaitsForOlderRequestsUnderItsName: there are no local bytes to repair it
// from, and what it is a copy of is removed.
func TestCopyWaitsForOlderRequestsUnderItsName(t *testing.T) {
	t.Parallel()
	m := mountBehind(t, Options{LateTime: time.Second})
	want := random("b", 3000)
	m.put("a", random("a", 2000))
	m.put("b", want)
	m.checkKind("a", File)
	m.checkKind("b", File)
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpCopyObject, Effect: emulator.LoseLate, After: 500 * time.Millisecond, Count: 1})
	m.setAttr("a", func(a *Attr) { a.Mode, a.HasMode = 0o100600, true })
	m.until(emulator.OpCopyObject, 1)
	m.rename("b", "a")
	m.sync()
	m.untilAllIsDone()
	m.checkObject("a", want)
	m.checkFile("a", want)
}

// TestFileBecomesItsObjectOnceNothingOlderCanReplaceThat: after a crash the record
// may lag behind what was sent, so that the local bytes are given up for the object.
func TestFileBecomesItsObjectOnceNothingOlderCanReplaceThat(t *testing.T) {
	t.Parallel()
	m := mount(t, Options{LateTime: time.Second})
	s := m.overwrite("a")
	for _, sent := range []struct {
		body   string
		effect emulator.Effect
	}{{"first", emulator.LoseLate}, {"second", emulator.Lose}} {
		m.write(s, []byte(sent.body), 0)
		m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: sent.effect, After: time.Second / 2, Count: 1})
		m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied"})
		if err := s.Commit(t.Context()); err == nil {
			t.Error("committed")
		}
		m.server.Faults().Clear()
	}
	m.crash()
	m.untilAllIsDone()
	m.sync()
	m.checkStageEmpty()
	m.checkObject("a", []byte("second"))
	m.checkFile("a", []byte("second"))
}
