package cache

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"ncloudfs/remote"
)

// Staged is a file that is open for writing, or whose bytes are not all in the
// bucket yet: a local file, and which of its bytes count. Every other byte is
// still that of the base version (up to baseEnd) or zero. It is the truth for
// its name while it lives. A Staged whose name ends in "/" is the marker of a
// directory. Safe for concurrent use.
type Staged struct {
	c *Cache

	mu          sync.Mutex
	file        *os.File // sparse; bytes outside local are not used; guarded by mu, like all below
	path        string   // of file, within the stage directory
	name        Name
	unlinked    bool    // has no name any more: nothing is uploaded
	users       int     // open handles
	direct      *direct // the kernel writes to file by itself; nil: it does not
	wasDirect   bool
	isShared    bool  // by several nodes: see Share
	size        int64 // of the whole file, in bytes
	local       extents
	held        extents       // of the stage's space: local bytes, and what Allocate has set aside
	base        remote.Object // version whose bytes show through; Path empty: none; of another key after a rename
	baseEnd     int64         // where base stops showing through
	reader      *Reader       // of base; nil until needed
	attr        Attr
	meta        remote.Meta // the object's metadata, attributes included
	contentType string
	object      remote.Object // last version in the bucket under this name; Path empty: none known
	replacing   remote.Object // what the file has taken the place of, while object is empty
	changes     uint64        // counts changes of data and attributes
	dataChanges uint64        // the value of changes at the last change of data
	committed   uint64        // the value of changes that object holds
	changedAt   time.Time
	wasWritten  bool  // data was written through this mount
	wasSent     bool  // the bucket may hold an object of this name
	isOwed      bool  // a close was told that a later one uploads
	aside       error // not nil: given up for this reason; only the local bytes are left
	conflicts   int   // how often another client's version kept the name

	// The upload.
	pause      *commit         // stands for uploads while a removal waits; nil: none does
	running    *commit         // nil: none
	isBehind   bool            // commitBehind looks after it
	inQueue    bool            // has a place among those that wait for their upload
	isLate     bool            // its commits are not part of a close: others may have come first
	mayLag     bool            // taken up from a record: what was being sent may hold more
	upload     *recordedUpload // the multipart upload that is under way
	ahead      *ahead          // sends parts of it before the close; nil: none does
	timesSet   bool            // a program has set the times since the last write
	movingTo   Name            // where a rename is moving the object; empty: none is
	sending    remote.ETag     // what an edit's upload makes, once it is sent
	sendingFor uint64          // the value of changes that sending holds
	lateDelete bool            // and one may have deleted what is there
	older      []remote.ETag   // versions that requests for other files of its name may have made
	made       []remote.ETag   // versions that uploads since the last commit may have made: base shows through them, too
	emptied    uint64          // the value of changes when promised bytes were cut off; that promise counts until a newer one
	watched    bool            // its object may be overwritten by an older request of ours
	progress   progress
	mirrors    []*Backing // where what is written is repeated
	failure    error      // of the last try
	nextTry    time.Time  // zero: under way, or only on request

	// The ACL.
	acl        *remote.ACL // that a program has set, and the first upload gives; nil: none
	aclOf      remote.Path // the object whose ACL the next upload keeps; Key empty: none
	aclRead    *aclRead    // a look at that; nil: none yet
	kept       *remote.ACL // what it said, where no header carries that, for an upload that is under way or was
	keptStored bool        // that has replaced the object

	// The journal.
	noted     State // what it says; empty: nothing
	notedAt   time.Time
	saved     uint64     // the value of changes that is safe on disk; promised while above committed
	savedAt   time.Time  // when
	waitsFrom time.Time  // when the first of the promised changes was made, in sync mode
	savedID   string     // whose record holds it
	savedSeq  uint64     // the number of that record
	wasSafe   bool       // after a loss of power, a record may say that the data file is needed
	saving    int        // saves under way
	noSave    *sync.Cond // see saveEnded
	safeEntry string     // the data file whose directory entry is safe on disk
	former    []string   // records and data files that the next promise, or its end, replaces
	drafts    []*os.File // data files that former names
	room      int64      // bytes reserved in the journal
}

// StageOptions says what a new Staged starts from.
type StageOptions struct {
	Base     Entry       // the file that is opened; kind Absent for a new one, Dir for the marker of a directory that is there
	Truncate bool        // drop the base's bytes
	Read     bool        // what is staged is opened, only to be read
	Attr     Attr        // of a new file
	Meta     remote.Meta // of a new file, beside its attributes
}

// OpenStaged returns what is staged under n, or stages n anew. The caller must
// Release it. A base must be described (Describe), so that its metadata is
// kept; remote.ErrChanged when it was staged and another file has its name now.
func (c *Cache) OpenStaged(n Name, o StageOptions) (*Staged, error) {
	s, err := c.openStaged(n, o)
	if err == nil && !o.Read {
		s.lookAtACL()
	}
	return s, err
}

// openStaged is OpenStaged for what may wait for its upload: nothing is sent.
func (c *Cache) openStaged(n Name, o StageOptions) (*Staged, error) {
	if c.stage == nil {
		return nil, fmt.Errorf("stage %q: %w", n, ErrReadOnly)
	}
	if isTrailing(n) {
		return nil, fmt.Errorf("write %q: %w", n, ErrMarkerFile)
	}
	for {
		s := c.stage.take(n)
		if s == nil && o.Base.Staged != nil {
			var err error
			if o.Base, err = c.afterStaged(n, o.Base.Staged); err != nil {
				return nil, err
			}
		}
		if s == nil {
			if err := c.stageAnew(n, o); err != nil {
				return nil, err
			}
			continue
		}
		if o.Base.Staged != nil && s != o.Base.Staged {
			s.Release()
			return nil, errOtherFile(n)
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

// errOtherFile: n was replaced in the moment in which it was opened.
func errOtherFile(n Name) error {
	return fmt.Errorf("open %q: another file has the name: %w", n, remote.ErrChanged)
}

// afterStaged describes n, where s has just left the stage.
func (c *Cache) afterStaged(n Name, s *Staged) (Entry, error) {
	e, err := c.Stat(c.ctx, n)
	if err == nil {
		e, err = c.Describe(c.ctx, n, e)
	}
	switch {
	case err != nil:
	case e.Kind != File:
		err = fmt.Errorf("open %q: %w", n, fs.ErrNotExist)
	case e.Object.ETag != s.Committed().ETag:
		err = errOtherFile(n)
	}
	return e, err
}

// stageAnew makes a Staged without users, unless another comes first.
func (c *Cache) stageAnew(n Name, o StageOptions) error {
	file, path, err := c.stage.create()
	if err != nil {
		return err
	}
	s := &Staged{c: c, file: file, path: path, name: n, attr: o.Attr, meta: o.Meta}
	if err := s.reserveRoomLocked(); err != nil { // nobody else has it
		s.removeFilesLocked()
		return err
	}
	if o.Base.Kind == File {
		s.startFrom(o.Base, o.Truncate)
	} else {
		s.replacing, s.older = c.removals.version(c.path(c.keyOf(n))), c.sends.late(c.keyOf(n))
		if o.Base.Kind == Dir && o.Base.Object.ETag != "" { // a marker
			s.aclOf = c.path(c.keyOf(n))
		}
		s.touchLocked(true)
	}
	if c.stage.putNew(n, s) != s {
		s.noteDoneLocked()
		s.unlinked = true
		s.discardIfIdle()
		return nil
	}
	switch {
	case isMarker(n) && o.Base.Kind == Dir:
		c.dirs.Changed(n.dir(), Entry{Kind: Dir})
	case isMarker(n):
		c.noteCreated(c.keyOf(n))
		c.dirs.Created(n.dir())
	case o.Base.Kind != File:
		c.noteCreated(c.keyOf(n))
		c.dirs.Pin(n)
	}
	return nil
}

// startFrom is for a new Staged, before others see it.
func (s *Staged) startFrom(e Entry, truncate bool) {
	s.object, s.attr, s.meta, s.contentType = e.Object, e.Attr, e.Object.Meta, e.Object.ContentType
	s.aclOf = e.Object.Path
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

// noteInterval is how old the journal's idea of a file that is being written
// may be: what was written since its last record is lost in a crash.
const noteInterval = time.Second

// touchLocked notes a change.
func (s *Staged) touchLocked(data bool) {
	s.changes++
	now := time.Now()
	s.attr.Ctime, s.changedAt = now, now
	if data {
		if s.aclRead == nil && s.acl == nil && s.kept == nil && !isMarker(s.name) {
			s.lookAtACLLocked() // since the last upload
		}
		s.dataChanges = s.changes
		s.attr.Mtime, s.timesSet = now, false
	}
	if s.unlinked {
		return
	}
	if s.noted != StateOpen || now.Sub(s.notedAt) > noteInterval {
		s.noteLocked(StateOpen, nil)
	}
}

func (s *Staged) dirtyLocked() bool { return !s.unlinked && s.changes != s.committed }

// promisedLocked reports whether the journal holds changes that a caller was
// told to be safe, and that the bucket lacks.
func (s *Staged) promisedLocked() bool { return !s.unlinked && s.saved > s.committed }

// Dirty reports whether the bucket lacks a change.
func (s *Staged) Dirty() bool {
	s.lock()
	defer s.mu.Unlock()
	return s.dirtyLocked()
}

// Untouched reports whether this is a new or truncated file to which nothing
// was written yet and that no commit has made real.
func (s *Staged) Untouched() bool {
	s.lock()
	defer s.mu.Unlock()
	return s.size == 0 && s.committed == 0 && s.saved == 0 && !s.wasWritten
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
	s.lock()
	defer s.mu.Unlock()
	return s.isOwed && s.dirtyLocked()
}

// Conflicts returns how often another client's version has kept the file's name,
// so that the file is stored under another now. Each writer is to be told.
func (s *Staged) Conflicts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conflicts
}

// Name returns where the file is, and false once it has no name.
func (s *Staged) Name() (Name, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name, !s.unlinked
}

// Entry describes the file as it is now.
func (s *Staged) Entry() Entry {
	s.lock()
	defer s.mu.Unlock()
	o := s.object
	if o.Path.Key == "" && s.base.Path.Key != "" {
		o = s.base // moved here, and not yet on the server
	}
	o.Size = s.size
	o.Path = s.c.path(s.c.keyOf(s.name))
	o.Meta, o.HasMeta = s.attr.Meta(s.meta), true
	o.ContentType = s.contentType
	expires := time.Now()
	if !s.isShared {
		expires = expires.Add(s.c.ttl)
	}
	return Entry{Kind: File, Object: o, Attr: s.attr, Known: true, Staged: s, Expires: expires}
}

// IsShared reports whether several nodes have the file.
func (s *Staged) IsShared() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isShared
}

// Share notes that several nodes of the mount have the file: what one knows of
// its size the other may change.
func (s *Staged) Share() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isShared = true
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
	s.lock()
	defer s.mu.Unlock()
	s.touchLocked(false)
	before := s.attr
	change(&s.attr)
	s.timesSet = s.timesSet || s.attr.hasOtherTimes(before)
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
	s.lock()
	defer s.mu.Unlock()
	s.meta = s.attr.Meta(s.meta) // a copy
	change(s.meta, &s.contentType)
	s.touchLocked(false)
	before := s.attr
	s.attr = ParseAttr(s.meta)
	s.timesSet = s.timesSet || s.attr.hasOtherTimes(before)
}

// HasSetID reports whether the mode has a set-user-ID or set-group-ID bit.
func (s *Staged) HasSetID() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	const setID = 0o6000
	return s.attr.Mode&setID != 0
}

// setBaseLocked makes o the version that shows through.
func (s *Staged) setBaseLocked(o remote.Object) {
	if s.reader != nil {
		s.reader.Close()
		s.reader = nil
	}
	s.base = o
	s.indexBasesLocked()
}

// indexBasesLocked keeps the objects of other names that the file is made of, and
// whose ACL it gets, until it is in the bucket.
func (s *Staged) indexBasesLocked() {
	of := s.aclOf.Key
	if s.c.acl != nil {
		of = ""
	}
	s.c.stage.setBases(s, s.c.keyOf(s.name), s.base.Path.Key, of)
}
