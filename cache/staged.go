package cache

import (
	"fmt"
	"os"
	"sync"
	"time"

	"ncloudfs/remote"
)

// Staged is a file that is open for writing, or whose bytes are not all in the
// bucket yet: a local file, and which of its bytes count. Every other byte is
// still that of the base version (up to baseEnd) or zero. It is the truth for
// its name while it lives. Safe for concurrent use.
type Staged struct {
	c    *Cache
	file *os.File // sparse; bytes outside local are not used
	path string   // of file, within the stage directory

	mu          sync.Mutex
	name        Name  // guarded by mu, like all below
	unlinked    bool  // has no name any more: nothing is uploaded
	users       int   // open handles
	size        int64 // of the whole file, in bytes
	local       extents
	base        remote.Object // version whose bytes show through; Path empty: none
	baseEnd     int64         // where base stops showing through
	reader      *Reader       // of base; nil until needed
	attr        Attr
	meta        remote.Meta // the object's metadata, attributes included
	contentType string
	object      remote.Object // last version in the bucket; Path empty: none known
	changes     uint64        // counts changes of data and attributes
	dataChanges uint64        // the value of changes at the last change of data
	committed   uint64        // the value of changes that object holds
	wasWritten  bool          // data was written through this mount
	wasSent     bool          // the bucket may hold an object of this name
	isOwed      bool          // a close was told that a later one uploads
	pause       *commit       // stands for uploads while a removal waits; nil: none does
	running     *commit       // nil: none
	isBehind    bool          // commitBehind looks after it
	aside       error         // not nil: given up for this reason; only the local bytes are left
	isLate      bool          // its commits are not part of a close: others may have come first
	upload      string        // id of the multipart upload that is under way
	movingTo    Name          // where a rename is moving the object; empty: none is
	replacing   remote.Object // what a rename put the file in the place of, while object is empty
	sending     remote.ETag   // what an edit's upload makes, once it is sent
	sendingFor  uint64        // the value of changes that sending holds
	noted       State         // what the journal says
	notedAt     time.Time
}

// StageOptions says what a new Staged starts from.
type StageOptions struct {
	Base     Entry // the file that is opened; kind Absent for a new one
	Truncate bool  // drop the base's bytes
	Attr     Attr  // of a new file
}

// OpenStaged returns what is staged under n, or stages n anew. The caller must
// Release it. A base must be described (Describe), so that its metadata is
// kept.
func (c *Cache) OpenStaged(n Name, o StageOptions) (*Staged, error) {
	if c.stage == nil {
		return nil, fmt.Errorf("stage %q: %w", n, ErrReadOnly)
	}
	for {
		s := c.stage.take(n)
		if s == nil {
			if err := c.stageAnew(n, o); err != nil {
				return nil, err
			}
			continue
		}
		if o.Truncate {
			if err := s.Truncate(0); err != nil {
				s.Release()
				return nil, err
			}
		}
		return s, nil
	}
}

// stageAnew makes a Staged without users, unless another comes first.
func (c *Cache) stageAnew(n Name, o StageOptions) error {
	file, path, err := c.stage.create()
	if err != nil {
		return err
	}
	s := &Staged{c: c, file: file, path: path, name: n, attr: o.Attr}
	if o.Base.Kind == File {
		s.startFrom(o.Base, o.Truncate)
	} else {
		s.touchLocked(true)
	}
	if c.stage.putNew(n, s) != s {
		s.unlinked = true // nobody else has it
		s.discardIfIdle()
		return nil
	}
	if o.Base.Kind != File {
		c.dirs.Pin(n)
	}
	return nil
}

// startFrom is for a new Staged, before others see it.
func (s *Staged) startFrom(e Entry, truncate bool) {
	s.object, s.attr, s.meta, s.contentType = e.Object, e.Attr, e.Object.Meta, e.Object.ContentType
	if truncate {
		s.touchLocked(true)
		return
	}
	s.base, s.baseEnd, s.size = e.Object, e.Object.Size, e.Object.Size
}

// acquire adds a user, unless the file has lost its name.
func (s *Staged) acquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlinked {
		return false
	}
	s.users++
	return true
}

// Retain adds a user to a file that has one, or had one a moment ago, with or
// without a name; false when it has left the stage.
func (s *Staged) Retain() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return false
	}
	s.users++
	return true
}

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
	idle, dirty := s.users == 0 && !s.isBehind, s.dirtyLocked()
	if idle && dirty {
		s.isBehind = true
		s.c.retries.Go(func() { s.c.commitBehind(s) })
	}
	s.mu.Unlock()
	if idle && !dirty {
		s.discardIfIdle()
	}
}

// discardIfIdle removes the data file when nothing needs it.
func (s *Staged) discardIfIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users > 0 || s.dirtyLocked() || s.running != nil || s.file == nil {
		return
	}
	s.c.stage.drop(s.name, s)
	if s.reader != nil {
		s.reader.Close()
		s.reader = nil
	}
	s.unlinked = true                       // nobody takes it up again
	_ = s.c.stage.reserve(-s.local.Bytes()) // giving back cannot fail
	if s.noted != "" && s.noted != StateDone {
		s.noteLocked(StateDone, nil)
	}
	s.removeFile()
}

// removeFile deletes the local bytes.
func (s *Staged) removeFile() {
	s.file.Close()
	s.file = nil
	if err := s.c.stage.remove(s.path); err != nil {
		s.c.log.Warn("cannot remove a staged file that is not needed any more", "file", s.path, "err", err)
		return
	}
	s.c.stage.journal.Forget(s.path)
}

// noteInterval is how old the journal's idea of a file that is being written
// may be: what was written since its last record is lost in a crash.
const noteInterval = time.Second

// touchLocked notes a change.
func (s *Staged) touchLocked(data bool) {
	s.changes++
	now := time.Now()
	s.attr.Ctime = now
	if data {
		s.dataChanges = s.changes
		s.attr.Mtime = now
	}
	if s.unlinked {
		return
	}
	if s.noted != StateOpen || now.Sub(s.notedAt) > noteInterval {
		s.noteLocked(StateOpen, nil)
	}
}

func (s *Staged) dirtyLocked() bool { return !s.unlinked && s.changes != s.committed }

// Dirty reports whether the bucket lacks a change.
func (s *Staged) Dirty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirtyLocked()
}

// Untouched reports whether this is a new or truncated file to which nothing
// was written yet and that no commit has made real.
func (s *Staged) Untouched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size == 0 && s.committed == 0 && !s.wasWritten
}

// Owe notes that a close has left the upload to a later one.
func (s *Staged) Owe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isOwed = true
}

// IsOwed reports whether the next close has to upload, whatever it was opened
// for.
func (s *Staged) IsOwed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isOwed && s.dirtyLocked()
}

// Name returns where the file is, and false once it has no name.
func (s *Staged) Name() (Name, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name, !s.unlinked
}

// Entry describes the file as it is now.
func (s *Staged) Entry() Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.object
	o.Size = s.size
	o.Path = s.c.path(s.c.keyOf(s.name))
	o.Meta, o.HasMeta = s.attr.Meta(s.meta), true
	return Entry{Kind: File, Object: o, Attr: s.attr, Known: true, Staged: s, Expires: time.Now().Add(s.c.ttl)}
}

// Committed returns the last version of the file that is in the bucket; its
// Path is empty when there is none.
func (s *Staged) Committed() remote.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.object
}

// SetAttr changes attributes; they go to the bucket with the next commit.
func (s *Staged) SetAttr(change func(*Attr)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touchLocked(false)
	change(&s.attr)
}

// Complete fills in attributes that the object did not carry, without making
// the file dirty: they go with its next upload.
func (s *Staged) Complete(fill func(*Attr)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fill(&s.attr)
}

// SetMeta changes metadata beside the attributes, and the content type.
func (s *Staged) SetMeta(change func(m remote.Meta, contentType *string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meta = s.attr.Meta(s.meta) // a copy
	change(s.meta, &s.contentType)
	s.touchLocked(false)
	s.attr = ParseAttr(s.meta)
}

// WriteAt stores p at off, in the local file. The error is ErrStageFull at the
// limit, when nothing is stored, and ErrStage when the disk fails, perhaps
// after n bytes.
func (s *Staged) WriteAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	need := s.local.Missing(off, off+int64(len(p)))
	if err := s.c.stage.reserve(need); err != nil {
		return 0, err
	}
	n, err := s.file.WriteAt(p, off)
	end := off + int64(n)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrStage, err)
		_ = s.c.stage.reserve(s.local.Missing(off, end) - need)
	}
	if n > 0 {
		s.local.Add(off, end)
		s.size = max(s.size, end)
		s.wasWritten = true
		s.touchLocked(true)
	}
	return n, err
}

// Truncate sets the size; bytes beyond the old one are zero.
func (s *Staged) Truncate(size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.file.Truncate(size); err != nil {
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	if size < s.size {
		before := s.local.Bytes()
		s.local.Cut(size)
		_ = s.c.stage.reserve(s.local.Bytes() - before)
		s.baseEnd = min(s.baseEnd, size)
	}
	s.size = size
	s.touchLocked(true)
	return nil
}

// HasSetID reports whether the mode has a set-user-ID or set-group-ID bit.
func (s *Staged) HasSetID() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	const setID = 0o6000
	return s.attr.Mode&setID != 0
}
