package cache

import "ncloudfs/remote"

// Release ends one use; that of nil is none. After the last, a clean file
// leaves the stage, and a dirty one is uploaded behind.
func (s *Staged) Release() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.users--
	s.mu.Unlock()
	s.settle()
}

// settle does what is due once no handle is open: a dirty file is uploaded
// behind, a clean one leaves the stage.
func (s *Staged) settle() {
	s.mu.Lock()
	s.startBehindLocked()
	idle := s.users == 0 && !s.dirtyLocked()
	s.mu.Unlock()
	if idle {
		s.discardIfIdle()
	}
}

// discardIfIdle removes the data file when nothing needs it.
func (s *Staged) discardIfIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users > 0 || s.dirtyLocked() || s.running != nil || s.file == nil || s.watched && !s.unlinked {
		return
	}
	s.c.stage.drop(s.name, s)
	s.leaveLocked()
}

// leaveLocked ends the life of a file that nothing needs any more.
func (s *Staged) leaveLocked() {
	if s.reader != nil {
		s.reader.Close()
		s.reader = nil
	}
	wasLinked := !s.unlinked
	s.unlinked = true // nobody takes it up again
	s.freeLocked(0, maxOffset)
	if wasLinked {
		s.noteLocked(StateDone, nil)
	}
	s.setBaseLocked(remote.Object{})
	s.dropUploadLocked()
	s.removeFilesLocked()
	s.c.wakeRemovals()
}

// removeFilesLocked deletes the local bytes.
func (s *Staged) removeFilesLocked() {
	_ = s.c.stage.journal.Reserve(-s.room) // giving back cannot fail
	s.room = 0
	s.file.Close()
	s.file = nil
	if s.inQueue {
		s.c.queue.leaveLocked(s)
	}
	s.dropDraftsLocked()
	if s.wasSafe {
		s.c.stage.removeLater(s.path, true)
	} else {
		s.c.stage.removeSoon(s.path, s.size)
	}
}

// dropDraftsLocked deletes what the journal does not speak of any more.
func (s *Staged) dropDraftsLocked() {
	if s.saving > 0 {
		return // one of them may be what is being synced
	}
	for _, f := range s.drafts {
		f.Close()
	}
	for _, path := range s.former {
		s.c.stage.removeLater(path, true)
	}
	s.drafts, s.former = nil, nil
}
