package test

import (
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestCopies are cp(1)'s, which calls copy_file_range(2).
func TestCopies(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		want := random(3 << 20)
		s.put(t, "from", want)
		m.sh(t, "ls -l")
		if s.emulator != nil {
			s.emulator.ResetCounts()
		}
		m.sh(t, "cp from to")
		equal(t, "the copy at once", s.content(t, "to"), want)
		if s.emulator != nil && theMode() == (mode{}) {
			n := s.emulator.Counts()
			if heads := n[emulator.OpHeadObject]; n[emulator.OpCopyObject] != 1 || n[opGet] != 1 || heads > 1 || len(n) > 3 { // the GET is content's
				t.Errorf("requests %v, want one copy, and one look at most", n)
			}
		}
		m.sh(t, "cmp from to; echo more >> to; cp -p from preserved; cp to from-to; printf edited | dd of=to bs=1 seek=1000 conv=notrunc status=none; cp -f to preserved; cp to again; cp from to")
		s.sync(t)
		edited := want[:1000] + "edited" + want[1006:] + "more\n"
		for name, content := range map[string]string{"from": want, "to": want, "from-to": want + "more\n", "preserved": edited, "again": edited} {
			equal(t, name, s.content(t, name), content)
			equal(t, name+" in the mount", m.sh(t, "cat "+name), content)
		}
	})
}

// TestCopyIsAFileLikeOthers: what is written to a copy before its close counts.
func TestCopyIsAFileLikeOthers(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		want := random(100_000)
		s.put(t, "from", want)
		p := m.start(t)
		from, err := p.open("from", unix.O_RDONLY)
		ok(t, err)
		to, err := p.open("to", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
		ok(t, err)
		ok(t, to.copyFrom(from, len(want)))
		_, err = to.pwrite("edited", 70_000)
		ok(t, err)
		ok(t, p.unlink("from"))
		_, err = to.pwrite("end", int64(len(want)))
		ok(t, err)
		ok(t, to.close())
		s.sync(t)
		equal(t, "the copy", s.content(t, "to"), want[:70_000]+"edited"+want[70_006:]+"end")
	})
}
