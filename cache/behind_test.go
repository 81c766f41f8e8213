package cache

import "testing"

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
