package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// twins are a mount and a directory of a local disk. An agent on each gets the
// same system calls, which must have the same outcome.
type twins struct {
	t       testing.TB
	s       *store
	options []string
	dir     string // the local directory
	others  bool   // another client may write, too: the mount sees that soon
	m       *mounted
	mount   *program
	local   *program
	kept    int // edits that met another client's change in this mount's life
}

func newTwins(t testing.TB, s *store, options ...string) *twins {
	t.Helper()
	w := &twins{t: t, s: s, options: options, dir: root().dir(t)}
	w.local = (&mounted{path: w.dir}).start(t)
	w.begin()
	return w
}

func (w *twins) begin() {
	w.t.Helper()
	w.m = w.s.mount(w.t, root(), w.options...)
	w.m.mayFail = true // end looks at the exit code
	w.mount, w.kept = w.m.start(w.t), 0
}

// end unmounts after all files were closed. What conflicts have kept is all
// that may be in the stage directory then.
func (w *twins) end() error {
	w.t.Helper()
	w.mount.end()
	hang := time.AfterFunc(patience/2, w.m.dump)
	defer hang.Stop()
	code := w.m.stop(w.t)
	staged := w.m.stagedFiles(w.t)
	if code != 0 || len(staged) != w.kept {
		return fmt.Errorf("exit code %d, and in the stage directory is %v; want %d files that conflicts have kept", code, staged, w.kept)
	}
	return nil
}

// revive mounts again after the daemon has ended by itself.
func (w *twins) revive() {
	w.t.Helper()
	if isMounted(w.t, w.m.path) {
		ok(w.t, unix.Unmount(w.m.path, unix.MNT_DETACH))
	}
	w.mount.end()
	w.begin()
}

// stagedFiles lists the data files in the stage directory.
func (m *mounted) stagedFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(m.stageDir(t) + "/*/data/*")
	ok(t, err)
	return files
}

// tree is a directory of twins, the same on both sides but for what a run of
// operations is doing to it.
type tree struct {
	*twins
	dir    string // "run1", its name on both sides
	open   []*pair
	writes int  // so far; makes contents differ
	exact  bool // attributes are compared, too
}

// pair is an open file of a tree.
type pair struct {
	what     string // for messages: name and flags at open
	mount    *file
	local    *file
	appends  bool
	replaced bool // by a rename: bytes that are not cached may be gone
}

// String is for rapid's report of a choice.
func (p *pair) String() string { return p.what }

// same fails unless a call had the same outcome on both sides; it reports
// success.
func same(t *rapid.T, mount, local error, what string, args ...any) bool {
	call := fmt.Sprintf(what, args...)
	if !errors.Is(mount, local) || !errors.Is(local, mount) {
		t.Fatalf("%s: %v on the mount, %v on a local disk", call, mount, local)
	}
	t.Logf("%s: %v", call, local)
	return local == nil
}

// names are few, so that operations meet.
var treeNames = []string{"a", "b", "d", "d/a", "d/b", "d/d", "d/d/a", "e", "e/a", "e/d", "e/d/a"}

// calls are what a run does.
func (r *tree) calls() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"open": r.openFile, "open again": r.openFile, "open more": r.openFile,
		"write": r.write, "write again": r.write, "write more": r.write,
		"read": r.read, "read again": r.read, "fstat": r.fstat,
		"ftruncate": r.ftruncate, "fsync": r.fsync, "close": r.closeFile, "close again": r.closeFile,
		"unlink": r.unlink, "mkdir": r.mkdir, "mkdir again": r.mkdir, "rmdir": r.rmdir,
		"rename": r.rename, "rename again": r.rename, "truncate": r.truncate, "chmod and utimes": r.setAttr,
		"symlink": r.symlink, "mknod": r.mknod, "chown": r.chown, "xattr": r.setXattr,
		"fallocate": r.fallocate, "copy": r.copyRange, "rename to a free name": r.renameFree,
		"look": r.look, "settle": r.settle, "remount": r.remount,
		"change by another": r.otherWrites, "conflict": r.conflict,
	}
}

// leave closes what a run that failed has left open.
func (r *tree) leave() {
	for _, f := range r.open {
		_ = f.mount.close() // perhaps what failed
		_ = f.local.close()
	}
}

func (r *tree) remount(t *rapid.T) {
	if rapid.IntRange(0, 7).Draw(t, "now") > 0 {
		t.Skip("it takes long")
	}
	r.settle(t)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.begin()
	r.exact = r.exact && !r.others // a listing has no attributes
	r.look(t)
}

func (r *tree) anyName(t *rapid.T, label string) string {
	return r.dir + "/" + rapid.SampledFrom(treeNames).Draw(t, label)
}

func (r *tree) anyOpen(t *rapid.T) *pair {
	if len(r.open) == 0 {
		t.Skip("nothing is open")
	}
	return rapid.SampledFrom(r.open).Draw(t, "file")
}

// text makes n bytes that no other call makes.
func (r *tree) text(n int) string {
	r.writes++
	piece := strconv.Itoa(r.writes) + ","
	return strings.Repeat(piece, n/len(piece)+1)[:n]
}

// onDisk reads a file of the local side; -1 as its inode: there is none, or it
// is a directory.
func (r *tree) onDisk(name string) (content string, inode int64) {
	path := r.twins.dir + "/" + name
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", -1
	}
	text, err := os.ReadFile(path)
	ok(r.t, err)
	return string(text), int64(st.Ino)
}

// look compares all that can be seen of both sides.
func (r *tree) look(t *rapid.T) { r.lookInto(t, r.dir) }

func (r *tree) lookInto(t *rapid.T, dir string) {
	here, err := r.mount.readDir(dir)
	there, localErr := r.local.readDir(dir)
	same(t, err, localErr, "reading directory %q", dir)
	slices.Sort(here)
	slices.Sort(there)
	if !slices.Equal(here, there) {
		t.Fatalf("directory %q holds %q on the mount, %q on a local disk", dir, here, there)
	}
	for _, base := range there {
		name := dir + "/" + base
		if r.compare(t, name) {
			r.lookInto(t, name)
		}
	}
}

// compare compares what has a name, and reports a directory.
func (r *tree) compare(t *rapid.T, name string) (isDir bool) {
	here, err := r.mount.lstat(name)
	there, localErr := r.local.lstat(name)
	if !same(t, err, localErr, "lstat %q", name) {
		return false
	}
	r.compareStat(t, name, here, there)
	if r.exact {
		r.compareXattrs(t, name)
	}
	switch there.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return true
	case unix.S_IFREG:
		got, err := r.mount.readFile(name)
		want, localErr := r.local.readFile(name)
		same(t, err, localErr, "reading %q", name)
		compareText(t, name, got, want)
	case unix.S_IFLNK:
		got, err := r.mount.readlink(name)
		want, localErr := r.local.readlink(name)
		same(t, err, localErr, "readlink %q", name)
		compareText(t, name, got, want)
	}
	return false
}

func (r *tree) compareStat(t *rapid.T, what string, here, there unix.Stat_t) {
	if here.Mode&unix.S_IFMT != there.Mode&unix.S_IFMT {
		t.Fatalf("%s: mode %o on the mount, %o on a local disk", what, here.Mode, there.Mode)
	}
	if r.exact && (here.Mode != there.Mode || here.Uid != there.Uid || here.Gid != there.Gid) {
		t.Fatalf("%s: mode %o of %d:%d on the mount, %o of %d:%d on a local disk", what, here.Mode, here.Uid, here.Gid, there.Mode, there.Uid, there.Gid)
	}
	if here.Mode&unix.S_IFMT == unix.S_IFDIR {
		return
	}
	if here.Size != there.Size || min(here.Nlink, 1) != min(there.Nlink, 1) {
		t.Fatalf("%s: %d bytes and %d links on the mount, %d and %d on a local disk", what, here.Size, here.Nlink, there.Size, there.Nlink)
	}
	if r.exact && !near(here.Mtim, there.Mtim) {
		t.Fatalf("%s: mtime %v on the mount, %v on a local disk", what, here.Mtim, there.Mtim)
	}
}

// near takes times for the same that were both set by writing, one operation
// after the other; utimes sets them to years long gone.
func near(a, b unix.Timespec) bool {
	const long = 1e9
	return a == b || a.Sec > long && b.Sec > long
}

func compareText(t *rapid.T, what, got, want string) {
	if got == want {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Fatalf("%s: %d bytes, want %d; from byte %d on %.40q, want %.40q", what, len(got), len(want), at, got[at:], want[at:])
}
