package cache

import (
	"time"

	"ncloudfs/remote"
)

// attrsTime is how long attributes wait, in sync mode, for others of the same file,
// for its rename, or for bytes, to go along with: rsync sets them on a temporary
// name just before it renames that.
const attrsTime = time.Second

// LacksBytes reports whether the bucket lacks bytes of the file, or all of it, and
// not attributes alone.
func (s *Staged) LacksBytes() bool {
	s.lock()
	defer s.mu.Unlock()
	return s.lacksBytesLocked()
}

func (s *Staged) lacksBytesLocked() bool {
	return s.dirtyLocked() && (s.dataChanges > s.committed || s.object.Path.Key == "") && !isMarker(s.name)
}

// isSafeLocked reports whether what is promised of the file survives a loss of
// power.
func (s *Staged) isSafeLocked() bool {
	return s.promisedLocked() && s.c.stage.journal.promises(s.savedID)
}

// isAttrsOnly reports whether a record is of a file of which the bucket lacked
// nothing but attributes.
func (r Record) isAttrsOnly() bool {
	return r.hasFile() && len(r.Local) == 0 && (!r.DataChanged || isMarker(Name(r.Key)))
}

// waitingAttrs are attributes that the bucket lacks of a file, and nothing else.
type waitingAttrs struct {
	changes     uint64
	meta        remote.Meta
	contentType string
}

// of returns the value of Staged.changes that they hold; 0 for nil.
func (w *waitingAttrs) of() uint64 {
	if w == nil {
		return 0
	}
	return w.changes
}

// waiting returns what the copy of the file's object can take along; nil: nothing,
// as for nil.
func (s *Staged) waiting() *waitingAttrs {
	if s == nil {
		return nil
	}
	s.lock()
	defer s.mu.Unlock()
	if !s.dirtyLocked() || s.lacksBytesLocked() || s.aside != nil || s.acl != nil || s.kept != nil {
		return nil
	}
	return &waitingAttrs{s.changes, s.attr.Meta(s.meta), s.contentType}
}

// carriedLocked notes that a rename has taken changes of attributes along; 0: none.
func (s *Staged) carriedLocked(changes uint64) {
	if changes == 0 {
		return
	}
	step("carried")
	s.committed = max(s.committed, changes)
	s.failure, s.nextTry, s.sending, s.made = nil, time.Time{}, "", nil
	if !s.dirtyLocked() {
		s.noteDoneLocked()
	}
}
