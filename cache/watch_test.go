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
