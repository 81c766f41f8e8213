package test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func (r *tree) openFile(t *rapid.T) {
	if len(r.open) >= 8 {
		t.Skip("enough files are open")
	}
	name := r.anyName(t, "name")
	flags := rapid.SampledFrom([]int{unix.O_RDONLY, unix.O_RDWR, unix.O_RDWR | unix.O_CREAT, unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC,
		unix.O_RDWR | unix.O_CREAT | unix.O_EXCL, unix.O_RDWR | unix.O_CREAT | unix.O_APPEND}).Draw(t, "flags")
	here, err := r.mount.open(name, flags)
	there, localErr := r.local.open(name, flags)
	if !same(t, err, localErr, "open(%q, %#x)", name, flags) {
		return
	}
	if st, err := there.fstat(); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		same(t, here.fsync(), there.fsync(), "fsync of directory %q", name)
		same(t, here.close(), there.close(), "close of directory %q", name)
		return
	}
	r.open = append(r.open, &pair{what: fmt.Sprintf("%q, opened with %#x", name, flags), mount: here, local: there, appends: flags&unix.O_APPEND != 0})
}

func (r *tree) write(t *rapid.T) {
	f := r.anyOpen(t)
	text := r.text(rapid.IntRange(1, 9000).Draw(t, "size"))
	off := rapid.Int64Range(0, 12000).Draw(t, "offset")
	if rapid.IntRange(0, 30).Draw(t, "far") == 30 {
		off += 9 << 20 // makes it a multipart upload
	}
	r.writeText(t, f, text, off)
}

func (r *tree) writeText(t *rapid.T, f *pair, text string, off int64) {
	var here, there int
	var err, localErr error
	if f.appends {
		here, err = f.mount.write(text)
		there, localErr = f.local.write(text)
	} else {
		here, err = f.mount.pwrite(text, off)
		there, localErr = f.local.pwrite(text, off)
	}
	same(t, err, localErr, "write of %d bytes at %d of %s", len(text), off, f.what)
	if here != there {
		t.Fatalf("write of %d bytes at %d of %s: %d on the mount, %d on a local disk", len(text), off, f.what, here, there)
	}
}

func (r *tree) read(t *rapid.T) {
	f := r.anyOpen(t)
	off := rapid.Int64Range(0, 12000).Draw(t, "offset")
	got, err := f.mount.pread(20000, off)
	want, localErr := f.local.pread(20000, off)
	if errors.Is(err, unix.ESTALE) && f.replaced {
		return // what another file took the place of may be gone
	}
	if same(t, err, localErr, "read at %d of %s", off, f.what) {
		compareText(t, fmt.Sprintf("read at %d of %s", off, f.what), got, want)
	}
}

func (r *tree) fstat(t *rapid.T) {
	f := r.anyOpen(t)
	here, err := f.mount.fstat()
	there, localErr := f.local.fstat()
	if same(t, err, localErr, "fstat of %s", f.what) {
		r.compareStat(t, "fstat of "+f.what, here, there)
	}
}

func (r *tree) ftruncate(t *rapid.T) {
	f := r.anyOpen(t)
	size := rapid.Int64Range(0, 10000).Draw(t, "size")
	same(t, f.mount.ftruncate(size), f.local.ftruncate(size), "ftruncate(%d) of %s", size, f.what)
}

func (r *tree) fsync(t *rapid.T) {
	f := r.anyOpen(t)
	same(t, f.mount.fsync(), f.local.fsync(), "fsync of %s", f.what)
}

func (r *tree) closeFile(t *rapid.T) {
	f := r.anyOpen(t)
	r.open = slices.DeleteFunc(r.open, func(o *pair) bool { return o == f })
	same(t, f.mount.close(), f.local.close(), "close of %s", f.what)
}

func (r *tree) unlink(t *rapid.T) {
	name := r.anyName(t, "name")
	same(t, r.mount.unlink(name), r.local.unlink(name), "unlink %q", name)
}

func (r *tree) mkdir(t *rapid.T) {
	name := r.anyName(t, "name")
	same(t, r.mount.mkdir(name), r.local.mkdir(name), "mkdir %q", name)
}

func (r *tree) rmdir(t *rapid.T) {
	name := r.anyName(t, "name")
	same(t, r.mount.rmdir(name), r.local.rmdir(name), "rmdir %q", name)
}

func (r *tree) rename(t *rapid.T) {
	from, to := r.anyName(t, "from"), r.anyName(t, "to")
	_, moved := r.onDisk(from)
	_, over := r.onDisk(to)
	if same(t, r.mount.rename(from, to), r.local.rename(from, to), "rename %q to %q", from, to) && over != moved {
		r.replaced(over)
	}
}

// renameFree is a rename to what has to be free.
func (r *tree) renameFree(t *rapid.T) {
	from, to := r.anyName(t, "from"), r.anyName(t, "to")
	same(t, r.mount.rename2(from, to, unix.RENAME_NOREPLACE), r.local.rename2(from, to, unix.RENAME_NOREPLACE), "rename %q to %q, which has to be free", from, to)
}

// replaced notes that a file has lost its name to another.
func (r *tree) replaced(inode int64) {
	for _, f := range r.open {
		st, err := f.local.fstat()
		ok(r.t, err)
		f.replaced = f.replaced || int64(st.Ino) == inode
	}
}

func (r *tree) truncate(t *rapid.T) {
	name := r.anyName(t, "name")
	size := rapid.Int64Range(0, 10000).Draw(t, "size")
	same(t, r.mount.truncate(name, size), r.local.truncate(name, size), "truncate(%q, %d)", name, size)
}

func (r *tree) setAttr(t *rapid.T) {
	name := r.anyName(t, "name")
	mode := rapid.Uint32Range(0o600, 0o777).Draw(t, "mode")
	mtime := time.Unix(rapid.Int64Range(0, 9e8).Draw(t, "mtime"), 5)
	same(t, r.mount.chmod(name, mode), r.local.chmod(name, mode), "chmod(%q, %o)", name, mode)
	same(t, r.mount.utimens(name, mtime, mtime), r.local.utimens(name, mtime, mtime), "utimens(%q, %s)", name, mtime)
	r.compare(t, name)
}
