package test

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// symlink makes a link that leads to a file, a directory, itself or nothing.
func (r *tree) symlink(t *rapid.T) {
	r.ownTypes(t)
	name := r.anyName(t, "name")
	target := rapid.SampledFrom([]string{"a", "b", "d", "d/a", "../b", "../d", ".", "nowhere"}).Draw(t, "target")
	same(t, r.mount.symlink(target, name), r.local.symlink(target, name), "symlink %q to %q", name, target)
}

// mknod makes a socket, since who opens a named pipe waits.
func (r *tree) mknod(t *rapid.T) {
	r.ownTypes(t)
	name := r.anyName(t, "name")
	const mode = unix.S_IFSOCK | 0o640
	same(t, r.mount.mknod(name, mode), r.local.mknod(name, mode), "mknod %q", name)
}

// ownTypes is for what a listing does not tell from a file.
func (r *tree) ownTypes(t *rapid.T) {
	if r.others {
		t.Skip("the next mount takes it for a file")
	}
}

func (r *tree) chown(t *rapid.T) {
	name := r.anyName(t, "name")
	uid, gid := rapid.IntRange(-1, 3).Draw(t, "uid"), rapid.IntRange(-1, 3).Draw(t, "gid")
	same(t, r.mount.chown(name, uid, gid), r.local.chown(name, uid, gid), "chown(%q, %d, %d)", name, uid, gid)
	r.compare(t, name)
}

// setXattr sets an extended attribute, or removes it.
func (r *tree) setXattr(t *rapid.T) {
	if !r.exact {
		t.Skip("another client's objects have none")
	}
	name := r.anyName(t, "name")
	attr := rapid.SampledFrom([]string{"user.a", "user.b"}).Draw(t, "attribute")
	if rapid.IntRange(0, 2).Draw(t, "removes") == 0 {
		same(t, r.mount.removexattr(name, attr), r.local.removexattr(name, attr), "removexattr(%q, %s)", name, attr)
	} else {
		value := r.text(rapid.IntRange(0, 60).Draw(t, "size"))
		same(t, r.mount.setxattr(name, attr, value), r.local.setxattr(name, attr, value), "setxattr(%q, %s, %q)", name, attr, value)
	}
	r.compareXattrs(t, name)
}

func (r *tree) compareXattrs(t *rapid.T, name string) {
	here, err := r.mount.listxattr(name)
	there, localErr := r.local.listxattr(name)
	if !same(t, err, localErr, "listxattr(%q)", name) {
		return
	}
	there = slices.DeleteFunc(there, func(attr string) bool { return !strings.HasPrefix(attr, "user.") })
	slices.Sort(here)
	slices.Sort(there)
	if !slices.Equal(here, there) {
		t.Fatalf("%q has the attributes %q on the mount, %q on a local disk", name, here, there)
	}
	for _, attr := range there {
		got, err := r.mount.getxattr(name, attr)
		want, localErr := r.local.getxattr(name, attr)
		if same(t, err, localErr, "getxattr(%q, %s)", name, attr) && got != want {
			t.Fatalf("%s of %q is %q on the mount, %q on a local disk", attr, name, got, want)
		}
	}
}

// fallocate sets space aside, or punches a hole.
func (r *tree) fallocate(t *rapid.T) {
	f := r.anyOpen(t)
	mode := rapid.SampledFrom([]int{0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE}).Draw(t, "mode")
	off, size := rapid.Int64Range(0, 12000).Draw(t, "offset"), rapid.IntRange(1, 9000).Draw(t, "size")
	if same(t, f.mount.fallocate(mode, off, size), f.local.fallocate(mode, off, size), "fallocate(%#x, %d, %d) of %s", mode, off, size, f.what) {
		r.writeText(t, f, r.text(1), off) // a local disk changes mtime in any case, the mount only with bytes or size
	}
}

// copyRange copies the start of an open file, or all of it, to that of another.
func (r *tree) copyRange(t *rapid.T) {
	from, to := r.anyOpen(t), r.anyOpen(t)
	if from.replaced {
		t.Skip("its bytes may be gone")
	}
	size := rapid.SampledFrom([]int{5000, 20 << 20}).Draw(t, "size")
	here, err := to.mount.copyRange(from.mount, size)
	there, localErr := to.local.copyRange(from.local, size)
	if same(t, err, localErr, "copy of %d bytes of %s to %s", size, from.what, to.what) && here != there {
		t.Fatalf("copy of %d bytes of %s to %s: %d on the mount, %d on a local disk", size, from.what, to.what, here, there)
	}
}
