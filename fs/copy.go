package fs

import (
	"context"
	"errors"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"

	"ncloudfs/remote"
)

var _ = (fs.NodeCopyFileRanger)((*fileNode)(nil))

// CopyFileRange implements fs.NodeCopyFileRanger for a whole file that is not being
// written, into an empty one; the kernel moves the bytes of everything else. It
// has written back the pages of both, and drops those of the target.
func (f *fileNode) CopyFileRange(ctx context.Context, in fs.FileHandle, offIn uint64, out *fs.Inode, to fs.FileHandle, offOut, size, _ uint64) (uint32, syscall.Errno) {
	target, isFile := out.Operations().(*fileNode)
	h, isHandle := to.(*handle)
	if !isFile || !isHandle || target.m.cache != f.m.cache {
		return 0, syscall.EXDEV
	}
	o, isClean := f.whole()
	target.mu.Lock()
	staged := target.staged
	target.mu.Unlock()
	if !isClean || staged == nil || offIn != 0 || offOut != 0 || int64(size) < o.Size {
		return 0, syscall.EOPNOTSUPP
	}
	h.dropSetID(ctx, staged)
	if err := f.m.mutate(ctx, func(ctx context.Context) error { return staged.CopyFrom(ctx, o) }); err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			f.m.log.Debug("a copy on the server failed: its bytes are moved instead", "err", err)
		}
		return 0, syscall.EOPNOTSUPP
	}
	return uint32(o.Size), 0
}

// whole returns the object that has all bytes of the file; false while there is
// none, or it is open for writing. Attributes may wait.
func (f *fileNode) whole() (remote.Object, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.gone, f.parted:
		return remote.Object{}, false
	case f.staged == nil:
		return f.entry.Object, true
	}
	return f.staged.Committed(), f.writers == 0 && !f.staged.LacksBytes()
}

// copiers are the threads that have opened a file and not read it yet: what they
// make next may be about to become its copy, so that the kernel must not write it
// by itself. The zero value has none. Safe for concurrent use.
type copiers struct {
	mu   sync.Mutex // leaf
	open map[uint32]*handle
}

// copiersMost is how many are remembered.
const copiersMost = 1024

// opened notes the open of a file for reading.
func (c *copiers) opened(pid uint32, h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil || len(c.open) >= copiersMost {
		c.open = map[uint32]*handle{}
	}
	c.open[pid] = h
	h.opener = pid
}

// forget notes that h has been read, or closed.
func (c *copiers) forget(h *handle) {
	if h.opener == 0 || h.isRead.Swap(true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[h.opener] == h {
		delete(c.open, h.opener)
	}
}

// expects reports whether pid may be about to copy.
func (c *copiers) expects(pid uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[pid] != nil
}
