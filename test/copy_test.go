package test

import (
	"strings"
	"testing"
	"time"

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

// TestCopyOfALargeFileMovesNoData: cp of 1 GiB is one request, in either mode.
func TestCopyOfALargeFileMovesNoData(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	for _, option := range []string{"--write-back=false", "--write-back"} {
		t.Run(option, func(t *testing.T) {
			s, server := startEmulator(t, emulator.Options{})
			ok(t, server.Generate(emulator.Generated{Bucket: s.bucket, Key: "a", Size: 1 << 30, Seed: 1}))
			m := s.mount(t, root(), option)
			m.sh(t, "ls -l > /dev/null")
			shellCost(t, s, m, "cp a b", counts{opCopy: 1})
			equal(t, "the size", m.sh(t, "stat -c %s b"), "1073741824\n")
			shellCost(t, s, m, "cp a b", counts{opCopy: 1, opACL: 1}) // what it replaces may have grants
			want := make([]byte, 5)
			_, err := emulator.NewPattern().Content(1<<30, 1).ReadAt(want, 1<<30-5)
			ok(t, err)
			equal(t, "its end", m.sh(t, "tail -c 5 b"), string(want))
		})
	}
}

// TestCopyOfAPartMovesItsBytes: the kernel cuts calls to 4 GiB, so that one for
// a larger file is one for its beginning, which no Copy makes.
func TestCopyOfAPartMovesItsBytes(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	s, server := startEmulator(t, emulator.Options{})
	const size, part = 4<<30 + 1, 100_000
	ok(t, server.Generate(emulator.Generated{Bucket: s.bucket, Key: "large", Size: size, Seed: 1}))
	m := s.mount(t, root())
	m.sh(t, "ls -l > /dev/null")
	p := m.start(t)
	from, err := p.open("large", unix.O_RDONLY)
	ok(t, err)
	to, err := p.open("part", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	ok(t, err)
	got := requests(t, s, func() {
		ok(t, to.copyFrom(from, part))
		ok(t, to.close())
		m.ncloudfs(t, 0, "sync", m.path)
	})
	if got[opCopy] > 0 || got[opPut] != 1 {
		t.Errorf("requests %v, want one PUT and no copy", got)
	}
	want := make([]byte, part)
	_, err = emulator.NewPattern().Content(size, 1).ReadAt(want, 0)
	ok(t, err)
	equal(t, "the part", s.content(t, "part"), string(want))
}

// TestCopyBetweenBuckets of one account is one request, too.
func TestCopyBetweenBuckets(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		other := s.in(s.bucket + "-other")
		ok(t, s.client.MakeBucket(contextOf(t), other.bucket, ""))
		if s.emulator == nil {
			t.Cleanup(func() { other.remove(t) })
		}
		want := random(3 << 20)
		s.put(t, "dir/from", want)
		s.put(t, "dir/small", "text")
		m := s.mountAccount(t)
		sh := func(script string) string {
			return m.shell().run(t, time.Minute, script, s.bucket, other.bucket)
		}
		sh(`ls -l "$1/dir" "$2"`)
		copies := func() { sh(`cp "$1/dir/from" "$2/to"`) }
		if s.emulator != nil && theMode().isPlain() {
			expect(t, s, "cp to another bucket", counts{opCopy: 1}, copies)
		} else {
			copies()
		}
		equal(t, "the copy at once", other.content(t, "to"), want)
		sh(`cp -a "$1/dir" "$2"; cmp "$1/dir/from" "$2/dir/from"; echo more >> "$2/dir/small"; rm "$2/to"`)
		m.ncloudfs(t, 0, "sync", m.path)
		equal(t, "the keys", strings.Join(other.keys(t, ""), " "), "dir/ dir/from dir/small")
		equal(t, "the edited copy", other.content(t, "dir/small"), "textmore\n")
		equal(t, "the original", s.content(t, "dir/small"), "text")
	})
}
