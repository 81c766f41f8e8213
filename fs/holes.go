package fs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sys/unix"

	"ncloudfs/cache"
)

var (
	_ = (fs.FileAllocater)((*handle)(nil))
	_ = (fs.FileLseeker)((*handle)(nil))
)

// Allocate implements fs.FileAllocater. The kernel has refused modes that it does
// not know of FUSE, has written back the pages of what becomes zeros, and drops
// them afterwards.
func (h *handle) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	h.file.mu.Lock()
	staged := h.file.staged
	h.file.mu.Unlock()
	a := cache.Allocation{Off: int64(off), End: int64(off + size), KeepSize: mode&unix.FALLOC_FL_KEEP_SIZE != 0,
		Free: mode&unix.FALLOC_FL_PUNCH_HOLE != 0, Zero: mode&(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) != 0}
	switch {
	case staged == nil:
		return syscall.EBADF
	case mode&^(unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) != 0:
		return syscall.EOPNOTSUPP
	case a.End > cache.MaxFileSize && !a.Free:
		return syscall.EFBIG
	}
	h.dropSetID(ctx, staged)
	err := staged.Allocate(a)
	if err == nil && h.syncs {
		return h.commit(ctx, "fallocate", staged, staged.Sync)
	}
	return h.file.m.report("fallocate", err)
}

// Lseek implements fs.FileLseeker, for SEEK_DATA and SEEK_HOLE: a file that is not
// staged is all data.
func (h *handle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	f := h.file
	f.mu.Lock()
	staged, size, mayBeMapped := f.staged, f.entry.Object.Size, f.writers > 0
	f.mu.Unlock()
	at, found := int64(off), int64(off) < size
	if mayBeMapped {
		_ = f.NotifyContent(0, 0) // has the kernel write back what was stored through mappings; needs no lock that the caller holds
	}
	switch {
	case staged != nil:
		seek := staged.SeekData
		if whence == unix.SEEK_HOLE {
			seek = staged.SeekHole
		}
		at, found = seek(at)
	case whence == unix.SEEK_HOLE:
		at = size
	}
	if !found {
		return 0, syscall.ENXIO
	}
	return uint64(at), 0
}
