package fs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
	"ncloudfs/remote"
)

// passthrough has the kernel read files of the disk cache, and write new files
// of the stage, by itself (FOPEN_PASSTHROUGH). It adds to the answer of an OPEN
// or CREATE what the node has granted.
//
// The kernel's rules: while a file is open with a backing, every open must have
// that backing, and what maps it maps the backing; beside an ordinary open none
// can have one. With FOPEN_DIRECT_IO, reads and writes come to us all the same.
//
// A new file is written like that by whoever opens it for nothing but writing. A
// writer beside readers of the disk cache is FOPEN_DIRECT_IO, and what it writes is
// repeated in the backing. One that can map what it writes gets a node of its
// own: of stores into the backing we would never know. Where the kernel writes by
// itself beside it, that node's handles are FOPEN_DIRECT_IO, and cannot map the
// file.
//
// go-fuse's FilePassthroughFder is not used: it lets a backing live until after
// the node was released, so that an open right then gets that of the version
// before.
type passthrough struct {
	fuse.RawFileSystem
	server *fuse.Server // set before it serves
	reads  bool         // the kernel takes files of the disk cache; set before it serves, like writes
	writes bool         // and of the stage

	mu      sync.Mutex
	granted map[<-chan struct{}]int32 // backings, by the Cancel of the OPEN or CREATE that is being answered; guarded by mu
}

func newPassthrough(raw fuse.RawFileSystem) *passthrough {
	return &passthrough{RawFileSystem: raw, granted: map[<-chan struct{}]int32{}}
}

// probe finds out whether the kernel takes files of the cache and of the stage.
func (p *passthrough) probe(server *fuse.Server, c *cache.Cache) error {
	p.server = server
	try := func(what string, fd int) error {
		if fd < 0 {
			return nil
		}
		id, errno := server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
		if errno != 0 {
			return fmt.Errorf("%s: %w", what, errno)
		}
		_ = server.UnregisterBackingFd(id) // fails only with the connection
		return nil
	}
	tier, stage := c.ProbeFds()
	reads, writes := try("reads of the disk cache", tier), try("writes of new files", stage)
	p.reads, p.writes = tier >= 0 && reads == nil, stage >= 0 && writes == nil
	return errors.Join(reads, writes)
}

// Open implements fuse.RawFileSystem.
func (p *passthrough) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	status := p.RawFileSystem.Open(cancel, in, out)
	p.answer(cancel, out)
	return status
}

// Create implements fuse.RawFileSystem.
func (p *passthrough) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	status := p.RawFileSystem.Create(cancel, in, name, out)
	p.answer(cancel, &out.OpenOut)
	return status
}

func (p *passthrough) answer(cancel <-chan struct{}, out *fuse.OpenOut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id, ok := p.granted[cancel]; ok {
		delete(p.granted, cancel)
		out.BackingID = id
		out.OpenFlags |= fuse.FOPEN_PASSTHROUGH
	}
}

// backing is what the kernel reads, or writes, instead of asking us, from a
// node's first open to its last release.
type backing struct {
	*cache.Backing               // nil: it is the data file of direct
	direct         *cache.Staged // nil: it is a file of the disk cache
	id             int32         // the kernel's
	ended          chan struct{} // of direct; closed once the kernel has let go of it
}

// directPatience is how long an open for reading and writing waits for those who
// write the file without us: most are done in a moment.
const directPatience = 300 * time.Millisecond

// awaitWriters gives those who write a new file without us the time to close it,
// before an open with these flags makes the name another node's.
func (f *fileNode) awaitWriters(ctx context.Context, flags uint32) {
	f.mu.Lock()
	b := f.backing
	f.mu.Unlock()
	if b == nil || b.direct == nil || flags&syscall.O_ACCMODE != syscall.O_RDWR {
		return
	}
	patience := time.NewTimer(directPatience)
	defer patience.Stop()
	select {
	case <-b.ended:
	case <-patience.C:
	case <-ctx.Done():
	}
}

// back returns a backing for the version o; nil: there is none.
func (p *passthrough) back(c *cache.Cache, o remote.Object) *backing {
	if !p.reads {
		return nil
	}
	file := c.Backing(o)
	if file == nil {
		return nil
	}
	id, errno := p.server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(file.Fd())})
	if errno != 0 {
		file.Close()
		return nil
	}
	return &backing{Backing: file, id: id}
}

// backWrites returns a backing for writing a new file; nil: there is none.
func (p *passthrough) backWrites(s *cache.Staged) *backing {
	if !p.writes {
		return nil
	}
	fd, ok := s.BeginDirect()
	if !ok {
		return nil
	}
	id, errno := p.server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
	if errno != 0 {
		s.EndDirect()
		return nil
	}
	return &backing{direct: s, id: id, ended: make(chan struct{})}
}

// grant has the OPEN that is being answered use b.
func (p *passthrough) grant(ctx context.Context, b *backing) {
	open, ok := ctx.(*fuse.Context)
	if !ok {
		return // an open of our own
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.granted[open.Cancel] = b.id
}

// end gives b back.
func (p *passthrough) end(b *backing) {
	_ = p.server.UnregisterBackingFd(b.id) // fails only with the connection
	if b.direct != nil {
		b.direct.EndDirect()
		close(b.ended)
		return
	}
	b.Close()
}

// passLocked has the kernel read or write a file that nobody has open yet by
// itself, if it can. Not read one that was opened for reading and writing before:
// while it is read like this, that costs it its node (partLocked).
func (f *fileNode) passLocked(ctx context.Context, flags uint32) {
	p, o := f.m.passthrough, f.entry.Object
	if f.handles == 0 && f.staged != nil && flags&(syscall.O_ACCMODE|syscall.O_DIRECT|syscall.O_SYNC) == syscall.O_WRONLY && !f.m.copiers.expects(callerPid(ctx)) {
		f.backing = p.backWrites(f.staged)
		return
	}
	if flags&syscall.O_ACCMODE == syscall.O_RDWR {
		f.m.cache.NoBacking(o.Path)
		return
	}
	if f.handles == 0 && f.staged == nil && flags&syscall.O_DIRECT == 0 {
		f.backing = p.back(f.m.cache, o)
	}
}

// howLocked returns the flags of an answer to open(2).
func (f *fileNode) howLocked(ctx context.Context, flags uint32, keep bool) uint32 {
	switch {
	case f.backing == nil && f.staged != nil && f.staged.IsDirect():
		return fuse.FOPEN_DIRECT_IO // the kernel's pages would not be written to
	case f.backing == nil && keep:
		return fuse.FOPEN_KEEP_CACHE
	case f.backing == nil:
		return 0
	}
	f.m.passthrough.grant(ctx, f.backing)
	ours := uint32(syscall.O_DIRECT | syscall.O_SYNC) // the one would meet the rules of the local disk, the other be of no use there
	if f.backing.direct == nil {
		ours |= syscall.O_ACCMODE // what is written is ours to know
	}
	if flags&ours != 0 {
		return fuse.FOPEN_DIRECT_IO
	}
	return 0
}

// stageLocked gives the node a staged file. What is written to that from
// wherever is repeated where the kernel reads.
func (f *fileNode) stageLocked(s *cache.Staged) error {
	f.staged = s
	if f.backing == nil || f.backing.direct != nil {
		return nil
	}
	return s.Mirror(f.backing.Backing)
}

// unbackLocked ends what passLocked began.
func (f *fileNode) unbackLocked() {
	if f.backing == nil {
		return
	}
	if f.staged != nil && f.backing.Backing != nil {
		f.staged.Unmirror(f.backing.Backing)
	}
	f.m.passthrough.end(f.backing)
	f.backing = nil
}
