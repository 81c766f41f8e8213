package test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCloseAndFsync(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		f, err := p.open("file", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
		ok(t, err)
		if s.exists(t, "file") {
			t.Error("creating a file sent something")
		}
		_, err = f.pwrite("synced", 0)
		ok(t, err)
		ok(t, f.fsync())
		equal(t, "after fsync", s.content(t, "file"), "synced")
		_, err = f.pwrite(", closed", 6)
		ok(t, err)
		ok(t, f.close())
		equal(t, "after close", s.content(t, "file"), "synced, closed")
		m.unmount(t)
	})
}

func TestEmptyFiles(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.writeFile("empty", ""))
		if s.head(t, "empty").Size != 0 {
			t.Error("not empty")
		}
		f, err := p.open("duplicated", unix.O_WRONLY|unix.O_CREAT)
		ok(t, err)
		again, err := f.dup()
		ok(t, err)
		ok(t, f.close())
		if s.exists(t, "duplicated") {
			t.Error("sent while the process still has it open")
		}
		ok(t, again.close())
		if !s.exists(t, "duplicated") {
			t.Error("not sent by the last close")
		}
		m.sh(t, "> shell; (:) > subshell; dd if=/dev/null of=dd status=none; touch touched")
		equal(t, "the keys", strings.Join(s.keys(t, ""), " "), "dd duplicated empty shell subshell touched")
	})
}

func TestWritingIntoExistingObjects(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		content := random(64 << 20)
		s.put(t, "large", content)
		m := s.mount(t, root())
		f, err := m.start(t).open("large", unix.O_RDWR)
		ok(t, err)
		const off = 33<<20 + 123
		piece := strings.Repeat("new bytes ", 10_000)
		_, err = f.pwrite(piece, off)
		ok(t, err)
		got, err := f.pread(len(piece)+200, off-100)
		ok(t, err)
		want := content[:off] + piece + content[off+len(piece):]
		equal(t, "around the change", got, want[off-100:][:len(piece)+200])
		ok(t, f.close())
		equal(t, "what another client downloads", s.content(t, "large"), want)
	})
}

func TestResizingExistingObjects(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		content := random(3 << 20)
		s.put(t, "file", content)
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.truncate("file", 2<<20))
		equal(t, "cut", s.content(t, "file"), content[:2<<20])
		ok(t, p.truncate("file", 3<<20))
		equal(t, "extended", s.content(t, "file"), content[:2<<20]+strings.Repeat("\x00", 1<<20))
		m.sh(t, "printf abc | dd of=file bs=1 seek=7 conv=notrunc status=none; printf end >> file; sed -i s/abc/ABCDEF/ file")
		equal(t, "edited", s.content(t, "file"), content[:7]+"ABCDEF"+content[10:2<<20]+strings.Repeat("\x00", 1<<20)+"end")
		equal(t, "the mount", m.sh(t, "stat -c %s file; ls"), "3145734\nfile\n")
	})
}

func TestEditOfAnObjectThatAnotherClientChangedIsStale(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		for _, name := range []string{"changed", "removed"} {
			s.put(t, name, "the base, which is edited")
		}
		m := s.mount(t, root())
		p := m.start(t)
		edit := func(name string, meanwhile func()) error {
			f, err := p.open(name, unix.O_RDWR)
			ok(t, err)
			_, err = f.pwrite("our edit of "+name, 0)
			ok(t, err)
			meanwhile()
			return f.close()
		}
		fails(t, "close of a changed object", edit("changed", func() { s.put(t, "changed", "theirs") }), unix.ESTALE)
		equal(t, "the object", s.content(t, "changed"), "theirs")
		eventually(t, "the mount shows theirs", func() bool {
			got, err := p.readFile("changed")
			return err == nil && got == "theirs"
		})
		fails(t, "close of a removed object", edit("removed", func() { ok(t, s.client.Delete(t.Context(), s.path("removed"))) }), unix.ESTALE)
		if s.exists(t, "removed") {
			t.Error("the removed object is there again")
		}
		kept := filesIn(t, m.stageDir(t))
		for _, name := range []string{"changed", "removed"} {
			if !strings.Contains(kept, "our edit of "+name) {
				t.Errorf("our copy of %q is not in the stage directory", name)
			}
		}
		if !strings.Contains(m.log.String(), "the local copy is kept") {
			t.Error("the log does not name the copies")
		}
		m.mayFail = true
	})
}

func TestLastWriterWins(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "truncated", "old")
		m := s.mount(t, root())
		p := m.start(t)
		for name, flags := range map[string]int{"truncated": unix.O_TRUNC, "new": unix.O_CREAT} {
			f, err := p.open(name, unix.O_WRONLY|flags)
			ok(t, err)
			s.put(t, name, "theirs, which is longer")
			_, err = f.pwrite("ours", 0)
			ok(t, err)
			ok(t, f.close())
			equal(t, name, s.content(t, name), "ours")
		}
	})
}

func TestWindowsThatRemain(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		_, err := p.lstat("lock")
		fails(t, "lstat", err, unix.ENOENT)
		s.put(t, "lock", "another host's")
		f, err := p.open("lock", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
		ok(t, err) // the name is believed absent
		_, err = f.pwrite("ours", 0)
		ok(t, err)
		ok(t, f.close())
		equal(t, "the object", s.content(t, "lock"), "ours")
		_, err = p.open("lock", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
		fails(t, "O_EXCL in this mount", err, unix.EEXIST)
	})
}

func TestSizeLimits(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		f, err := p.open("file", unix.O_RDWR|unix.O_CREAT)
		ok(t, err)
		const limit = 10 << 40
		fails(t, "truncate", f.ftruncate(limit+1), unix.EFBIG)
		_, err = f.pwrite("x", limit)
		fails(t, "write", err, unix.EFBIG)
		ok(t, f.close())
	})
}

// TestLargeFileKeepsItsTimesAcrossMounts: those of its object where it was sent
// while it was written, and what a program sets.
func TestLargeFileKeepsItsTimesAcrossMounts(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		const show = "stat -c '%n %a %s %.9Y' written copied; cmp written copied"
		m := s.mount(t, root())
		m.sh(t, "head -c 40M /dev/urandom > written; cp written copied; exec 3<>copied; cat written >&3; chmod 640 copied; touch -d @1000000000.123456789 copied; exec 3>&-")
		before := m.sh(t, show)
		says(t, before, "copied 640 41943040 1000000000.123456789")
		m.unmount(t)
		equal(t, "the next mount", s.mount(t, root(), "--attrs=exact").sh(t, show), before)
	})
}
