package fs

import (
	"context"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
)

// specialNode is a symbolic link, a named pipe or a socket: the kernel opens
// none of them through us.
type specialNode struct {
	node

	mu    sync.Mutex
	entry cache.Entry // guarded by mu
}

var (
	_ = (fs.NodeReadlinker)((*specialNode)(nil))
	_ = (fs.NodeGetattrer)((*specialNode)(nil))
	_ = (fs.NodeSetattrer)((*specialNode)(nil))
	_ = (fs.NodeStatfser)((*specialNode)(nil))
)

// take implements child.
func (s *specialNode) take(e cache.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if typeOf(e) != typeOf(s.entry) {
		return false
	}
	s.entry = e
	return true
}

// Readlink implements fs.NodeReadlinker.
func (s *specialNode) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	ctx, done := s.m.operation(ctx)
	defer done()
	for {
		_, e, errno := s.stat(ctx)
		if errno != 0 {
			return nil, errno
		}
		if typeOf(e) != syscall.S_IFLNK {
			return nil, syscall.EINVAL
		}
		if e.Staged != nil && !e.Staged.Retain() {
			continue // it has just left the stage
		}
		target, err := s.m.cache.ReadAll(ctx, e)
		e.Staged.Release()
		return target, s.m.report("readlink", err)
	}
}

// Getattr implements fs.NodeGetattrer.
func (s *specialNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	ctx, done := s.m.operation(ctx)
	defer done()
	_, e, errno := s.stat(ctx)
	if errno != 0 {
		return errno
	}
	if !s.take(e) {
		return syscall.ESTALE
	}
	s.m.fill(e, &out.Attr)
	out.SetTimeout(timeout(e))
	return 0
}

// Setattr implements fs.NodeSetattrer.
func (s *specialNode) Setattr(ctx context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	e, errno := s.setattr(ctx, in, out)
	if errno == 0 {
		s.take(e)
	}
	return errno
}
