package test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUnlinkOfAnOpenFile(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "read", "what is read")
		s.put(t, "dir/read", "what is read")
		s.put(t, "written", "what was there")
		m := s.mount(t, root())
		p := m.start(t)
		r, err := p.open("read", unix.O_RDONLY)
		ok(t, err)
		w, err := p.open("written", unix.O_RDWR)
		ok(t, err)
		n, err := p.open("new", unix.O_RDWR|unix.O_CREAT)
		ok(t, err)
		for _, name := range []string{"read", "written", "new"} {
			ok(t, p.unlink(name))
			_, err = p.lstat(name)
			fails(t, name, err, unix.ENOENT)
		}
		got, err := r.readAll()
		ok(t, err)
		equal(t, "the reader", got, "what is read")
		for _, f := range []*file{w, n} {
			_, err := f.pwrite("goes on", 0)
			ok(t, err)
			ok(t, f.fsync())
			got, err := f.pread(7, 0)
			ok(t, err)
			equal(t, "the writer", got, "goes on")
			st, err := f.fstat()
			ok(t, err)
			if st.Nlink != 0 {
				t.Errorf("nlink is %d, want 0", st.Nlink)
			}
			ok(t, f.close())
		}
		ok(t, p.writeFile("written", "a new file of that name"))
		ok(t, r.close())
		eventually(t, "the objects are gone", func() bool { return !s.exists(t, "read") && !s.exists(t, "new") })
		equal(t, "written", s.content(t, "written"), "a new file of that name")
	})
}

func TestNewFileOutlivesTheOldOneOfItsName(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "dir/file", "old")
		m := s.mount(t, root())
		p := m.start(t)
		r, err := p.open("dir/file", unix.O_RDONLY)
		ok(t, err)
		got, err := r.readAll()
		ok(t, err)
		equal(t, "old", got, "old")
		ok(t, p.unlink("dir/file"))
		ok(t, p.writeFile("dir/file", "new"))
		ok(t, r.close())
		m.unmount(t) // carries out what waited for the close
		equal(t, "the object", s.content(t, "dir/file"), "new")
	})
}

func TestDirectoryOfAnUnlinkedOpenFileCanGo(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "dir/file", "text")
		m := s.mount(t, root())
		p := m.start(t)
		r, err := p.open("dir/file", unix.O_RDONLY)
		ok(t, err)
		got, err := r.readAll()
		ok(t, err)
		equal(t, "before", got, "text")
		ok(t, p.unlink("dir/file"))
		ok(t, p.rmdir("dir"))
		got, err = r.readAll()
		ok(t, err)
		equal(t, "after", got, "text")
		ok(t, r.close())
		m.unmount(t)
		if left := s.keys(t, ""); len(left) > 0 {
			t.Errorf("left in the bucket: %q", left)
		}
	})
}

func TestRename(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		for _, key := range []string{"file", "other", "full/file", "dir/sub/file", "dir/file"} {
			s.put(t, key, "content of "+key)
		}
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.mkdir("empty"))

		fails(t, "NOREPLACE", p.rename2("file", "other", unix.RENAME_NOREPLACE), unix.EEXIST)
		fails(t, "EXCHANGE", p.rename2("file", "other", unix.RENAME_EXCHANGE), unix.EINVAL)
		fails(t, "file over a directory", p.rename("file", "empty"), unix.EISDIR)
		fails(t, "directory over a file", p.rename("empty", "file"), unix.ENOTDIR)
		fails(t, "over a full directory", p.rename("dir", "full"), unix.ENOTEMPTY)
		fails(t, "into itself", p.rename("dir", "dir/sub/dir"), unix.EINVAL)
		fails(t, "of nothing", p.rename("nothing", "x"), unix.ENOENT)
		ok(t, p.rename("file", "file"))

		ok(t, p.rename2("file", "fresh", unix.RENAME_NOREPLACE))
		equal(t, "fresh", s.content(t, "fresh"), "content of file")
		replaced, err := p.open("other", unix.O_RDONLY)
		ok(t, err)
		ok(t, p.rename("fresh", "other"))
		equal(t, "other", s.content(t, "other"), "content of file")
		if got, err := replaced.readAll(); !errors.Is(err, unix.ESTALE) && (err != nil || got != "content of other") {
			t.Errorf("a handle on what was replaced reads %q, %v", got, err)
		}
		ok(t, replaced.close())

		ok(t, p.rename("dir", "empty"))
		got, err := p.readFile("empty/sub/file")
		ok(t, err)
		equal(t, "moved", got, "content of dir/sub/file")
		ok(t, p.rename("empty", "full/moved"))
		want := "full/file full/moved/ full/moved/file full/moved/sub/file other"
		equal(t, "the keys", strings.Join(s.keys(t, ""), " "), want)
	})
}

func TestOpenFilesFollowARename(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "dir/read", "what is read")
		s.put(t, "dir/edited", "what is edited")
		m := s.mount(t, root())
		p := m.start(t)
		r, err := p.open("dir/read", unix.O_RDONLY)
		ok(t, err)
		e, err := p.open("dir/edited", unix.O_RDWR)
		ok(t, err)
		_, err = e.pwrite("WHAT", 0)
		ok(t, err)
		n, err := p.open("dir/new", unix.O_RDWR|unix.O_CREAT)
		ok(t, err)
		_, err = n.pwrite("before", 0)
		ok(t, err)
		ok(t, p.rename("dir", "moved"))
		ok(t, p.rename("moved/new", "moved/newer"))
		_, err = n.pwrite(", after", 6)
		ok(t, err)
		got, err := r.readAll()
		ok(t, err)
		equal(t, "the reader", got, "what is read")
		for _, f := range []*file{r, e, n} {
			ok(t, f.close())
		}
		equal(t, "edited", s.content(t, "moved/edited"), "WHAT is edited")
		equal(t, "new", s.content(t, "moved/newer"), "before, after")
		if left := s.keys(t, "dir"); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

func TestSaveByRenameOverAnOpenFile(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "doc", "first")
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.writeFile("doc.tmp", "second"))
		ok(t, p.rename("doc.tmp", "doc"))
		got, err := p.readFile("doc")
		ok(t, err)
		equal(t, "at once", got, "second")
		w, err := p.open("doc", unix.O_RDWR)
		ok(t, err)
		_, err = w.pwrite("lost", 0)
		ok(t, err)
		ok(t, p.writeFile("doc.tmp", "third"))
		ok(t, p.rename("doc.tmp", "doc"))
		_, err = w.pwrite("too", 4)
		ok(t, err) // as on a local disk: the file has no name any more
		ok(t, w.close())
		equal(t, "the object", s.content(t, "doc"), "third")
		equal(t, "the keys", strings.Join(s.keys(t, ""), " "), "doc")
	})
}

// TestFilesRenamedAtOnceAfterCloseStayUsable: the kernel reports the release of
// a file after close(2) has returned, in the middle of the rename.
func TestFilesRenamedAtOnceAfterCloseStayUsable(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		for i := range 200 {
			name := fmt.Sprint("file", i)
			ok(t, p.writeFile("tmp", name))
			ok(t, p.rename("tmp", name))
			ok(t, p.chmod(name, 0o444))
			got, err := p.readFile(name)
			ok(t, err)
			equal(t, name, got, name)
		}
		m.unmount(t)
		equal(t, "objects", fmt.Sprint(len(s.keys(t, "file"))), "200")
	})
}

func TestHardLinks(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "file", "text")
		m := s.mount(t, root())
		fails(t, "link", m.start(t).link("file", "link"), unix.EPERM)
	})
}

func TestUnnamedFiles(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		_, err := m.start(t).open("", unix.O_TMPFILE|unix.O_RDWR)
		fails(t, "O_TMPFILE", err, unix.EOPNOTSUPP)
	})
}
