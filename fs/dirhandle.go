package fs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
)

// dirHandle is one opendir(3): the directory as it was at the first read, so
// that entries neither move nor repeat while others come and go. go-fuse calls
// it from one goroutine at a time.
type dirHandle struct {
	dir    *dirNode
	loaded bool
	names  *cache.DirView // nil: removed while it was open
	next   int            // 0 is ".", 1 is "..", names follow
}

var (
	_ = (fs.FileReaddirenter)((*dirHandle)(nil))
	_ = (fs.FileSeekdirer)((*dirHandle)(nil))
	_ = (fs.FileLookuper)((*dirHandle)(nil))
	_ = (fs.FileFsyncdirer)((*dirHandle)(nil))
)

// Readdirent implements fs.FileReaddirenter.
func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if !h.loaded {
		if errno := h.load(ctx); errno != 0 {
			return nil, errno
		}
	}
	i := h.next
	if i >= h.count()+2 {
		return nil, 0
	}
	h.next++
	e := &fuse.DirEntry{Off: uint64(h.next)}
	switch i {
	case 0:
		e.Name, e.Mode, e.Ino = ".", syscall.S_IFDIR, h.dir.StableAttr().Ino
	case 1:
		e.Name, e.Mode = "..", syscall.S_IFDIR
	default:
		child := h.names.At(i - 2)
		e.Name = child.Base
		if h.names.IsTyped(child.Entry) {
			e.Mode = typeOf(child.Entry)
		} // else DT_UNKNOWN: who wants to know asks
	}
	return e, 0
}

// count returns how many names there are.
func (h *dirHandle) count() int {
	if h.names == nil {
		return 0
	}
	return h.names.Len()
}

func (h *dirHandle) load(ctx context.Context) syscall.Errno {
	ctx, done := h.dir.m.operation(ctx)
	defer done()
	n, ok := h.dir.name()
	if !ok {
		h.loaded = true
		return 0
	}
	names, err := h.dir.m.cache.ReadDir(ctx, n)
	if err != nil {
		return h.dir.m.report("readdir", err)
	}
	h.loaded, h.names = true, names
	return 0
}

// Fsyncdir implements fs.FileFsyncdirer: a change of names is in the bucket when its
// operation returns, one of attributes now.
func (h *dirHandle) Fsyncdir(ctx context.Context, _ uint32) syscall.Errno {
	ctx, done := h.dir.m.operation(ctx)
	defer done()
	n, ok := h.dir.name()
	if !ok {
		return 0 // removed while it was open
	}
	return h.dir.m.report("fsync", h.dir.m.cache.SyncDir(ctx, n))
}

// Seekdir implements fs.FileSeekdirer. Position 0 (rewinddir) reads anew.
func (h *dirHandle) Seekdir(_ context.Context, off uint64) syscall.Errno {
	if off == 0 {
		h.loaded, h.names = false, nil
	}
	h.next = int(min(off, 1<<40))
	return 0
}

// Lookup implements fs.FileLookuper, for entries with attributes. It sends nothing
// but for what a walk with exact attributes wants; ENOENT has the kernel take the
// name without attributes.
func (h *dirHandle) Lookup(ctx context.Context, base string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	i := h.next - 3
	if i < 0 || i >= h.count() || h.names.Base(i) != base {
		return h.dir.Lookup(ctx, base, out)
	}
	ctx, done := h.dir.m.operation(ctx)
	defer done()
	e, ok, err := h.names.Lookup(ctx, i)
	switch {
	case err != nil:
		return nil, h.dir.m.report("lookup", err)
	case !ok:
		return nil, syscall.ENOENT
	}
	return h.dir.enter(ctx, base, e, out)
}
