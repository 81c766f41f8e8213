package test

import (
	order "encoding/binary"
	"encoding/gob"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// agentVariable makes the test binary an agent instead of running tests.
const agentVariable = "NCLOUDFS_TEST_AGENT"

// request is one system call for an agent; which fields count depends on Op.
type request struct {
	Op         string
	Path, To   string
	FD, Flags  int
	From       int // a descriptor
	Mode       uint32
	UID, GID   int
	Offset     int64
	Size       int
	Data       []byte
	Timestamps [2]unix.Timespec
	Exercise   exercise
}

// response is what the system call returned, unretried.
type response struct {
	Errno syscall.Errno
	N     int
	Data  []byte
	Stat  unix.Stat_t
	Names []string
	Ends  []int64 // of names: where the next one begins, as telldir(3) says
	Text  string  // what exercise found
}

// agent does system calls for a test, one at a time.
type agent struct {
	mapped    []byte
	exerciser *exerciser
}

// serveAgent answers requests from the standard input until it ends. It is one
// thread, as most programs are.
func serveAgent() {
	runtime.LockOSThread()
	in, out, a := gob.NewDecoder(os.Stdin), gob.NewEncoder(os.Stdout), &agent{}
	for {
		var req request
		if in.Decode(&req) != nil {
			return
		}
		resp := response{}
		resp.Errno = errnoOf(a.do(&req, &resp))
		if out.Encode(&resp) != nil {
			return
		}
	}
}

func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	errno, ok := err.(syscall.Errno) //nolint:errorlint // the system call's own result, never wrapped
	if !ok {
		return syscall.EPROTO
	}
	return errno
}

func (a *agent) do(r *request, out *response) (err error) {
	switch r.Op {
	case "open":
		out.N, err = unix.Open(r.Path, r.Flags|unix.O_CLOEXEC, r.Mode)
	case "close":
		err = unix.Close(r.FD)
	case "dup":
		out.N, err = unix.Dup(r.FD)
	case "fsync":
		err = unix.Fsync(r.FD)
	case "fstat":
		err = unix.Fstat(r.FD, &out.Stat)
	case "ftruncate":
		err = unix.Ftruncate(r.FD, r.Offset)
	case "write":
		out.N, err = unix.Write(r.FD, r.Data)
	case "pwrite":
		out.N, err = unix.Pwrite(r.FD, r.Data, r.Offset)
	case "pread":
		buf := make([]byte, r.Size)
		out.N, err = unix.Pread(r.FD, buf, r.Offset)
		out.Data = buf[:max(out.N, 0)]
	case "fallocate":
		err = unix.Fallocate(r.FD, uint32(r.Flags), r.Offset, int64(r.Size))
	case "copy":
		out.N, err = unix.CopyFileRange(r.From, new(int64), r.FD, new(int64), r.Size, 0)
	case "seek":
		var at int64
		at, err = unix.Seek(r.FD, r.Offset, r.Flags)
		out.N = int(at)
	case "names":
		out.Names, err = names(r.FD)
	case "dirents":
		buf := make([]byte, r.Size)
		out.N, err = unix.Getdents(r.FD, buf)
		out.Names, out.Ends = dirents(buf[:max(out.N, 0)])
	default:
		return a.doPath(r, out)
	}
	return err
}

func (a *agent) doPath(r *request, out *response) (err error) {
	switch r.Op {
	case "lstat":
		err = unix.Lstat(r.Path, &out.Stat)
	case "truncate":
		err = unix.Truncate(r.Path, r.Offset)
	case "unlink":
		err = unix.Unlink(r.Path)
	case "mkdir":
		err = unix.Mkdir(r.Path, r.Mode)
	case "rmdir":
		err = unix.Rmdir(r.Path)
	case "rename":
		err = unix.Renameat2(unix.AT_FDCWD, r.Path, unix.AT_FDCWD, r.To, uint(r.Flags))
	case "link":
		err = unix.Link(r.Path, r.To)
	case "symlink":
		err = unix.Symlink(r.To, r.Path)
	case "mknod":
		err = unix.Mknod(r.Path, r.Mode, 0)
	case "chmod":
		err = unix.Chmod(r.Path, r.Mode)
	case "chown":
		err = unix.Lchown(r.Path, r.UID, r.GID)
	case "utimens":
		err = unix.UtimesNanoAt(unix.AT_FDCWD, r.Path, r.Timestamps[:], unix.AT_SYMLINK_NOFOLLOW)
	case "readlink":
		buf := make([]byte, unix.PathMax)
		out.N, err = unix.Readlink(r.Path, buf)
		out.Data = buf[:max(out.N, 0)]
	case "setxattr":
		err = unix.Lsetxattr(r.Path, r.To, r.Data, r.Flags)
	case "removexattr":
		err = unix.Lremovexattr(r.Path, r.To)
	case "listxattr":
		buf := make([]byte, 64<<10)
		out.N, err = unix.Llistxattr(r.Path, buf)
		out.Data = buf[:max(out.N, 0)]
	case "getxattr":
		buf := make([]byte, 64<<10)
		out.N, err = unix.Lgetxattr(r.Path, r.To, buf)
		out.Data = buf[:max(out.N, 0)]
	default:
		return a.doMap(r, out)
	}
	return err
}

// doMap has one mapping at a time.
func (a *agent) doMap(r *request, out *response) (err error) {
	switch r.Op {
	case "mmap":
		a.mapped, err = unix.Mmap(r.FD, 0, r.Size, r.Flags, unix.MAP_SHARED)
	case "load":
		out.Data = append([]byte(nil), a.mapped[r.Offset:][:r.Size]...)
	case "store":
		copy(a.mapped[r.Offset:], r.Data)
	case "msync":
		err = unix.Msync(a.mapped, unix.MS_SYNC)
	case "munmap":
		err = unix.Munmap(a.mapped)
	case "storm":
		return storm(r, out)
	case "exercise":
		a.exercise(r, out)
	default:
		return syscall.ENOSYS
	}
	return err
}

// names reads a directory from its start.
func names(fd int) ([]string, error) {
	if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
		return nil, err
	}
	var all []string
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil || n == 0 {
			return all, err
		}
		_, _, all = unix.ParseDirent(buf[:n], -1, all)
	}
}

// dirents takes apart what getdents64(2) has returned.
func dirents(buf []byte) (names []string, ends []int64) {
	const name = 19 // after d_ino, d_off, d_reclen and d_type
	for len(buf) > 0 {
		entry := buf[:order.NativeEndian.Uint16(buf[16:])]
		names = append(names, unix.ByteSliceToString(entry[name:]))
		ends = append(ends, int64(order.NativeEndian.Uint64(entry[8:])))
		buf = buf[len(entry):]
	}
	return names, ends
}
