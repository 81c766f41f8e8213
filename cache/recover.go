package cache

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"ncloudfs/remote"
)

// recover takes up what an earlier mount of this source left: files that were
// closed are staged again, shown, and uploaded behind; files that their writer
// never closed are kept for Pending, or with uploadOpen treated as if they had
// been closed; so is what cannot be uploaded. What cannot be read is reported
// and left alone.
func (c *Cache) recover(uploadOpen bool) {
	live := c.stage.journal.Live()
	var moves []Record
	for i := range live {
		c.completeOpen(&live[i])
		if uploadOpen && live[i].State == StateOpen {
			live[i].State = StateReady
		}
	}
	slices.Reverse(live)                                             // of two files of one name the newer has it
	wanted, removed := map[string]string{}, map[string]remote.ETag{} // by key: a record's ID, a version
	for _, r := range live {
		switch {
		case r.State == StateRemoved:
			removed[string(r.Key)] = r.Object.object(c.bucket).ETag
		case r.isGrants(), r.isMove():
		case c.isWanted(r) == nil && wanted[string(r.Key)] == "":
			wanted[string(r.Key)] = r.ID
		}
	}
	for _, r := range live {
		if etag := removed[string(r.Key)]; r.State != StateRemoved && etag != "" {
			r.Late = append(r.Late, etag)
		}
		newest := wanted[string(r.Key)]
		switch {
		case r.State == StateRemoved && newest != "" && !c.idle:
			c.recallRemoval(r)
			c.dropRecords(r.ID) // the name has a new file, whose upload replaces the object
		case r.isGrants():
			c.takeUpGrants(r)
		case r.isMove():
			moves = append(moves, r)
		case newest != "" && newest != r.ID && c.isWanted(r) == nil:
			c.keep(r, errNewer)
		default:
			if err := c.takeUp(r); err != nil {
				c.keep(r, err)
			}
		}
	}
	for _, r := range moves {
		c.takeUpMove(r)
	}
	for _, s := range c.stage.Under("") {
		s.settle() // not before all are there: one may be made of what another replaces
	}
	if !c.idle {
		for _, r := range c.stage.journal.Done() {
			_ = c.stage.root.Remove(r.ID) // gone already, but for a crash; a removal has none
			c.abortBehind(r.Upload, nil)  // gone already, too
			if !r.isAbort() {
				c.stage.journal.Forget(r.ID)
			}
		}
		c.reportStrays()
	}
}

// completeOpen adds what was done to a file after its last record, up to
// noteInterval later, where the data file alone says what the file's bytes are:
// not what was written to an edit.
func (c *Cache) completeOpen(r *Record) {
	if r.State != StateOpen || len(r.Inline) > 0 {
		return
	}
	info, err := c.stage.root.Stat(r.ID)
	if err != nil {
		return
	}
	local, size := extents{slices.Clone(r.Local)}, info.Size()
	switch {
	case r.BaseEnd == 0 && size > r.Size: // nothing of a base shows
		local.Add(0, size) // holes are zeros, as in the file
	case local.Bytes() > 0 && size < r.Local[len(r.Local)-1].End:
		local.Cut(size)
		r.BaseEnd = min(r.BaseEnd, size)
	default:
		return
	}
	r.Size, r.Local = size, local.list
	r.Boot = cmp.Or(r.Boot, c.boot)
	c.appendLogged(c.nameOf(string(r.Key)), *r)
}

// keep leaves what cannot be taken up to people: see Pending.
func (c *Cache) keep(r Record, why error) {
	if errors.Is(why, errPowerLoss) && r.isAttrsOnly() {
		c.log.Warn("attributes that were set in the second before a loss of power are those of before", "path", c.path(string(r.Key)).String())
		c.dropRecords(r.ID)
		return
	}
	if _, err := c.stage.root.Stat(r.ID); r.Boot != "" && errors.Is(err, fs.ErrNotExist) {
		c.dropRecords(r.ID) // never promised, and a loss of power has taken it
		return
	}
	c.stage.keepBecause(r.ID, why)
	if r.State == StateOpen && r.Upload != nil && !c.idle {
		c.abortBehind(r.Upload, nil) // begun anew if it is wanted after all
		r.Upload, r.Amend = nil, true
		c.appendLogged(c.nameOf(string(r.Key)), r)
	}
	if !c.idle {
		c.log.Error("a file of an earlier mount is kept, but not uploaded; see ncloudfs pending", "path", c.path(string(r.Key)).String(),
			"kept", c.stage.root.Name()+"/"+r.ID, "state", string(r.State), "err", why)
	}
}

var (
	errNeverClosed = errors.New("its writer ended before it was closed")
	errNewer       = errors.New("there is a newer file of this name, and what became of this one is lost with damaged records")
	errPowerLoss   = errors.New("power was lost before its bytes were safe on disk")
)

// isWanted returns nil for a record whose file is to be uploaded, else why it is
// only kept.
func (c *Cache) isWanted(r Record) error {
	switch {
	case r.State == StateOpen:
		return errNeverClosed
	case r.State == StateConflict:
		return errors.New(r.Error)
	case r.Boot != "" && r.Boot != c.boot:
		return errPowerLoss
	case !strings.HasPrefix(string(r.Key), c.prefix):
		return errors.New("its key is not below what is mounted")
	}
	return nil
}

// takeUp stages one file again, or has one object removed. It is for the caller
// to settle it.
func (c *Cache) takeUp(r Record) error {
	if r.State == StateRemoved {
		c.takeUpRemoval(r)
		return nil
	}
	if err := c.isWanted(r); err != nil {
		return err
	}
	r, err := c.partFromWriters(r)
	if err != nil {
		return err
	}
	s, err := c.restage(r)
	if err != nil {
		return err
	}
	if c.stage.putNew(s.name, s) != s {
		s.letGo()
		return errors.New("another file of the same name is staged")
	}
	c.stage.adopt(r.ID)
	s.indexBasesLocked() // nobody else has it
	c.pinRestaged(s)
	late := r.Late
	if r.Sending != "" {
		late = append(late[:len(late):len(late)], r.Sending)
	}
	switch p := c.path(string(r.Key)); {
	case r.LateDelete:
		c.sends.recallDelete(p, late...)
	case len(late) > 0:
		c.sends.recall(p, late...)
	}
	if !c.idle {
		c.log.Info("taking up a file that an earlier mount left", "path", c.path(string(r.Key)).String(), "bytes", r.Size)
	}
	return nil
}

// pinRestaged shows what the bucket lacks.
func (c *Cache) pinRestaged(s *Staged) {
	switch {
	case isMarker(s.name):
		c.dirs.Changed(s.name.dir(), Entry{Kind: Dir})
	case s.object.Path.Key == "":
		c.dirs.Pin(s.name)
	}
}

// restage makes a Staged of a record.
func (c *Cache) restage(r Record) (*Staged, error) {
	file, err := c.openData(r)
	if err != nil {
		return nil, err
	}
	s := &Staged{
		c: c, file: file, path: r.ID, name: c.nameOf(string(r.Key)),
		size: r.Size, local: extents{r.Local}, base: r.Base.object(c.bucket), baseEnd: r.BaseEnd,
		attr: ParseAttr(r.Meta), meta: r.Meta, contentType: r.ContentType,
		object: r.Object.object(c.bucket), replacing: r.Replacing.object(c.bucket),
		changes: 2, committed: 1, saved: 2, savedID: r.ID, safeEntry: r.ID, wasSafe: r.Boot == "",
		wasWritten: true, wasSent: r.Sent, timesSet: true, isLate: true, mayLag: true,
		upload: r.Upload, sending: r.Sending, sendingFor: 2, made: r.Made, older: r.Late, lateDelete: r.LateDelete,
		acl: r.ACL, aclOf: c.path(string(r.ACLOf)), kept: r.Kept, keptStored: r.KeptStored,
		noted: r.State, notedAt: r.At, savedAt: r.At, changedAt: r.At,
	}
	if r.DataChanged {
		s.dataChanges = s.changes
	}
	if len(r.To) > 0 {
		s.movingTo = c.nameOf(string(r.To))
	}
	if r.Error != "" {
		s.failure = errors.New(r.Error)
	}
	s.holdThereLocked(s.local) // over a limit that was lowered, too
	return s, nil
}

// takeUpRemoval has the object of a removed file deleted.
func (c *Cache) takeUpRemoval(r Record) {
	o := r.Object.object(c.bucket)
	o.Path = c.path(string(r.Key))
	c.recallRemoval(r)
	c.removals.put(removal{object: o, since: r.At, isLate: true, due: r.At, late: r.Late})
	c.dirs.PinAbsent(shownName(c.nameOf(string(r.Key))))
	c.wakeRemovals()
}

// recallRemoval: the deletion may have been under way when the mount ended.
func (c *Cache) recallRemoval(r Record) {
	p := c.path(string(r.Key))
	c.sends.recallDelete(p, r.Late...)
}

// openData opens a record's data file, and makes sure that it holds what the
// record says.
func (c *Cache) openData(r Record) (*os.File, error) {
	flags := os.O_RDWR
	if r.isInline() {
		flags |= os.O_CREATE // the bytes are here
	}
	file, err := c.stage.root.OpenFile(r.ID, flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("its local bytes are gone: %w", err)
	}
	if err := fillData(file, r); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// isInline reports whether the record holds all local bytes itself.
func (r Record) isInline() bool {
	local := extents{r.Local}
	return int64(len(r.Inline)) == local.Bytes()
}

// fillData puts a record's inline bytes into its data file; without them, the
// file must have them.
func fillData(file *os.File, r Record) error {
	if r.isInline() {
		rest := r.Inline
		for _, e := range r.Local {
			n := e.End - e.Start
			if _, err := file.WriteAt(rest[:n], e.Start); err != nil {
				return fmt.Errorf("%w: %w", ErrStage, err)
			}
			rest = rest[n:]
		}
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if n := len(r.Local); n > 0 && r.Local[n-1].End > info.Size() {
		return fmt.Errorf("its local file has %d bytes and should have %d", info.Size(), r.Local[n-1].End)
	}
	return nil
}

// reportStrays names data files that no record speaks of. Empty ones are what
// a crash leaves between making a file and recording it, and are removed.
func (c *Cache) reportStrays() {
	paths, err := c.stage.strays()
	if err != nil || len(paths) > 0 {
		c.log.Warn("local files that no record speaks of are kept", "files", paths, "err", err)
	}
}
