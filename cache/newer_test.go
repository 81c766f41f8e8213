package cache

import (
	"testing"

	"ncloudfs/remote/emulator"
)

// TestNewerVersionThatArrivedStays: what the bucket got holds more than was
// promised, and its record is all that a loss of power has left.
func TestNewerVersionThatArrivedStays(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, []byte("promised"), 0)
	repair := m.refusedCommit(s)
	repair()
	m.write(s, []byte("promised and more"), 0)
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.StallHeader, Count: 1})
	m.server.ResetCounts()
	go s.Commit(t.Context()) // it ends with the first mount
	m.until(emulator.OpPutObject, 1)
	if safe, last := m.stage.journal.safe(), m.stage.journal.last(); safe != last {
		t.Errorf("records up to %d are safe, want all %d", safe, last)
	}
	m.put("a", []byte("promised and more")) // what the upload made
	first := m.Cache
	m.crash()
	m.server.Faults().Clear()
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	m.checkStageEmpty()
	m.checkFile("a", []byte("promised and more"))
	m.checkObject("a", []byte("promised and more"))
}

// TestNewerOfTwoPromisesHasTheName: a loss of power has taken the record in
// between, that the older is done.
func TestNewerOfTwoPromisesHasTheName(t *testing.T) {
	m := mountBehind(t, Options{})
	defer m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied", Count: 2})()
	m.save("a", []byte("older"))
	m.save("b", []byte("newer"))
	live := m.stage.journal.Live()
	r := live[len(live)-1]
	r.Key = []byte("a")
	if _, err := m.stage.journal.Append(r); err != nil {
		t.Fatal(err)
	}
	m.crash()
	m.checkFile("a", []byte("newer"))
}

// TestFileThatARenameHasReplacedDoesNotComeBack: the rename was cut short after
// its copy.
func TestFileThatARenameHasReplacedDoesNotComeBack(t *testing.T) {
	m := mount(t, Options{})
	m.put("b", []byte("moved"))
	m.checkKind("b", File)
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, []byte("promised"), 0)
	repair := m.refusedCommit(s)
	if _, err := m.moveObject(t.Context(), "b", "a", copyOf{}); err != nil {
		t.Fatal(err)
	}
	repair()
	m.crash()
	m.checkStageEmpty()
	m.checkFile("a", []byte("moved"))
	if p := m.Pending(); len(p) > 0 {
		t.Errorf("pending: %+v", p)
	}
}
