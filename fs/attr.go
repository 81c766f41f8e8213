package fs

import (
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
)

// blockSize is what stat(2) recommends for reads and writes, in bytes.
const blockSize = 1 << 20

// typeOf returns the file type bits of an entry.
func typeOf(e cache.Entry) uint32 {
	if e.Kind == cache.Dir {
		return syscall.S_IFDIR
	}
	switch t := e.Attr.Mode & syscall.S_IFMT; t {
	case syscall.S_IFLNK, syscall.S_IFIFO, syscall.S_IFSOCK, syscall.S_IFCHR, syscall.S_IFBLK:
		if e.Attr.HasMode {
			return t
		}
	}
	return syscall.S_IFREG // also where the metadata says it is a directory: the key does not
}

// fill describes e to the kernel. What its metadata does not carry comes from
// the mount's options and from LastModified.
func (m *Mount) fill(e cache.Entry, out *fuse.Attr) {
	a := e.Attr
	out.Mode = typeOf(e)
	switch {
	case a.HasMode:
		out.Mode |= a.Mode &^ syscall.S_IFMT
	case e.Kind == cache.Dir:
		out.Mode |= 0o777 &^ m.umask
	default:
		out.Mode |= 0o666 &^ m.umask
	}
	out.Uid, out.Gid = m.uid, m.gid
	if a.HasOwner {
		out.Uid, out.Gid = a.UID, a.GID
	}
	out.Rdev = a.Rdev
	out.Nlink = 1
	if e.Kind == cache.File {
		out.Size = uint64(e.Object.Size)
		out.Blocks = (out.Size + 511) / 512
	}
	out.Blksize = blockSize
	m.fillTimes(e, out)
}

// fillTimes: the modification time is constant per version, since a change of
// it makes the kernel drop the file's pages.
func (m *Mount) fillTimes(e cache.Entry, out *fuse.Attr) {
	mtime := e.Attr.Mtime
	if mtime.IsZero() && !e.Object.ModTime.IsZero() {
		mtime = e.Object.ModTime.Truncate(time.Second)
	}
	if mtime.IsZero() { // a directory without a marker
		mtime = m.started
	}
	atime, ctime := e.Attr.Atime, e.Attr.Ctime
	if atime.IsZero() {
		atime = mtime
	}
	if ctime.IsZero() {
		ctime = mtime
	}
	out.SetTimes(&atime, &mtime, &ctime)
}

// timeout is how long the kernel may believe e.
func timeout(e cache.Entry) time.Duration { return max(time.Until(e.Expires), 0) }

// change applies what a SETATTR carries, save the size, to attributes.
func change(in *fuse.SetAttrIn, typeBits uint32) func(*cache.Attr) {
	return func(a *cache.Attr) {
		if mode, ok := in.GetMode(); ok {
			a.Mode, a.HasMode = typeBits|mode, true
		}
		if uid, ok := in.GetUID(); ok {
			a.UID = uid
			dropSetID(a)
		}
		if gid, ok := in.GetGID(); ok {
			a.GID = gid
			dropSetID(a)
		}
		if t, ok := in.GetATime(); ok {
			a.Atime = t
		}
		if t, ok := in.GetMTime(); ok {
			a.Mtime = t
		}
		a.Ctime = time.Now()
	}
}

// whole makes recorded attributes of the shown ones, so that what is stored
// with a change says everything.
func (m *Mount) whole(e cache.Entry) func(*cache.Attr) {
	var shown fuse.Attr
	m.fill(e, &shown)
	return func(a *cache.Attr) {
		if !a.HasMode {
			a.Mode, a.HasMode = shown.Mode, true
		}
		if !a.HasOwner {
			a.UID, a.GID, a.HasOwner = shown.Uid, shown.Gid, true
		}
		if a.Mtime.IsZero() {
			a.Mtime = e.Object.ModTime
		}
	}
}

// newAttr is what a new file or directory carries.
func newAttr(mode uint32, owner fuse.Owner) cache.Attr {
	now := time.Now()
	return cache.Attr{
		Mode: mode, HasMode: true,
		UID: owner.Uid, GID: owner.Gid, HasOwner: true,
		Mtime: now, Atime: now, Ctime: now,
	}
}

// dropSetID clears what a change of owner or bytes ends: the set-user-ID bit,
// and the set-group-ID bit of a program (FUSE_HANDLE_KILLPRIV_V2 leaves it to
// the daemon).
func dropSetID(a *cache.Attr) {
	if a.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return
	}
	a.Mode &^= syscall.S_ISUID
	if a.Mode&syscall.S_IXGRP != 0 {
		a.Mode &^= syscall.S_ISGID
	}
}
