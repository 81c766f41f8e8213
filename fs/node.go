package fs

import (
	"container/list"
	"context"
	"slices"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
)

// node is what all nodes share.
type node struct {
	fs.Inode
	m     *Mount
	place *list.Element // among all nodes; guarded by theirs
}

// name returns where the node is, read off the tree; false when it is not in
// the tree any more.
func (n *node) name() (cache.Name, bool) {
	var parts []string
	for p := n.EmbeddedInode(); !p.IsRoot(); {
		base, parent := p.Parent()
		if parent == nil {
			return "", false
		}
		parts = append(parts, base)
		p = parent
	}
	slices.Reverse(parts)
	return cache.Name(strings.Join(parts, "/")), true
}

// stat asks what the node's name is now. The name is read again when nothing
// is there: a directory above may have been renamed meanwhile.
func (n *node) stat(ctx context.Context) (cache.Name, cache.Entry, syscall.Errno) {
	for {
		name, ok := n.name()
		if !ok {
			return "", cache.Entry{}, syscall.ENOENT
		}
		e, err := n.m.cache.Stat(ctx, name)
		if err != nil {
			return name, e, n.m.report("stat", err)
		}
		if e.Kind != cache.Absent {
			return name, e, 0
		}
		if now, _ := n.name(); now == name {
			return name, e, syscall.ENOENT
		}
	}
}

// setattr changes the attributes of a node that is not staged.
func (n *node) setattr(ctx context.Context, in *fuse.SetAttrIn, out *fuse.AttrOut) (cache.Entry, syscall.Errno) {
	ctx, done := n.m.operation(ctx)
	defer done()
	_, e, errno := n.stat(ctx)
	if errno != 0 {
		return e, errno
	}
	whole, apply := n.m.whole(e), change(in, typeOf(e))
	e, err := n.storeAttr(ctx, func(a *cache.Attr) { whole(a); apply(a) })
	if err != nil {
		return e, n.m.report("setattr", err)
	}
	n.m.fill(e, &out.Attr)
	out.Ino = n.StableAttr().Ino // which go-fuse leaves out of this answer alone
	out.SetTimeout(timeout(e))
	return e, 0
}

// storeAttr changes attributes, in the bucket behind, and returns what the node is
// then.
func (n *node) storeAttr(ctx context.Context, change func(*cache.Attr)) (cache.Entry, error) {
	var name cache.Name
	err := whileMoving(func() error {
		var ok bool
		if name, ok = n.name(); !ok {
			return syscall.ENOENT
		}
		return n.m.mutate(ctx, func(ctx context.Context) error { return n.m.cache.SetAttr(ctx, name, change) })
	})
	if err != nil {
		return cache.Entry{}, err
	}
	return n.m.cache.Stat(ctx, name)
}

// Statfs implements fs.NodeStatfser: a bucket has no size, so that df shows
// one which no program finds too small.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const pebibyte = 1 << 50
	out.Bsize, out.Frsize = blockSize, 4096
	out.Blocks = pebibyte / 4096
	out.Bfree, out.Bavail = out.Blocks, out.Blocks
	out.Files, out.Ffree = 1<<40, 1<<40
	out.NameLen = cache.MaxBase
	return 0
}
