package fs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sys/unix"

	"ncloudfs/cache"
	"ncloudfs/remote"
)

// userPrefix is the only class of extended attributes that objects keep.
const userPrefix = "user."

var (
	_ = (fs.NodeGetxattrer)((*node)(nil))
	_ = (fs.NodeSetxattrer)((*node)(nil))
	_ = (fs.NodeRemovexattrer)((*node)(nil))
	_ = (fs.NodeListxattrer)((*node)(nil))
)

// describe returns the node's entry with its metadata.
func (n *node) describe(ctx context.Context) (cache.Name, cache.Entry, syscall.Errno) {
	name, e, errno := n.stat(ctx)
	if errno != 0 {
		return name, e, errno
	}
	e, err := n.m.cache.Describe(ctx, name, e)
	return name, e, n.m.report("getxattr", err)
}

// Getxattr implements fs.NodeGetxattrer. Other classes than user. are not
// supported, which needs no request; told so once, ls(1) asks for them for no
// other file of the mount.
func (n *node) Getxattr(ctx context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	if !strings.HasPrefix(attr, userPrefix) {
		return 0, syscall.EOPNOTSUPP
	}
	if isACLAttr(attr) {
		return n.getACL(ctx, attr, dest)
	}
	ctx, done := n.m.operation(ctx)
	defer done()
	_, e, errno := n.describe(ctx)
	if errno != 0 {
		return 0, errno
	}
	value, ok := e.Attr.Xattrs[attr]
	if !ok {
		return 0, syscall.ENODATA
	}
	return answer(dest, value)
}

// Listxattr implements fs.NodeListxattrer.
func (n *node) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	ctx, done := n.m.operation(ctx)
	defer done()
	_, e, errno := n.describe(ctx)
	if errno != 0 {
		return 0, errno
	}
	var names []byte
	for _, attr := range slices.Sorted(maps.Keys(e.Attr.Xattrs)) {
		names = append(append(names, attr...), 0)
	}
	return answer(dest, names)
}

// answer copies value to dest, or tells its size when dest has none.
func answer(dest, value []byte) (uint32, syscall.Errno) {
	size := uint32(len(value))
	switch {
	case len(dest) == 0:
		return size, 0
	case len(dest) < len(value):
		return size, syscall.ERANGE
	}
	copy(dest, value)
	return size, 0
}

// Setxattr implements fs.NodeSetxattrer.
func (n *node) Setxattr(ctx context.Context, attr string, data []byte, flags uint32) syscall.Errno {
	if !strings.HasPrefix(attr, userPrefix) {
		return syscall.EOPNOTSUPP
	}
	if isACLAttr(attr) {
		return n.setACL(ctx, string(data))
	}
	value := slices.Clone(data) // data is reused after the return
	return n.changeXattrs(ctx, func(x map[string][]byte) syscall.Errno {
		_, exists := x[attr]
		switch {
		case flags&unix.XATTR_CREATE != 0 && exists:
			return syscall.EEXIST
		case flags&unix.XATTR_REPLACE != 0 && !exists:
			return syscall.ENODATA
		}
		x[attr] = value
		return 0
	})
}

// Removexattr implements fs.NodeRemovexattrer.
func (n *node) Removexattr(ctx context.Context, attr string) syscall.Errno {
	if !strings.HasPrefix(attr, userPrefix) {
		return syscall.EOPNOTSUPP
	}
	if isACLAttr(attr) {
		return n.setACL(ctx, remote.Private)
	}
	return n.changeXattrs(ctx, func(x map[string][]byte) syscall.Errno {
		if _, exists := x[attr]; !exists {
			return syscall.ENODATA
		}
		delete(x, attr)
		return 0
	})
}

// changeXattrs lets edit change a copy of the attributes, and stores it: with
// the next upload of a file that is open for writing, else behind.
func (n *node) changeXattrs(ctx context.Context, edit func(map[string][]byte) syscall.Errno) syscall.Errno {
	if n.m.readOnly {
		return syscall.EROFS
	}
	ctx, done := n.m.operation(ctx)
	defer done()
	_, e, errno := n.describe(ctx)
	if errno != 0 {
		return errno
	}
	x := maps.Clone(e.Attr.Xattrs)
	if x == nil {
		x = map[string][]byte{}
	}
	if errno := edit(x); errno != 0 {
		return errno
	}
	whole := n.m.whole(e)
	after := e.Attr
	whole(&after)
	if after.Xattrs = x; !after.Fits(e.Object.Meta) {
		return syscall.ENOSPC
	}
	f, isFile := n.Operations().(*fileNode)
	if isFile && f.foldXattrs(x) {
		return 0
	}
	now, err := n.storeAttr(ctx, func(a *cache.Attr) { whole(a); a.Xattrs = x })
	if err == nil && isFile {
		f.attach(now.Staged) // an fsync of an open handle is about them, too
	}
	return n.m.report("setxattr", err)
}

// foldXattrs leaves the change to the upload that the next close brings; false
// when none is to come.
func (f *fileNode) foldXattrs(x map[string][]byte) bool {
	staged, writers := f.retain()
	if staged == nil {
		return false
	}
	defer staged.Release()
	if writers == 0 || !staged.LacksBytes() {
		return false
	}
	staged.SetAttr(func(a *cache.Attr) { a.Xattrs = x })
	return true
}
