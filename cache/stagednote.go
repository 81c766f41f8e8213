package cache

import (
	"fmt"
	"slices"
	"time"

	"ncloudfs/remote"
)

// noteLocked tells the journal what is to become of the file, and returns the
// record's number for Journal.Sync. What the journal promises stays as it is
// until it is in the bucket or a newer promise replaces it (makeSafe). An error
// is logged: the file itself is no worse for it, but a crash would lose it.
func (s *Staged) noteLocked(state State, failure error) uint64 {
	promised := s.promisedLocked()
	switch {
	case state == StateDone:
		return s.noteDoneLocked()
	case promised && state == StateOpen && s.savedID == s.path:
		return 0 // what is promised counts, until the next close
	}
	r := s.recordLocked(state, failure)
	group := []Record{r}
	switch {
	case promised && state != StateOpen:
		group[0].Amend, group[0].ID = true, s.savedID
		group[0].Local = nil
	case !promised:
		group = append(group, s.formerDoneLocked(r.ID)...)
		s.savedID = ""
	}
	seq := s.c.appendLogged(s.name, group...)
	if !promised {
		s.dropDraftsLocked()
	}
	s.noted, s.notedAt = state, r.At
	return seq
}

// appendLogged writes to the journal. An error is logged: the mount is no worse
// for it, but a crash would be.
func (c *Cache) appendLogged(n Name, group ...Record) uint64 {
	seq, err := c.stage.journal.Append(group...)
	if err != nil {
		c.log.Error("a crash now would lose what is not in the bucket yet", "path", string(n), "err", err)
	}
	return seq
}

// appendSafe writes to the journal, safe from a loss of power.
func (c *Cache) appendSafe(r Record) error {
	seq, err := c.stage.journal.Append(r)
	if err == nil {
		err = c.stage.journal.Sync(seq)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	return nil
}

// noteDoneLocked ends all that the journal says of the file.
func (s *Staged) noteDoneLocked() uint64 {
	group := s.endRecordsLocked()
	if len(group) == 0 {
		return 0
	}
	return s.c.appendLogged(s.name, group...)
}

// endRecordsLocked is noteDoneLocked for a caller that appends the records.
func (s *Staged) endRecordsLocked() []Record {
	group := s.formerDoneLocked("")
	if s.noted != "" && s.noted != StateDone || s.savedID == s.path {
		group = append(group, Record{ID: s.path, State: StateDone, At: time.Now(), Upload: s.upload}) // aborted after this
	}
	s.noted, s.savedID = StateDone, ""
	return group
}

// formerDoneLocked ends the records of the file's former data files but for
// that of keep.
func (s *Staged) formerDoneLocked(keep string) []Record {
	var group []Record
	for _, id := range s.former {
		if id != keep {
			group = append(group, Record{ID: id, State: StateDone, At: time.Now()})
		}
	}
	return group
}

// recordLocked describes the file as it is.
func (s *Staged) recordLocked(state State, failure error) Record {
	r := Record{
		ID: s.path, State: state, At: time.Now(),
		Size: s.size, Local: slices.Clone(s.local.list), BaseEnd: s.baseEnd,
		DataChanged: s.dataChanges > s.committed || s.object.Path.Key == "" || s.watched && (s.size == 0 || len(s.local.list) > 0),
		Key:         []byte(s.c.keyOf(s.name)),
		Base:        recordObject(s.base), Object: recordObject(s.object), Replacing: recordObject(s.replacing),
		Meta: s.attr.Meta(s.meta), ContentType: s.contentType,
		ACL: s.acl, ACLOf: []byte(s.aclOf.Key), Kept: s.kept, KeptStored: s.keptStored, Sent: s.wasSent, Sending: s.sendingLocked(), Upload: s.upload,
	}
	r.Late, r.Made, r.LateDelete = s.lateLocked(), s.made, s.mayVanishLocked()
	if s.movingTo != "" {
		r.To = []byte(s.c.keyOf(s.movingTo))
	}
	if len(r.Local) > 0 || state == StateOpen {
		r.Boot = s.c.boot
	}
	if failure != nil {
		r.Error = failure.Error()
	}
	return r
}

// mayVanishLocked reports whether an earlier deletion of ours may still be carried
// out under the file's name.
func (s *Staged) mayVanishLocked() bool {
	return s.lateDelete || s.c.sends.mayDelete(s.c.keyOf(s.name))
}

func (s *Staged) late() []remote.ETag {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lateLocked()
}

// noteSending records, before the request that makes the object, how to know it
// again: its answer may be lost, and the base of an edit is gone then.
func (s *snapshot) noteSending(etag remote.ETag) {
	if !s.diverted {
		s.s.noteSending(s, etag)
	}
}

func (s *Staged) noteSending(snap *snapshot, etag remote.ETag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending, s.sendingFor = etag, snap.changes
	s.made = append(s.made[max(0, len(s.made)-maxMade):len(s.made):len(s.made)], etag)
	switch {
	case s.unlinked:
	case s.promisedLocked():
		r := s.amendmentLocked()
		if s.saved <= snap.changes { // else it is an older version, one of Made
			r.Sending = etag
		}
		if s.saved != snap.changes || s.changes != snap.changes || snap.usesBase() && !snap.isBase() {
			s.c.appendOrdered(s.name, r) // the promise alone does not tell
		} else {
			s.c.appendLogged(s.name, r)
		}
	case s.changes == snap.changes:
		s.noteLocked(s.busyStateLocked(), nil)
	default:
		s.noteLocked(StateOpen, nil)
	}
}

// amendmentLocked says what has become of what the journal promises.
func (s *Staged) amendmentLocked() Record {
	r := s.recordLocked(s.busyStateLocked(), nil)
	if r.State == StateOpen { // the file is, what is promised of it is not
		r.State = StateReady
	}
	r.Amend, r.ID, r.Local = true, s.savedID, nil
	return r
}

// maxMade is of how many uploads a file remembers what they may have made.
const maxMade = 64

// lateLocked returns the versions that the bucket may have under the file's name
// and that are not another client's: what earlier requests may have made, and
// what is on its way out.
func (s *Staged) lateLocked() []remote.ETag {
	key := s.c.keyOf(s.name)
	all := slices.Concat(s.c.sends.late(key), s.older, s.made)
	if removed := s.c.removals.version(s.c.path(key)); removed.ETag != "" {
		all = append(all, removed.ETag)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// busyStateLocked is the state of a file that is on its way.
func (s *Staged) busyStateLocked() State {
	switch {
	case s.upload != nil:
		return StateUploading
	case s.noted == "" || s.noted == StateDone || s.noted == StateOpen && s.promisedLocked():
		return StateReady
	}
	return s.noted
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
	s.noteNameLocked()
}

// noteNameLocked records where the file is: what is promised of it, and what is
// being written.
func (s *Staged) noteNameLocked() {
	if !s.dirtyLocked() {
		return
	}
	if s.promisedLocked() {
		s.c.appendOrdered(s.name, s.amendmentLocked())
		if s.savedID == s.path {
			return
		}
	}
	s.noteLocked(s.noted, nil)
}

// noteFailure makes sure, before a failed close returns, that the local bytes
// survive even a loss of power, unless upTo, the changes that it was about, are
// promised already. In write-back mode the close did that.
func (s *Staged) noteFailure(failure error, upTo uint64) {
	s.mu.Lock()
	s.failure = failure
	s.isLate = s.isLate || !permanent(failure) // it may have been done
	if s.unlinked || s.file == nil || !s.dirtyLocked() {
		s.mu.Unlock()
		return
	}
	isSafe := s.isSafeLocked() && (s.c.writeBack || s.saved >= upTo)
	if isSafe {
		s.noteLocked(StateFailed, failure)
	}
	s.mu.Unlock()
	if !isSafe {
		if err := s.makeSafe(StateFailed, failure); err != nil {
			s.c.log.Error("a loss of power now would lose what is not in the bucket yet", "file", s.fileName(), "err", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tryAgainLocked()
}

// noteUpload records the multipart upload that is under way, so that it is
// gone on with, or ended, after a crash; nil: there is none any more.
func (s *Staged) noteUpload(u *recordedUpload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upload = u
	if s.unlinked {
		if u != nil {
			s.c.appendLogged(s.name, Record{ID: s.path, State: StateDone, At: time.Now(), Upload: u}) // to be aborted
		}
		return
	}
	if s.running == nil && s.dirtyLocked() && !s.promisedLocked() {
		s.noteLocked(StateOpen, nil) // not closed yet
		return
	}
	s.noteLocked(StateUploading, nil)
}

// notePart records that the service has one more part.
func (s *Staged) notePart(upload string, p recordedPart) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upload == nil || s.upload.ID != upload {
		return
	}
	s.upload = s.upload.with(p)
	if s.unlinked {
		return
	}
	id := s.path
	if s.promisedLocked() {
		id = s.savedID
	}
	s.c.appendLogged(s.name, Record{ID: id, State: StateUploading, At: time.Now(), Amend: true, Part: &p})
}

// fileName returns where the local bytes are, for messages.
func (s *Staged) fileName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c.stage.root.Name() + "/" + s.path
}
