package fs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
)

// dirNode is a directory. It has no state: what is in it is the cache's to
// know.
type dirNode struct{ node }

var (
	_ = (fs.NodeLookuper)((*dirNode)(nil))
	_ = (fs.NodeGetattrer)((*dirNode)(nil))
	_ = (fs.NodeSetattrer)((*dirNode)(nil))
	_ = (fs.NodeOpendirHandler)((*dirNode)(nil))
	_ = (fs.NodeMkdirer)((*dirNode)(nil))
	_ = (fs.NodeRmdirer)((*dirNode)(nil))
	_ = (fs.NodeCreater)((*dirNode)(nil))
	_ = (fs.NodeUnlinker)((*dirNode)(nil))
	_ = (fs.NodeRenamer)((*dirNode)(nil))
	_ = (fs.NodeSymlinker)((*dirNode)(nil))
	_ = (fs.NodeMknoder)((*dirNode)(nil))
	_ = (fs.NodeLinker)((*dirNode)(nil))
	_ = (fs.NodeStatfser)((*dirNode)(nil))
)

// join returns the name of a child.
func (d *dirNode) join(base string) (cache.Name, syscall.Errno) {
	n, ok := d.name()
	if !ok {
		return "", syscall.ENOENT
	}
	if len(base) > cache.MaxBase {
		return "", syscall.ENAMETOOLONG
	}
	return n.Join(base), 0
}

// Lookup implements fs.NodeLookuper.
func (d *dirNode) Lookup(ctx context.Context, base string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	ctx, done := d.m.operation(ctx)
	defer done()
	n, errno := d.join(base)
	if errno != 0 {
		return nil, errno
	}
	e, err := d.m.cache.Stat(ctx, n)
	if err != nil {
		return nil, d.m.report("lookup", err)
	}
	return d.enter(ctx, base, e, out)
}

// enter gives the kernel the node of child base, which e describes.
func (d *dirNode) enter(ctx context.Context, base string, e cache.Entry, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if e.Kind == cache.Absent {
		return nil, syscall.ENOENT // with no timeout set, so that go-fuse sets the negative one
	}
	child := d.child(ctx, base, e)
	d.m.fill(e, &out.Attr)
	out.SetEntryTimeout(timeout(e))
	out.SetAttrTimeout(timeout(e))
	return child, 0
}

// child is any of our nodes below a directory.
type child interface {
	fs.InodeEmbedder
	// take makes e, another version, what the node is, and reports whether it can.
	take(e cache.Entry) bool
	// used notes that the kernel has looked it up, or opened it.
	used()
}

// child returns the present node of base if it is or can become e, else a new
// one.
func (d *dirNode) child(ctx context.Context, base string, e cache.Entry) *fs.Inode {
	if old := d.GetChild(base); old != nil {
		if n, ok := old.Operations().(child); ok && n.take(e) {
			n.used()
			return old
		}
	}
	var ops child
	switch typeOf(e) {
	case syscall.S_IFDIR:
		ops = &dirNode{node{m: d.m}}
	case syscall.S_IFREG:
		ops = &fileNode{node: node{m: d.m}, entry: e}
	default:
		ops = &specialNode{node: node{m: d.m}, entry: e}
	}
	inode := d.NewInode(ctx, ops, fs.StableAttr{Mode: typeOf(e)})
	ops.used()
	return inode
}

func (d *dirNode) take(e cache.Entry) bool { return e.Kind == cache.Dir }

// Getattr implements fs.NodeGetattrer.
func (d *dirNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	ctx, done := d.m.operation(ctx)
	defer done()
	if _, ok := d.name(); !ok { // removed while it is open
		d.m.fill(cache.Entry{Kind: cache.Dir}, &out.Attr)
		out.Nlink = 0
		return 0
	}
	_, e, errno := d.stat(ctx)
	if errno != 0 {
		return errno
	}
	if e.Kind != cache.Dir {
		return syscall.ESTALE
	}
	d.m.fill(e, &out.Attr)
	out.SetTimeout(timeout(e))
	return 0
}

// Setattr implements fs.NodeSetattrer.
func (d *dirNode) Setattr(ctx context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	_, errno := d.setattr(ctx, in, out)
	return errno
}

// OpendirHandle implements fs.NodeOpendirHandler.
func (d *dirNode) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return &dirHandle{dir: d}, 0, 0
}

// Mkdir implements fs.NodeMkdirer.
func (d *dirNode) Mkdir(ctx context.Context, base string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	owner := ownerOf(ctx)
	ctx, done := d.m.operation(ctx)
	defer done()
	attr := d.inherit(newAttr(syscall.S_IFDIR|mode&0o7777, owner))
	return d.make(ctx, base, out, func(ctx context.Context, n cache.Name) error { return d.m.cache.Mkdir(ctx, n, attr) })
}

// make lets store make a child that is not there yet, and gives the kernel its
// node.
func (d *dirNode) make(ctx context.Context, base string, out *fuse.EntryOut, store func(context.Context, cache.Name) error) (*fs.Inode, syscall.Errno) {
	n, err := d.mutateChild(ctx, base, func(ctx context.Context, n cache.Name) error {
		switch e, err := d.m.cache.Stat(ctx, n); {
		case err != nil:
			return err
		case e.Kind != cache.Absent:
			return syscall.EEXIST
		}
		return store(ctx, n)
	})
	if err != nil {
		return nil, d.m.report("create", err)
	}
	e, err := d.m.cache.Stat(ctx, n)
	if err != nil {
		return nil, d.m.report("create", err)
	}
	return d.enter(ctx, base, e, out)
}

// mutateChild carries out a change of child base, under the name that it has
// when its turn comes.
func (d *dirNode) mutateChild(ctx context.Context, base string, change func(context.Context, cache.Name) error) (cache.Name, error) {
	var n cache.Name
	err := whileMoving(func() error {
		var errno syscall.Errno
		if n, errno = d.join(base); errno != 0 {
			return errno
		}
		return d.m.mutate(ctx, func(ctx context.Context) error {
			return change(cache.WhileNamed(ctx, func() bool { return d.isNamed(base, n) }), n)
		})
	})
	return n, err
}

// isNamed reports whether the name of child base is n.
func (d *dirNode) isNamed(base string, n cache.Name) bool {
	now, errno := d.join(base)
	return errno == 0 && now == n
}

// Rmdir implements fs.NodeRmdirer.
func (d *dirNode) Rmdir(ctx context.Context, base string) syscall.Errno {
	ctx, done := d.m.operation(ctx)
	defer done()
	_, err := d.mutateChild(ctx, base, d.m.cache.Rmdir)
	return d.m.report("rmdir", err)
}

// Create implements fs.NodeCreater: it sends nothing.
func (d *dirNode) Create(ctx context.Context, base string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	owner, asked := ownerOf(ctx), ctx
	ctx, done := d.m.operation(ctx)
	defer done()
	attr := d.inherit(newAttr(syscall.S_IFREG|mode&0o7777, owner))
	staged, err := d.stage(ctx, base, flags, attr)
	if err != nil {
		return nil, nil, 0, d.m.report("create", err)
	}
	f := &fileNode{node: node{m: d.m}, staged: staged}
	if staged.IsDirect() {
		staged.Share() // with the node of whoever has made it meanwhile
	}
	f.passLocked(asked, flags) // nobody else has it yet
	how := f.howLocked(asked, flags, false)
	h := f.newHandle(flags)
	e := staged.Entry()
	f.entry = e
	d.m.fill(e, &out.Attr)
	out.SetEntryTimeout(timeout(e))
	out.SetAttrTimeout(timeout(e))
	inode := d.NewInode(ctx, f, fs.StableAttr{Mode: syscall.S_IFREG})
	f.used()
	return inode, h, how, 0
}

// stage makes or opens a file for Create, where nobody renames a directory
// around it.
func (d *dirNode) stage(ctx context.Context, base string, flags uint32, attr cache.Attr) (staged *cache.Staged, err error) {
	c := d.m.cache
	err = whileMoving(func() error {
		n, errno := d.join(base)
		if errno != 0 {
			return errno
		}
		if err := c.CheckName(n); err != nil {
			return err
		}
		release, err := c.ClaimName(cache.WhileNamed(ctx, func() bool { return d.isNamed(base, n) }), n)
		if err != nil {
			return err
		}
		defer release()
		e, err := c.Stat(ctx, n)
		if err == nil {
			e, err = c.Describe(ctx, n, e)
		}
		switch {
		case err != nil:
			return err
		case e.Kind == cache.Dir:
			return syscall.EISDIR
		case e.Kind == cache.File && flags&syscall.O_EXCL != 0:
			return syscall.EEXIST
		case e.Kind == cache.File && typeOf(e) != syscall.S_IFREG:
			return syscall.ESTALE // new since the kernel looked: it looks once more
		}
		staged, err = c.OpenStaged(n, cache.StageOptions{Base: e, Truncate: flags&syscall.O_TRUNC != 0, Attr: attr})
		return err
	})
	return staged, err
}

// Unlink implements fs.NodeUnlinker.
func (d *dirNode) Unlink(ctx context.Context, base string) syscall.Errno {
	ctx, done := d.m.operation(ctx)
	defer done()
	f := d.fileAt(base)
	isOpen := f != nil && f.isOpen()
	_, err := d.mutateChild(ctx, base, func(ctx context.Context, n cache.Name) error { return d.m.cache.Remove(ctx, n, isOpen) })
	if err != nil {
		return d.m.report("unlink", err)
	}
	if f != nil {
		f.unlinked()
	}
	return 0
}

// fileAt returns the node of a regular file, if the kernel knows one.
func (d *dirNode) fileAt(base string) *fileNode {
	child := d.GetChild(base)
	if child == nil {
		return nil
	}
	f, _ := child.Operations().(*fileNode)
	return f
}

// Symlink implements fs.NodeSymlinker: the target is the object's body, as
// s3fs stores it.
func (d *dirNode) Symlink(ctx context.Context, target, base string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return d.store(ctx, base, newAttr(syscall.S_IFLNK|0o777, ownerOf(ctx)), []byte(target), out)
}

// Mknod implements fs.NodeMknoder: an empty object whose mode tells the type,
// as s3fs stores it, and a device's numbers beside it.
func (d *dirNode) Mknod(ctx context.Context, base string, mode, dev uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	attr := newAttr(mode, ownerOf(ctx))
	attr.Rdev = dev
	return d.store(ctx, base, attr, nil, out)
}

func (d *dirNode) store(ctx context.Context, base string, attr cache.Attr, body []byte, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	ctx, done := d.m.operation(ctx)
	defer done()
	attr = d.inherit(attr)
	return d.make(ctx, base, out, func(ctx context.Context, n cache.Name) error { return d.m.cache.Store(ctx, n, body, attr) })
}

// Link implements fs.NodeLinker: an object has one key.
func (d *dirNode) Link(context.Context, fs.InodeEmbedder, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

// inherit gives what is made in a set-group-ID directory the directory's group,
// and a directory made there the bit itself (mkdir(2)).
func (d *dirNode) inherit(a cache.Attr) cache.Attr {
	n, ok := d.name()
	if !ok {
		return a
	}
	parent, ok := d.m.cache.Peek(n)
	if !ok || !parent.Attr.HasMode || parent.Attr.Mode&syscall.S_ISGID == 0 {
		return a
	}
	a.GID = parent.Attr.GID
	if a.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		a.Mode |= syscall.S_ISGID
	}
	return a
}

// ownerOf returns who asked.
func ownerOf(ctx context.Context) fuse.Owner {
	if c, ok := fuse.FromContext(ctx); ok {
		return c.Owner
	}
	return fuse.Owner{}
}
