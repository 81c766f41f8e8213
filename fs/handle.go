package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
	"ncloudfs/remote"
)

// handle is one open file.
type handle struct {
	file    *fileNode
	writes  bool   // opened for writing
	appends bool   // O_APPEND
	retold  bool   // the kernel may have another size in mind than the file has
	opener  uint32 // thread that opened it to read it; 0: not known, or to write
	isRead  atomic.Bool
	direct  bool // opened with O_DIRECT for nothing but reading: past the caches
	syncs   bool // each write is to be in the bucket, and the kernel asks for no fsync

	mu      sync.Mutex
	reader  *cache.Reader // of version; guarded by mu, like all below
	version remote.Object
	told    int // conflicts of the staged file that the writer knows of
}

var (
	_ = (fs.FileReader)((*handle)(nil))
	_ = (fs.FileWriter)((*handle)(nil))
	_ = (fs.FileFlusher)((*handle)(nil))
	_ = (fs.FileFsyncer)((*handle)(nil))
	_ = (fs.FileReleaser)((*handle)(nil))
)

// Read implements fs.FileReader.
func (h *handle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	m := h.file.m
	m.copiers.forget(h)
	ctx, done := m.operation(ctx)
	defer done()
	h.file.mu.Lock()
	staged, entry := h.file.staged, h.file.entry
	h.file.mu.Unlock()
	if staged != nil {
		n, err := staged.ReadAt(ctx, dest, off)
		if err != nil && err != io.EOF {
			return nil, h.failed(err)
		}
		return fuse.ReadResultData(dest[:n]), 0
	}
	if h.direct {
		n, err := m.cache.ReadUncached(ctx, entry.Object, dest, off)
		if err != nil {
			return nil, h.failed(err)
		}
		return fuse.ReadResultData(dest[:n]), 0
	}
	view, err := h.readerOf(entry.Object).Read(ctx, off, len(dest))
	if err != nil {
		return nil, h.failed(err)
	}
	return viewResult{view}, 0
}

// readerOf returns the handle's reader; a rename of ours may have given the
// version another identity.
func (h *handle) readerOf(o remote.Object) *cache.Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reader == nil || h.version.Path != o.Path || h.version.ETag != o.ETag {
		if h.reader != nil {
			h.reader.Close()
		}
		h.reader, h.version = h.file.m.cache.Reader(o), o
	}
	return h.reader
}

// failed reports an error of a read. When the version is gone, the next open
// finds the new one: what is believed of the name is dropped here and in the
// kernel.
func (h *handle) failed(err error) syscall.Errno {
	if errors.Is(err, remote.ErrChanged) || errnoOf(err) == syscall.ENOENT {
		h.file.m.expire(h.file)
		err = fmt.Errorf("%w: %w", remote.ErrChanged, err)
	}
	return h.file.m.report("read", err)
}

// viewResult hands cached blocks to the kernel without a copy.
type viewResult struct{ view *cache.View }

func (r viewResult) Bytes(buf []byte) ([]byte, fuse.Status) {
	return buf[:r.view.CopyTo(buf)], fuse.OK
}
func (r viewResult) Slices() ([][]byte, fuse.Status) { return r.view.Slices(), fuse.OK }
func (r viewResult) Size() int                       { return r.view.Size() }
func (r viewResult) Done()                           { r.view.Release() }

// Write implements fs.FileWriter.
func (h *handle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	h.file.mu.Lock()
	staged := h.file.staged
	h.file.mu.Unlock()
	switch {
	case staged == nil:
		return 0, syscall.EBADF
	case off+int64(len(data)) > cache.MaxFileSize:
		return 0, syscall.EFBIG
	}
	h.dropSetID(ctx, staged)
	write := func() (int, error) { return staged.WriteAt(data, off) }
	if h.appends && (h.retold || staged.IsShared()) {
		write = func() (int, error) { return staged.Append(data) } // the kernel does not know where the end is
	}
	n, err := write()
	if err == nil && h.syncs {
		if errno := h.commit(ctx, "write", staged, staged.Sync); errno != 0 {
			return 0, errno
		}
	}
	return uint32(n), h.file.m.report("write", err)
}

// dropSetID takes the bits away that a change of the bytes by others than root
// does.
func (h *handle) dropSetID(ctx context.Context, staged *cache.Staged) {
	if staged.HasSetID() && ownerOf(ctx).Uid != 0 {
		staged.SetAttr(dropSetID)
	}
}

// Flush implements fs.FileFlusher. It is called for every close(2), also of a
// duplicate, and before the first byte of `> f`: a new empty file that the
// closing process still has open waits for its next close.
func (h *handle) Flush(ctx context.Context) syscall.Errno {
	h.file.mu.Lock()
	staged := h.file.staged
	h.file.mu.Unlock()
	if staged == nil || !h.writes && !staged.IsOwed() {
		return 0
	}
	if staged.Untouched() {
		if n, linked := staged.Name(); linked && hasDescriptor(callerPid(ctx), h.file.m.mountpoint+"/"+string(n)) {
			staged.Owe()
			return 0
		}
	}
	return h.commit(ctx, "close", staged, staged.Save)
}

// Fsync implements fs.FileFsyncer.
func (h *handle) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	h.file.mu.Lock()
	staged := h.file.staged
	h.file.mu.Unlock()
	if staged == nil {
		return 0
	}
	return h.commit(ctx, "fsync", staged, staged.Sync)
}

// commit is what op waits for, and tells the writer of conflicts.
func (h *handle) commit(ctx context.Context, op string, staged *cache.Staged, save func(context.Context) error) syscall.Errno {
	ctx, done := h.file.m.operation(ctx)
	defer done()
	err := save(ctx)
	if n := staged.Conflicts(); n > 0 {
		h.file.displaced()
		if h.isNews(n) && err == nil {
			err = cache.ErrConflict
		}
	}
	return h.file.m.report(op, err)
}

// isNews notes that the writer is told of n conflicts, and reports whether it
// knew of fewer.
func (h *handle) isNews(n int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	isNews := n > h.told
	h.told = n
	return isNews
}

// Release implements fs.FileReleaser.
func (h *handle) Release(context.Context) syscall.Errno {
	h.close()
	return 0
}

func (h *handle) close() {
	h.mu.Lock()
	reader := h.reader
	h.reader = nil
	h.mu.Unlock()
	if reader != nil {
		reader.Close()
	}
	h.file.m.copiers.forget(h)
	h.file.release(h)
}
