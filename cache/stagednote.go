package cache

import (
	"fmt"
	"time"

	"ncloudfs/remote"
)

// noteLocked tells the journal what is to become of the file, and returns the
// record's number for Journal.Sync. An error is logged: the file itself is no
// worse for it, but a crash would lose it.
func (s *Staged) noteLocked(state State, failure error) uint64 {
	now := time.Now()
	r := Record{ID: s.path, State: state, At: now}
	if state != StateDone {
		s.describeLocked(&r)
	}
	if failure != nil {
		r.Error = failure.Error()
	}
	seq, err := s.c.stage.journal.Append(r)
	if err != nil {
		s.c.log.Error("a crash now would lose what is not in the bucket yet", "file", string(s.name), "err", err)
	}
	s.noted, s.notedAt = state, now
	return seq
}

func (s *Staged) describeLocked(r *Record) {
	r.Key = []byte(s.c.keyOf(s.name))
	if s.movingTo != "" {
		r.To = []byte(s.c.keyOf(s.movingTo))
	}
	r.Size = s.size
	r.Local = s.local.list
	r.Base, r.BaseEnd = recordObject(s.base), s.baseEnd
	r.Object = recordObject(s.object)
	r.Replacing = recordObject(s.replacing)
	r.DataChanged = s.dataChanges > s.committed || s.object.Path.Key == ""
	r.Meta, r.ContentType = s.attr.Meta(s.meta), s.contentType
	r.Upload, r.Sending = s.upload, s.sendingLocked()
}

// noteSending records, before an edit takes the place of its base, how to know
// it again: its bytes cannot be read once the base is gone.
func (s *snapshot) noteSending(etag remote.ETag) {
	if !s.usesBase() {
		return
	}
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.s.sending, s.s.sendingFor = etag, s.changes
	if !s.s.unlinked {
		s.s.noteLocked(s.s.noted, nil)
	}
}

// sendingLocked returns the ETag of the upload that was sent, if it holds the
// file as it is now.
func (s *Staged) sendingLocked() remote.ETag {
	if s.sendingFor != s.changes {
		return ""
	}
	return s.sending
}

// noteMove records where a rename is about to move the object, or with an empty
// name that it has not: after a crash in between, that is where to look.
func (s *Staged) noteMove(to Name) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.movingTo == to || !s.dirtyLocked() && to != "" {
		return
	}
	s.movingTo = to
	if s.dirtyLocked() {
		s.noteLocked(s.noted, nil)
	}
}

// noteFailure makes sure, before a failed close returns, that the local bytes
// survive even a loss of power.
func (s *Staged) noteFailure(failure error) {
	s.mu.Lock()
	if s.unlinked || s.file == nil {
		s.mu.Unlock()
		return
	}
	s.upload = ""
	seq := s.noteLocked(StateFailed, failure)
	file := s.file
	s.mu.Unlock()
	err := file.Sync()
	if err == nil {
		err = s.c.stage.journal.Sync(seq)
	}
	if err != nil {
		s.c.log.Error("a loss of power now would lose what is not in the bucket yet", "file", s.path, "err", fmt.Errorf("%w: %w", ErrStage, err))
	}
}

// noteUpload records the multipart upload that is under way, so that it is
// found and ended after a crash.
func (s *Staged) noteUpload(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlinked {
		return
	}
	s.upload = id
	s.noteLocked(StateUploading, nil)
}
