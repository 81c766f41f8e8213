package fs

import (
	"context"
	"path"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sys/unix"

	"ncloudfs/cache"
)

// Rename implements fs.NodeRenamer. The kernel has locked both directories and
// checked the types of what it knows.
func (d *dirNode) Rename(ctx context.Context, base string, newParent fs.InodeEmbedder, newBase string, flags uint32) syscall.Errno {
	ctx, done := d.m.operation(ctx)
	defer done()
	if flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL // two objects cannot change places at once
	}
	target, ok := newParent.(*dirNode)
	if !ok {
		return syscall.EXDEV
	}
	return d.m.report("rename", d.moveChild(ctx, base, target, newBase, func(ctx context.Context, from, to cache.Name) error {
		e, err := d.renameable(ctx, from, to, flags)
		switch {
		case err != nil:
			return err
		case e.Kind == cache.Dir:
			return d.renameDir(ctx, base, from, to)
		default:
			return d.renameFile(ctx, base, from, target.fileAt(newBase), to)
		}
	}))
}

// renameFile renames child base, in the place of the node old, if there is one.
func (d *dirNode) renameFile(ctx context.Context, base string, from cache.Name, old *fileNode, to cache.Name) error {
	f := d.fileAt(base)
	moved, err := d.m.cache.Rename(ctx, from, to)
	if err != nil {
		return err
	}
	if old != nil {
		old.unlinked()
	}
	if f != nil {
		f.moved(moved)
	}
	return nil
}

// moveChild is mutateChild for a child and the place it goes to.
func (d *dirNode) moveChild(ctx context.Context, base string, target *dirNode, newBase string,
	move func(ctx context.Context, from, to cache.Name) error) error {
	return whileMoving(func() error {
		from, errno := d.join(base)
		if errno != 0 {
			return errno
		}
		to, errno := target.join(newBase)
		if errno != 0 {
			return errno
		}
		return d.m.mutate(ctx, func(ctx context.Context) error {
			still := func() bool { return d.isNamed(base, from) && target.isNamed(newBase, to) }
			return move(cache.WhileNamed(ctx, still), from, to)
		})
	})
}

// renameable returns what is to be renamed, or why it cannot be.
func (d *dirNode) renameable(ctx context.Context, from, to cache.Name, flags uint32) (cache.Entry, error) {
	e, err := d.m.cache.Stat(ctx, from)
	if err != nil {
		return e, err
	}
	old, err := d.m.cache.Stat(ctx, to)
	if err != nil {
		return e, err
	}
	switch {
	case e.Kind == cache.Absent:
		return e, syscall.ENOENT
	case old.Kind == cache.Absent:
		return e, nil
	case flags&unix.RENAME_NOREPLACE != 0:
		return e, syscall.EEXIST
	case e.Kind == cache.Dir && old.Kind == cache.File:
		return e, syscall.ENOTDIR
	case e.Kind == cache.File && old.Kind == cache.Dir:
		return e, syscall.EISDIR
	default:
		return e, nil
	}
}

func (d *dirNode) renameDir(ctx context.Context, base string, from, to cache.Name) error {
	if to.In(from) {
		return syscall.EINVAL
	}
	moved, err := d.m.cache.RenameDir(ctx, from, to)
	if child := d.GetChild(base); err == nil && child != nil {
		tellMoved(child, string(from), moved)
	}
	return err
}

// tellMoved gives the nodes below a renamed directory the new identity of
// their objects.
func tellMoved(n *fs.Inode, name string, moved map[cache.Name]cache.Move) {
	if f, ok := n.Operations().(*fileNode); ok {
		f.moved(moved[cache.Name(strings.TrimPrefix(name, "/"))])
		return
	}
	for base, child := range n.Children() {
		tellMoved(child, path.Join(name, base), moved)
	}
}
