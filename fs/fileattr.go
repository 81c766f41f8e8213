package fs

import (
	"context"
	"fmt"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
	"ncloudfs/remote"
)

// Getattr implements fs.NodeGetattrer.
func (f *fileNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	ctx, done := f.m.operation(ctx)
	defer done()
	e, pinned := f.current()
	if !pinned {
		var errno syscall.Errno
		if _, e, errno = f.stat(ctx); errno != 0 {
			return errno
		}
		if !f.take(e) {
			return syscall.ESTALE
		}
	}
	f.show(e, out)
	return 0
}

// show describes e, which a node that lost its name has no link to.
func (f *fileNode) show(e cache.Entry, out *fuse.AttrOut) {
	f.m.fill(e, &out.Attr)
	out.Ino = f.StableAttr().Ino
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		out.Nlink = 0
	}
	out.SetTimeout(timeout(e))
}

// Setattr implements fs.NodeSetattrer. A file that is open for writing takes
// changes with its next upload; for another they are carried out behind.
func (f *fileNode) Setattr(ctx context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	ctx, done := f.m.operation(ctx)
	defer done()
	if f.m.readOnly {
		return syscall.EROFS
	}
	e, err := f.changeAttr(ctx, in)
	if err != nil {
		return f.m.report("setattr", err)
	}
	f.show(e, out)
	return 0
}

func (f *fileNode) changeAttr(ctx context.Context, in *fuse.SetAttrIn) (cache.Entry, error) {
	size, resize := in.GetSize()
	if resize && size > cache.MaxFileSize {
		return cache.Entry{}, fmt.Errorf("truncate: %w", remote.ErrTooLarge)
	}
	staged, writers := f.retain()
	if staged == nil && !resize {
		return f.setCleanAttr(ctx, in)
	}
	if staged == nil {
		h, _, errno := f.Open(ctx, syscall.O_WRONLY)
		if errno != 0 {
			return cache.Entry{}, errno
		}
		defer h.(*handle).close()
		staged, _ = f.retain()
	}
	defer staged.Release()
	folds := writers > 0 && staged.LacksBytes() // a close is still to come
	if resize {
		if err := staged.Truncate(int64(size)); err != nil {
			return cache.Entry{}, err
		}
	}
	if in.Valid&^(fuse.FATTR_SIZE|fuse.FATTR_FH|fuse.FATTR_LOCKOWNER|fuse.FATTR_KILL_SUIDGID) != 0 {
		staged.SetAttr(change(in, syscall.S_IFREG))
	}
	if in.Valid&fuse.FATTR_KILL_SUIDGID != 0 {
		staged.SetAttr(dropSetID)
	}
	switch {
	case folds || writers > 0 && resize:
	case resize:
		if err := staged.Save(ctx); err != nil {
			return cache.Entry{}, err
		}
	default:
		if err := staged.Promise(ctx); err != nil {
			return cache.Entry{}, err
		}
	}
	return staged.Entry(), nil
}

// retain returns the staged file with one more user, or nil, and how many
// handles are open for writing.
func (f *fileNode) retain() (*cache.Staged, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.staged == nil || !f.staged.Retain() {
		return nil, 0
	}
	return f.staged, f.writers
}

// setCleanAttr changes the attributes of a file that is not staged.
func (f *fileNode) setCleanAttr(ctx context.Context, in *fuse.SetAttrIn) (cache.Entry, error) {
	if e, pinned := f.current(); pinned && f.isGone() {
		apply := change(in, syscall.S_IFREG)
		apply(&e.Attr)
		return e, nil // of no consequence to anybody else
	}
	_, e, errno := f.stat(ctx)
	if errno != 0 {
		return cache.Entry{}, errno
	}
	whole, apply := f.m.whole(e), change(in, syscall.S_IFREG)
	now, err := f.storeAttr(ctx, func(a *cache.Attr) { whole(a); apply(a) })
	if err != nil {
		return cache.Entry{}, err
	}
	f.attach(now.Staged)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.staged == nil && f.entry.Object.ETag == e.Object.ETag {
		if f.pages == f.entry.Object.ETag {
			f.pages = now.Object.ETag // the same bytes
		}
		f.entry = now
		f.entry.Staged = nil
	}
	return now, nil
}

func (f *fileNode) isGone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone
}
