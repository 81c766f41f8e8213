package fs

import (
	"context"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
	"ncloudfs/remote"
)

// fileNode is one version of a regular file. While handles are open it stays
// that version, whatever happens to the object; with none open it may become
// another one.
type fileNode struct {
	node

	mu      sync.Mutex
	entry   cache.Entry   // the version; guarded by mu, like all below
	staged  *cache.Staged // from the first open for writing until the last release; nil: none
	handles int           // open ones
	writers int           // of these, open for writing
	gone    bool          // unlinked, or replaced by a rename
	pages   remote.ETag   // whose bytes the kernel's page cache may hold
	backing *backing      // what the kernel reads by itself; nil: it asks
	parted  bool          // its name is for another node, which is written to
}

var (
	_ = (fs.NodeOpener)((*fileNode)(nil))
	_ = (fs.NodeGetattrer)((*fileNode)(nil))
	_ = (fs.NodeSetattrer)((*fileNode)(nil))
	_ = (fs.NodeStatfser)((*fileNode)(nil))
)

// take implements child: a node with open handles stays the version they have.
func (f *fileNode) take(e cache.Entry) bool {
	if typeOf(e) != syscall.S_IFREG {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone || f.parted {
		return false
	}
	if f.handles > 0 && !f.isVersionLocked(e) {
		return false
	}
	if f.backing != nil && f.backing.direct != nil && f.m.cache.HasNoBacking(e.Object.Path) {
		f.partLocked() // now: who asked for that has had its one ESTALE
		return false
	}
	if f.staged == nil {
		f.entry = e
	}
	return true
}

// isVersionLocked reports whether e is what the open handles have, or with
// none open, what the kernel was told last.
func (f *fileNode) isVersionLocked(e cache.Entry) bool {
	if f.staged != nil {
		return f.staged == e.Staged
	}
	return f.entry.Object.Size == e.Object.Size && (e.Staged != nil || f.entry.Object.ETag == e.Object.ETag)
}

// retellLocked has the kernel ask again what it knows of a node that becomes e, if
// that is another version: where it takes the end of the file for decides what
// it reads. Where an O_APPEND write goes is decided by handle.Write then.
func (f *fileNode) retellLocked(e cache.Entry) (retold bool) {
	if f.handles > 0 || f.isVersionLocked(e) {
		return false
	}
	_ = f.NotifyContent(-1, 0) // touches no pages, so that it cannot wait for us; ENOENT: the kernel does not know the node
	return true
}

// Open implements fs.NodeOpener. ESTALE makes the kernel look the name up once
// more, and find a new node.
func (f *fileNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	asked := ctx
	ctx, done := f.m.operation(ctx)
	defer done()
	write := flags&(syscall.O_ACCMODE|syscall.O_TRUNC) != syscall.O_RDONLY
	if write && f.m.readOnly {
		return nil, 0, syscall.EROFS
	}
	f.awaitWriters(ctx, flags)
	n, e, errno := f.stat(ctx)
	if errno != 0 {
		return nil, 0, errno
	}
	var err error
	direct := !write && flags&syscall.O_DIRECT != 0
	switch {
	case direct:
		e, err = f.m.cache.Revalidate(ctx, n, e)
	case write && e.Kind == cache.File:
		e, err = f.m.cache.Describe(ctx, n, e)
	}
	if err != nil {
		return nil, 0, f.m.report("open", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone || f.parted || typeOf(e) != syscall.S_IFREG || e.Kind != cache.File || f.handles > 0 && !f.isVersionLocked(e) {
		if flags&syscall.O_ACCMODE == syscall.O_RDWR {
			f.m.cache.NoBacking(e.Object.Path) // the kernel comes again, only once
		}
		return nil, 0, syscall.ESTALE
	}
	if f.backing != nil && flags&syscall.O_ACCMODE == syscall.O_RDWR {
		if errno := f.attachLocked(n, e, true, false); errno != 0 {
			return nil, 0, errno
		}
		f.m.cache.NoBacking(e.Object.Path) // the new node would be parted from, too, and the caller see that
		f.partLocked()
		return nil, 0, syscall.ESTALE
	}
	keep, retold := f.keepsPagesLocked(e, flags), f.retellLocked(e)
	if errno := f.attachLocked(n, e, write, flags&syscall.O_TRUNC != 0); errno != 0 {
		return nil, 0, errno
	}
	if f.staged == nil {
		f.pages = e.Object.ETag
	}
	f.passLocked(asked, flags)
	how := f.howLocked(asked, flags, keep)
	f.used()
	h := f.newHandleLocked(flags)
	h.retold, h.direct = retold, direct
	if pid := callerPid(asked); pid != 0 && !write {
		f.m.copiers.opened(pid, h)
	}
	h.syncs = how&fuse.FOPEN_DIRECT_IO != 0 && flags&syscall.O_SYNC != 0
	return h, how, 0
}

// partLocked leaves the name to a new node, which shares the staged file. From
// now on the kernel asks for its size: it does not hear of what the other writes.
func (f *fileNode) partLocked() {
	f.parted = true
	f.staged.Share()
	f.m.notifier.add(func() { _ = f.NotifyContent(-1, 0) }) // its attributes; ENOENT where it knows none
}

// keepsPagesLocked reports whether the pages that the kernel has are those of
// e: every write goes through the kernel, so a staged file's are.
func (f *fileNode) keepsPagesLocked(e cache.Entry, flags uint32) bool {
	if flags&syscall.O_TRUNC != 0 {
		return false
	}
	if f.staged != nil {
		return true
	}
	return e.Staged == nil && f.pages != "" && f.pages == e.Object.ETag
}

// attachLocked makes e the node's version, and stages it where it is to be
// written or is staged already.
func (f *fileNode) attachLocked(n cache.Name, e cache.Entry, write, truncate bool) syscall.Errno {
	if f.staged == nil {
		f.entry = e
	}
	if f.staged != nil && !truncate || f.staged == nil && !write && e.Staged == nil {
		return 0
	}
	if f.staged != nil {
		return f.m.report("open", f.staged.Truncate(0))
	}
	staged, err := f.m.cache.OpenStaged(n, cache.StageOptions{Base: e, Truncate: truncate, Read: !write, Attr: e.Attr})
	if err != nil {
		return f.m.report("open", err)
	}
	whole := f.m.whole(e)
	if write && !e.Attr.HasMode {
		staged.Complete(whole)
	}
	return f.m.report("open", f.stageLocked(staged))
}

func (f *fileNode) newHandle(flags uint32) *handle {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.newHandleLocked(flags)
}

func (f *fileNode) newHandleLocked(flags uint32) *handle {
	h := &handle{file: f, writes: flags&(syscall.O_ACCMODE|syscall.O_TRUNC) != syscall.O_RDONLY, appends: flags&syscall.O_APPEND != 0}
	if f.staged != nil {
		h.told = f.staged.Conflicts()
	}
	f.handles++
	if h.writes {
		f.writers++
	}
	return h
}

// release ends a handle. The node lets go of the staged file with its last.
func (f *fileNode) release(h *handle) {
	f.mu.Lock()
	f.handles--
	if h.writes {
		f.writers--
	}
	staged, last := f.staged, f.handles == 0
	if last {
		hadBacking := f.backing != nil
		f.unbackLocked()
		if staged != nil {
			f.entry = staged.Entry()
			f.entry.Staged = nil
			f.pages = ""
			if !staged.Dirty() && !hadBacking { // else the kernel's pages were not written to
				f.pages = staged.Committed().ETag
			}
			f.staged = nil
		}
	}
	f.mu.Unlock()
	if !last {
		return
	}
	if staged != nil {
		staged.Release()
	}
	f.removeClosed()
}

// removeClosed deletes the object of a node that has neither name nor handles.
func (f *fileNode) removeClosed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.entry.Object; f.gone && f.handles == 0 && o.ETag != "" {
		f.m.cache.RemoveClosed(o.Path, o.ETag)
	}
}

// isOpen reports whether handles are open.
func (f *fileNode) isOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.handles > 0
}

// unlinked notes that the node has lost its name.
func (f *fileNode) unlinked() {
	f.mu.Lock()
	f.gone = true
	f.mu.Unlock()
	f.removeClosed()
}

// displaced notes that the node's bytes are stored under another name: the next
// lookup finds what has kept this one.
func (f *fileNode) displaced() {
	f.mu.Lock()
	first := !f.gone
	f.gone = true
	f.mu.Unlock()
	if first {
		f.m.expire(f)
	}
}

// attach lets open handles follow what is staged of their file from now on.
func (f *fileNode) attach(s *cache.Staged) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s != nil && f.staged == nil && f.handles > 0 && s.Retain() {
		_ = f.stageLocked(s) // fails only where it was emptied, and nobody has written to it
	}
}

// moved notes that a rename of ours copied the object, or will. Where it was
// another version than this one, this one is gone.
func (f *fileNode) moved(m cache.Move) {
	f.attach(m.Staged)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.staged != nil || m.To.Path.Key == "" || m.From.ETag != f.entry.Object.ETag {
		return
	}
	if f.pages == m.From.ETag {
		f.pages = m.To.ETag // the same bytes
	}
	o := m.To
	o.Meta, o.ContentType, o.HasMeta = f.entry.Object.Meta, f.entry.Object.ContentType, f.entry.Object.HasMeta
	f.entry.Object = o
}

// current describes the file as the node's handles see it; false when no
// handle is open, so that the name decides.
func (f *fileNode) current() (cache.Entry, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.staged != nil {
		return f.staged.Entry(), true
	}
	return f.entry, f.handles > 0 || f.gone
}
