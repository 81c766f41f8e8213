package test

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// disk is a file system in memory that remembers everything that was done to
// it, so that a power loss can be tried after each of its events. Only other
// processes may use it: the test itself serves it.
type disk struct {
	path string

	mu     sync.Mutex
	events []diskEvent // guarded by mu, like all below
	nodes  uint64
}

// What an event of a disk is.
type eventKind int

const (
	eventCreate   eventKind = iota // a new node becomes name in dir
	eventUnlink                    // name in dir, a node, goes
	eventRename                    // name in dir, a node, becomes toName in toDir
	eventWrite                     // data at offset in node
	eventTruncate                  // node gets size offset
	eventExtend                    // node gets at least size offset
	eventSync                      // node is safe, be it a file or directory
	eventBucket                    // no event of the disk: the bucket changed
)

// diskEvent is one thing that was done.
type diskEvent struct {
	kind         eventKind
	node         uint64
	isDir        bool // of node
	dir, toDir   uint64
	name, toName string
	offset       int64
	data         []byte
	bucket       *emulator.Server // what it holds from now on
}

// newDisk mounts an empty disk until the test ends.
func newDisk(t testing.TB) *disk {
	t.Helper()
	requireFUSE(t)
	d := &disk{path: root().dir(t), nodes: 1}
	server, err := fs.Mount(d.path, &diskNode{d: d, id: 1, isDir: true, mode: 0o700}, &fs.Options{
		MountOptions: fuse.MountOptions{FsName: "disk", Name: "ncloudfs-test", DirectMount: true, MaxWrite: 1 << 20},
	})
	ok(t, err)
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
			_ = unix.Unmount(d.path, unix.MNT_DETACH) // nothing of the test's is left there
		}
	})
	return d
}

// add notes an event, and how many there have been.
func (d *disk) add(e diskEvent) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
	return len(d.events)
}

// length is how many events there have been.
func (d *disk) length() int { return len(d.all()) }

// all is what has been done so far. The kernel may have things to do after the
// last program.
func (d *disk) all() []diskEvent {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events[:len(d.events):len(d.events)]
}

// diskNode is a file or directory of a disk.
type diskNode struct {
	fs.Inode
	d     *disk
	id    uint64
	isDir bool

	mu   sync.Mutex
	data []byte // guarded by mu, like all below
	mode uint32
}

var (
	_ = (fs.NodeCreater)((*diskNode)(nil))
	_ = (fs.NodeMkdirer)((*diskNode)(nil))
	_ = (fs.NodeUnlinker)((*diskNode)(nil))
	_ = (fs.NodeRmdirer)((*diskNode)(nil))
	_ = (fs.NodeRenamer)((*diskNode)(nil))
	_ = (fs.NodeOpener)((*diskNode)(nil))
	_ = (fs.NodeReader)((*diskNode)(nil))
	_ = (fs.NodeWriter)((*diskNode)(nil))
	_ = (fs.NodeFsyncer)((*diskNode)(nil))
	_ = (fs.NodeAllocater)((*diskNode)(nil))
	_ = (fs.NodeGetattrer)((*diskNode)(nil))
	_ = (fs.NodeSetattrer)((*diskNode)(nil))
	_ = (fs.NodeStatfser)((*diskNode)(nil))
)

func (n *diskNode) child(ctx context.Context, name string, mode uint32, isDir bool) *fs.Inode {
	n.d.mu.Lock()
	n.d.nodes++
	c := &diskNode{d: n.d, id: n.d.nodes, isDir: isDir, mode: mode & 0o7777}
	n.d.mu.Unlock()
	kind := uint32(unix.S_IFREG)
	if isDir {
		kind = unix.S_IFDIR
	}
	n.d.add(diskEvent{kind: eventCreate, node: c.id, isDir: isDir, dir: n.id, name: name})
	return n.NewInode(ctx, c, fs.StableAttr{Mode: kind, Ino: c.id})
}

func (n *diskNode) idOf(name string) uint64 {
	c := n.GetChild(name)
	if c == nil {
		return 0
	}
	return c.Operations().(*diskNode).id
}

func (n *diskNode) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	out.Mode = mode & 0o7777
	return n.child(ctx, name, mode, false), nil, 0, 0
}

func (n *diskNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	out.Mode = mode & 0o7777
	return n.child(ctx, name, mode, true), 0
}

func (n *diskNode) Unlink(_ context.Context, name string) syscall.Errno {
	n.d.add(diskEvent{kind: eventUnlink, node: n.idOf(name), dir: n.id, name: name})
	return 0
}

func (n *diskNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	if c := n.GetChild(name); c != nil && len(c.Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	return n.Unlink(ctx, name)
}

func (n *diskNode) Rename(_ context.Context, name string, to fs.InodeEmbedder, toName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL
	}
	n.d.add(diskEvent{kind: eventRename, node: n.idOf(name), dir: n.id, name: name, toDir: to.(*diskNode).id, toName: toName})
	return 0
}

func (n *diskNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, 0, 0
}

func (n *diskNode) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if off >= int64(len(n.data)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, n.data[off:])]), 0
}

func (n *diskNode) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.d.add(diskEvent{kind: eventWrite, node: n.id, offset: off, data: slices.Clone(data)})
	n.data = applyWrite(n.data, data, off)
	return uint32(len(data)), 0
}

func (n *diskNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.d.add(diskEvent{kind: eventSync, node: n.id, isDir: n.isDir})
	return 0
}

func (n *diskNode) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	if mode == unix.FALLOC_FL_KEEP_SIZE {
		return 0
	}
	if mode != 0 {
		return syscall.EOPNOTSUPP
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.d.add(diskEvent{kind: eventExtend, node: n.id, offset: int64(off + size)})
	n.data = resized(n.data, max(int64(len(n.data)), int64(off+size)))
	return 0
}

func (n *diskNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	out.Mode, out.Size, out.Blocks = n.mode, uint64(len(n.data)), uint64(len(n.data)+511)/512
	return 0
}

func (n *diskNode) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.mu.Lock()
	if mode, given := in.GetMode(); given {
		n.mode = mode & 0o7777
	}
	if size, given := in.GetSize(); given {
		n.d.add(diskEvent{kind: eventTruncate, node: n.id, offset: int64(size)})
		n.data = resized(n.data, int64(size))
	}
	n.mu.Unlock()
	return n.Getattr(ctx, f, out)
}

func (n *diskNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const blocks = 1 << 28
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = blocks, blocks, blocks
	return 0
}

// applyWrite returns content with data at an offset.
func applyWrite(content, data []byte, off int64) []byte {
	content = resized(content, max(int64(len(content)), off+int64(len(data))))
	copy(content[off:], data)
	return content
}

// resized returns content with another size; what is added is zero.
func resized(content []byte, size int64) []byte {
	if size <= int64(len(content)) {
		return content[:size:size]
	}
	return append(content, make([]byte, size-int64(len(content)))...)
}
