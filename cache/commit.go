package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"slices"
	"time"

	"ncloudfs/remote"
)

// commit is one run that brings a Staged into the bucket.
type commit struct {
	want   uint64 // the changes it is for
	ifOwed bool   // it leaves alone what is not owed any more
	upTo   uint64 // the changes it holds; set before done is closed
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid after done

	lagging *snapshot // stored already, but for its metadata and ACL; nil: none
}

// Commit returns once the bucket holds every change made before the call, or
// the error that prevented it; what could not be uploaded stays staged. The
// work goes on when ctx ends, which only ends the wait. A file without a name
// needs no commit.
func (s *Staged) Commit(ctx context.Context) error {
	s.lock()
	wanted, aside := commit{want: s.changes}, s.aside
	s.mu.Unlock()
	if aside != nil {
		return aside
	}
	return s.await(ctx, wanted)
}

// commitOwed is Commit while the file is owed. Nobody who waits for a close asks
// for it, and what a program is writing is not whole yet.
func (s *Staged) commitOwed(ctx context.Context) error {
	s.mu.Lock()
	wanted := commit{want: s.changes, ifOwed: true}
	s.mu.Unlock()
	return s.await(ctx, wanted)
}

// await returns when what is wanted is in the bucket, or cannot be.
func (s *Staged) await(ctx context.Context, wanted commit) error {
	for {
		run, isNew := s.startCommit(wanted)
		if run == nil {
			return nil
		}
		select {
		case <-run.done:
			if run.upTo >= wanted.want || isNew && run.err != nil {
				return run.err
			} // else it did not hold all that it should: the next one will
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// startCommit returns the running commit, or a new one, or nil when nothing of
// what is wanted is missing. While a removal waits, what it returns is the end of
// that.
func (s *Staged) startCommit(wanted commit) (run *commit, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlinked || s.committed >= wanted.want || wanted.ifOwed && !s.owesLocked() {
		return nil, false
	}
	if s.running != nil {
		return s.running, false
	}
	if s.pause != nil {
		return s.pause, false
	}
	ctx, cancel := context.WithCancel(s.c.ctx)
	run = &wanted
	run.cancel, run.done = cancel, make(chan struct{})
	s.running = run
	s.c.commits.Go(func() {
		defer cancel()
		run.err = s.c.uploadSafely(ctx, s, run)
		s.c.refused.Store(errors.Is(run.err, fs.ErrPermission))
		if run.err != nil && !errors.Is(run.err, ErrConflict) {
			s.noteFailure(run.err, max(run.want, run.upTo))
		}
		s.mu.Lock()
		s.running = nil
		s.progress.reset()
		s.mu.Unlock()
		close(run.done)
		s.discardIfIdle()
	})
	return run, true
}

// safely does what runs behind, with a panic as an error: one file must not take
// the mount with it.
func (c *Cache) safely(what string, do func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			c.log.Error("internal error", "in", what, "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: %v", reason)
		}
	}()
	return do()
}

// uploadSafely is upload for what runs behind.
func (c *Cache) uploadSafely(ctx context.Context, s *Staged, run *commit) error {
	err := c.safely("the upload of "+string(s.nameNow()), func() error { return c.upload(ctx, s, run) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlinked || s.pause != nil {
		return nil // removed while it was on its way
	}
	return err
}

// upload brings the present state of s into the bucket, in its turn among the
// mutations of its key.
func (c *Cache) upload(ctx context.Context, s *Staged, run *commit) error {
	for {
		if err := c.uploadNamed(ctx, s, run); !errors.Is(err, errRenamed) {
			return err
		}
	}
}

// uploadNamed is upload under the name that the file has at first; errRenamed where
// it has another one then.
func (c *Cache) uploadNamed(ctx context.Context, s *Staged, run *commit) error {
	name, release, err := c.claimStaged(ctx, s)
	if err != nil {
		return err
	}
	defer release()
	return c.uploadAs(ctx, s, run, name)
}

// errRenamed: the file has another name than the one that was claimed.
var errRenamed = errors.New("renamed before its upload")

// uploadAs is upload for the holder of the name's claim.
func (c *Cache) uploadAs(ctx context.Context, s *Staged, run *commit, name Name) (err error) {
	for try := 1; ; try++ {
		isLast := try == uploadTries
		err = c.uploadClaimed(ctx, s, run, name, isLast)
		if isLast || !errors.Is(err, errNewBase) && !errors.Is(err, errWritten) && !errors.Is(err, errMetaLags) {
			return err
		}
	}
}

// uploadTries is how often an upload begins anew because the file, or what it is
// made of, has changed; the last takes a file that is written to as it is.
const uploadTries = 5

// errWritten: a small file was written to while it was read, so that what was
// read may be no state of it.
var errWritten = errors.New("written to while it was read")

// uploadClaimed is one try of uploadAs.
func (c *Cache) uploadClaimed(ctx context.Context, s *Staged, run *commit, name Name, asItIs bool) error {
	snap, err := s.snapshot(name, run.ifOwed)
	if snap == nil {
		return err
	}
	snap.ctx, snap.name, snap.asItIs = ctx, name, asItIs
	snap.contentType = c.typeOf(snap.contentType, name)
	run.upTo = snap.changes
	if run.lagging != nil {
		snap.acl, snap.aclChosen = run.lagging.acl, true
	}
	if err := c.awaitBase(ctx, snap); err != nil {
		return fmt.Errorf("upload %q: %w", name, err)
	}
	if moved, err := c.finishMove(ctx, snap); moved || err != nil {
		run.upTo = 0 // there is more to do, under the new name
		return err
	}
	o, err := c.send(ctx, snap)
	if remote.CodeOf(err) == remote.NoSuchKey {
		err = fmt.Errorf("removed elsewhere while it was edited: %w: %w", remote.ErrChanged, err)
	}
	if errors.Is(err, remote.ErrChanged) && ctx.Err() == nil {
		err = c.divert(ctx, snap, err)
	}
	if err != nil {
		return fmt.Errorf("upload %q: %w", name, err)
	}
	if snap.metaLags {
		c.finish(snap, o)
		run.lagging = snap
		return errMetaLags // the copy that follows gets the ACL
	}
	if err := c.giveACL(ctx, snap, o); err != nil {
		return fmt.Errorf("upload %q: %w", name, err)
	}
	c.finish(snap, o)
	return nil
}

// finish makes o, which holds snap, what the file's name is, for the holder of
// the key's claim.
func (c *Cache) finish(snap *snapshot, o remote.Object) {
	step("committed")
	if snap.object.Path.Key == "" && snap.acl == nil {
		c.noteMade(o, snap.begun)
	}
	doubt := c.sends.doubtOf(o.Path.Key, o.ETag)
	c.dropRemoval(o.Path)
	c.known.Learn(o, true)
	hasName := snap.s.committedTo(snap, o, doubt.exists())
	if snap.isPromised && !c.writeBack {
		c.stage.journal.order(c.stage.journal.last()) // no record of what comes next makes it safe
	}
	if !hasName {
		return
	}
	snap.s.shows(snap.name, o)
	if doubt.exists() {
		c.watchBehind(snap.s, o, doubt)
	}
}

// shows has the mount show o under name, unless the file was renamed or removed
// a moment ago: in write-back mode neither waits for a commit.
func (s *Staged) shows(name Name, o remote.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.name != name || s.unlinked:
	case isMarker(name):
		s.c.dirs.Changed(name.dir(), Entry{Kind: Dir})
	default:
		s.c.dirs.Changed(name, Entry{Kind: File, Object: o})
	}
}

// typeOf returns the content type that the object of a file gets whose own is
// contentType, perhaps empty.
func (c *Cache) typeOf(contentType string, name Name) string {
	if isMarker(name) {
		return markerType
	}
	return cmp.Or(contentType, typeByName(c.keyOf(name)))
}

// commitDependents brings what still reads the object of key, having been
// renamed, into the bucket, before that object is replaced or deleted.
func (c *Cache) commitDependents(ctx context.Context, key string) error {
	for _, s := range c.stage.basedOn(key) {
		if !s.Dirty() {
			continue // only handles read it still
		}
		if err := s.Commit(ctx); err != nil {
			return fmt.Errorf("%q, which was renamed, is still needed for %q: %w", key, s.nameNow(), err)
		}
	}
	return nil
}

// hasDependents reports whether commitDependents has something to do.
func (c *Cache) hasDependents(key string) bool {
	return slices.ContainsFunc(c.stage.basedOn(key), (*Staged).Dirty)
}

// awaitBase waits, before bytes or metadata of the bucket are used, until no
// older request of ours can replace them, nor what is made of them: that could
// not be made again from what is here.
func (c *Cache) awaitBase(ctx context.Context, snap *snapshot) error {
	if !snap.usesBase() {
		return nil
	}
	return c.sends.settled(ctx, snap.base.Path.Key, c.keyOf(snap.name))
}

// claimStaged claims the key of s, once nothing else needs the object there. The
// name may change while it waits. What is committed before is so without the
// claim: a claim of both keys that waits in between would never end.
func (c *Cache) claimStaged(ctx context.Context, s *Staged) (Name, func(), error) {
	for {
		name, _ := s.Name()
		if err := c.commitDependents(ctx, c.keyOf(name)); err != nil {
			return "", nil, fmt.Errorf("upload %q: %w", name, err)
		}
		release, err := c.gates.claim(ctx, c.gateOf(name))
		if err != nil {
			return "", nil, err
		}
		if now, _ := s.Name(); now == name && !c.hasDependents(c.keyOf(name)) {
			return name, release, nil
		}
		release()
	}
}

// snapshot is what one commit sends.
type snapshot struct {
	view
	ctx         context.Context // of the commit: io.ReaderAt has none
	name        Name
	begun       time.Time
	changes     uint64
	dataChanged bool
	isLate      bool
	mayLag      bool // see Staged
	asItIs      bool // though it may be written to while it is read
	isPromised  bool // the journal holds an older or the same version, safe from a loss of power
	diverted    bool // to a new name beside its own: there is nothing to compare with
	movingTo    Name
	sending     remote.ETag
	mayVanish   bool          // an earlier deletion of ours may be carried out
	late        []remote.ETag // versions that older requests of ours may have made
	made        []remote.ETag // of these, those of uploads of this file
	replacing   remote.Object
	object      remote.Object
	meta        remote.Meta
	contentType string
	timesSet    bool // the metadata's times are what a program wants them to be
	timeless    bool // the object has no times in its metadata: its date is the file's
	metaLags    bool // the object has older metadata

	found   remote.Object // under the name, by a late commit; Path empty: none was looked for, or it is ours
	acl     *remote.ACL   // that the object is to have; nil: the default
	carried string        // what the request that stored it carried of that
	owesACL bool          // whatever that was

	aclChosen bool // not to be read any more
}

// isStill reports whether the file has not changed since.
func (s *snapshot) isStill() bool {
	s.s.lock()
	defer s.s.mu.Unlock()
	return s.s.changes == s.changes
}

// ReadAt implements io.ReaderAt for the bodies of requests.
func (s *snapshot) ReadAt(p []byte, off int64) (int, error) { return s.readAt(s.ctx, p, off) }

// snapshot returns nil when there is nothing to send, and errRenamed where the file
// has not the name n: in write-back mode a rename does not wait for a claim of it.
func (s *Staged) snapshot(n Name, ifOwed bool) (*snapshot, error) {
	s.lock()
	defer s.mu.Unlock()
	if !s.dirtyLocked() || ifOwed && !s.owesLocked() {
		return nil, nil
	}
	if s.name != n {
		return nil, errRenamed
	}
	s.settleDirectLocked()
	late := s.lateLocked()
	isLate := s.isLate || s.c.writeBack && !s.savedAt.IsZero() && time.Since(s.savedAt) > s.c.ttl
	s.wasSent = true
	s.failure, s.nextTry = nil, time.Time{}
	s.noteLocked(StateReady, nil)
	step("ready")
	snap := &snapshot{view: s.viewLocked(), begun: time.Now(), changes: s.changes, object: s.object, isLate: isLate, mayLag: s.mayLag, isPromised: s.isSafeLocked(), movingTo: s.movingTo, sending: s.sendingLocked(),
		late: late, mayVanish: s.mayVanishLocked(), made: s.made, replacing: s.replacing,
		dataChanged: s.dataChanges > s.committed || s.object.Path.Key == "",
		meta:        s.attr.Meta(s.meta), contentType: s.contentType, timesSet: s.timesSet}
	if s.dataChanges <= s.committed && s.base.Size == s.size {
		snap.local, snap.baseEnd = extents{}, s.size // nothing but the base
	}
	return snap, nil
}

// committedTo makes o, which holds snap, the file's version in the bucket and
// the base of bytes that are not local. False: the file has no name any more.
// A file that is watched stays until nothing of ours can overwrite o.
func (s *Staged) committedTo(snap *snapshot, o remote.Object, watched bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name != snap.name && !s.unlinked {
		s.committedElsewhereLocked(snap, o)
		return false
	}
	s.object, s.replacing = o, remote.Object{}
	s.isOwed = false
	promised := s.promisedLocked() && s.saved >= snap.changes
	s.committed = max(s.committed, snap.changes)
	s.forgetUploadLocked()
	s.watched = watched
	s.takeMetaLocked(snap, promised)
	if s.aclOf = o.Path; snap.metaLags {
		s.keptStored = s.kept != nil
	} else {
		s.keepsLocked(o.Path)
	}
	s.setBaseLocked(o) // the same bytes show through
	if s.mayLag && s.changes == snap.changes && o.ETag == snap.sending {
		s.adoptLocked(o)
	}
	s.mayLag = false
	s.c.wakeRemovals()
	switch {
	case s.unlinked:
	case s.promisedLocked():
		s.noteLocked(StateReady, nil)
	case s.dirtyLocked():
		s.noteLocked(StateOpen, nil)
	case watched:
		s.noteLocked(StateReady, nil)
	default:
		s.noteDoneLocked()
		step("done")
	}
	return !s.unlinked
}

// forgetUploadLocked ends what was known of the upload that is done.
func (s *Staged) forgetUploadLocked() {
	if s.ahead != nil {
		s.ahead.cancel()
	}
	s.upload, s.ahead, s.isLate, s.sending, s.made, s.older, s.lateDelete = nil, nil, false, "", nil, nil, false
}

// takeMetaLocked makes the file's metadata that of its object where it may be,
// and else has the object's made that of the file, which is then still promised
// if it was.
func (s *Staged) takeMetaLocked(snap *snapshot, promised bool) {
	switch {
	case snap.metaLags:
		s.changes++
		if promised {
			s.saved = s.changes
		}
	case snap.timeless && s.changes == snap.changes:
		s.attr.Mtime, s.attr.Atime, s.attr.Ctime = time.Time{}, time.Time{}, time.Time{}
		s.meta = timeless(s.meta)
	}
}

// adoptLocked makes the file what o is.
func (s *Staged) adoptLocked(o remote.Object) {
	s.freeLocked(0, maxOffset)
	s.local, s.size, s.baseEnd = extents{}, o.Size, o.Size
	s.attr, s.meta, s.contentType = ParseAttr(o.Meta), o.Meta, o.ContentType
}

// committedElsewhereLocked is committedTo for a file that was renamed while it
// was on its way: o is under its old name, and what the file is now made of.
func (s *Staged) committedElsewhereLocked(snap *snapshot, o remote.Object) {
	s.committed = max(s.committed, snap.changes)
	s.forgetUploadLocked()
	s.keepsLocked(o.Path)
	s.setBaseLocked(o)
	removal := s.c.removalRecord(o, snap.late...)
	group := []Record{removal}
	if s.dataChanges <= s.committed {
		group = append(group, s.renamedRecordLocked(true))
	}
	s.savedSeq = s.c.appendOrdered(s.name, group...)
	s.c.hideNoted(snap.name, o, removal.Late, false)
}
