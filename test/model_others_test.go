package test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// settle closes all files and waits until another client sees in the bucket
// what is on the local disk, and nothing else.
func (r *tree) settle(t *rapid.T) {
	for len(r.open) > 0 {
		f := r.open[0]
		r.open = r.open[1:]
		same(t, f.mount.close(), f.local.close(), "close of %s", f.what)
	}
	want := r.objects()
	keys := slices.Sorted(maps.Keys(want))
	var got []string
	if !await(patience, func() bool { // what was open while it was removed goes after its close
		got = r.s.keys(r.t, r.dir+"/")
		return slices.Equal(got, keys)
	}) {
		t.Fatalf("the bucket holds %q, want %q", got, keys)
	}
	for key, file := range want {
		o := r.s.head(r.t, key)
		if got := o.Meta["mode"] + " " + o.Meta["uid"] + " " + o.Meta["gid"]; r.exact && got != file.owned {
			t.Fatalf("object %q has mode, uid and gid %s, want %s", key, got, file.owned)
		}
		compareText(t, "object "+key, r.s.content(r.t, key), file.content)
	}
}

// object is what another client should see.
type object struct {
	content string
	owned   string // mode, uid and gid
}

// objects is what the bucket should hold, by key, judged by the local disk.
func (r *tree) objects() map[string]object {
	all := map[string]object{}
	ok(r.t, filepath.WalkDir(r.twins.dir+"/"+r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		key, err := filepath.Rel(r.twins.dir, path)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		owned := fmt.Sprint(st.Mode, st.Uid, st.Gid)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			all[key+"/"] = object{owned: owned}
			return nil
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			all[key] = object{target, owned}
			return err
		case unix.S_IFSOCK:
			all[key] = object{owned: owned}
			return nil
		}
		text, err := os.ReadFile(path)
		all[key] = object{string(text), owned}
		return err
	}))
	return all
}

// isTheirs chooses a name under which another client can have a file.
func (r *tree) isTheirs(t *rapid.T) string {
	if !r.others {
		t.Skip("what others change is seen too late")
	}
	name := r.anyName(t, "name")
	if st, err := os.Lstat(filepath.Dir(r.twins.dir + "/" + name)); err != nil || !st.IsDir() {
		t.Skip("no such directory")
	}
	if st, err := os.Lstat(r.twins.dir + "/" + name); err == nil && st.IsDir() {
		t.Skip("a directory")
	}
	r.settle(t)
	return name
}

// becomes makes a file on the local disk a new one, or removes it, as another
// client has done in the bucket, and waits until the mount shows that.
func (r *tree) becomes(t *rapid.T, name string, content *string) {
	path := r.twins.dir + "/" + name
	if content == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if !await(patience, func() bool { // below it: for the TTL the kernel believes that it is a file
			_, err := r.mount.lstat(name)
			_, below := r.mount.lstat(name + "/below")
			return errors.Is(err, unix.ENOENT) && errors.Is(below, unix.ENOENT)
		}) {
			t.Fatalf("%q was removed elsewhere and does not go away", name)
		}
		return
	}
	temporary := r.twins.dir + "/temporary"
	ok(r.t, os.WriteFile(temporary, []byte(*content), 0o644))
	ok(r.t, os.Rename(temporary, path))
	var got string
	var err error
	if !await(patience, func() bool {
		got, err = r.mount.readFile(name)
		return err == nil && got == *content
	}) {
		t.Fatalf("%q was written elsewhere; the mount shows %d bytes %.40q, %v; want %d bytes %.40q", name, len(got), got, err, len(*content), *content)
	}
}

// otherWrites is another client's put or delete of a file that is not open.
func (r *tree) otherWrites(t *rapid.T) {
	name := r.isTheirs(t)
	r.becomes(t, name, r.otherChanges(t, name))
	r.exact = false // theirs carries no attributes
}

// otherChanges returns what another client has put, nil: it has removed it.
func (r *tree) otherChanges(t *rapid.T, name string) *string {
	if rapid.IntRange(0, 2).Draw(t, "theirs") == 0 {
		ok(r.t, r.s.client.Delete(r.t.Context(), r.s.path(name)))
		return nil
	}
	theirs := r.text(rapid.IntRange(0, 9000).Draw(t, "their size"))
	r.s.put(r.t, name, theirs)
	return &theirs
}

// conflict is an edit of a file that another client changes meanwhile.
func (r *tree) conflict(t *rapid.T) {
	name := r.isTheirs(t)
	base, inode := r.onDisk(name)
	if inode < 0 {
		t.Skip("no file")
	}
	f, err := r.mount.open(name, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	e := &edit{file: f, now: []byte(base), isBase: slices.Repeat([]bool{true}, len(base))}
	r.editSome(t, e)
	theirs := r.otherChanges(t, name)
	r.editSome(t, e)
	got, err := e.file.pread(30000, 0)
	if err != nil && !errors.Is(err, unix.ESTALE) {
		t.Fatal(err)
	}
	if err == nil {
		compareText(t, "a read beside another client's change", got, string(e.now[:min(len(e.now), 30000)]))
	}
	err = e.file.close()
	isBehind := theMode().writeBack && err == nil // what the upload meets shows in the bucket only
	switch {
	case !e.changed && err == nil:
	case e.changed && e.usesBase() && (isBehind || errors.Is(err, unix.ESTALE)), isBehind && len(r.s.keys(r.t, name+".conflict-")) > 0:
		r.takeAway(t, name, string(e.now))
	case e.changed && !e.usesBase() && err == nil:
		ours := string(e.now)
		theirs = &ours
	default:
		t.Fatalf("close of %q, changed %v with bytes of what another client has changed %v: %v", name, e.changed, e.usesBase(), err)
	}
	r.check(t, name, theirs)
	r.becomes(t, name, theirs)
	r.exact = false
}

// takeAway removes, as another client, the copy of ours that a conflict has left
// beside name. Where there is none, bytes of the old version were gone, and the
// local copy is kept.
func (r *tree) takeAway(t *rapid.T, name, ours string) {
	copies := r.s.keys(r.t, name+".conflict-")
	if len(copies) == 0 {
		r.kept++
		return
	}
	compareText(t, "conflict copy "+copies[0], r.s.content(r.t, copies[0]), ours)
	ok(r.t, r.s.client.Delete(r.t.Context(), r.s.path(copies[0])))
	if !await(patience, func() bool {
		_, err := r.mount.lstat(copies[0])
		return errors.Is(err, unix.ENOENT)
	}) {
		t.Fatalf("%q was removed elsewhere and does not go away", copies[0])
	}
}

// check compares an object with what it should be; nil: there is none.
func (r *tree) check(t *rapid.T, key string, want *string) {
	body, err := r.s.client.Head(r.t.Context(), r.s.path(key))
	switch {
	case errors.Is(err, fs.ErrNotExist) && want == nil:
	case err != nil || want == nil:
		t.Fatalf("object %q: %+v, %v, want it to exist: %v", key, body, err, want != nil)
	default:
		compareText(t, "object "+key, r.s.content(r.t, key), *want)
	}
}

// edit is a file while it is edited.
type edit struct {
	file    *file
	now     []byte
	isBase  []bool // of each byte: still that of the version that was opened
	changed bool
}

func (e *edit) usesBase() bool { return slices.Contains(e.isBase, true) }

func (e *edit) resize(n int) {
	e.now = append(e.now[:min(n, len(e.now))], make([]byte, max(0, n-len(e.now)))...)
	e.isBase = append(e.isBase[:min(n, len(e.isBase))], make([]bool, max(0, n-len(e.isBase)))...)
	e.changed = true
}

// editSome writes or truncates a few times, or not at all.
func (r *tree) editSome(t *rapid.T, e *edit) {
	for range rapid.IntRange(0, 2).Draw(t, "edits") {
		if rapid.Bool().Draw(t, "truncates") {
			size := rapid.IntRange(0, 10000).Draw(t, "size")
			if err := e.file.ftruncate(int64(size)); err != nil {
				t.Fatal(err)
			}
			e.resize(size)
			continue
		}
		off := rapid.IntRange(0, 3000).Draw(t, "offset")
		text := r.text(rapid.IntRange(1, 9000).Draw(t, "size"))
		if n, err := e.file.pwrite(text, int64(off)); err != nil || n != len(text) {
			t.Fatalf("write beside another client's change: %d, %v", n, err)
		}
		e.resize(max(len(e.now), off+len(text)))
		copy(e.now[off:], text)
		clear(e.isBase[off : off+len(text)])
	}
}
