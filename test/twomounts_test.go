package test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// soon is a --metadata-ttl after which what the other mount closed is seen.
const soon = "--metadata-ttl=100ms"

func TestSecondMountSeesClosedFilesAfterItsTTL(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		first := s.mount(t, root())
		a, b := first.start(t), s.mount(t, root(), soon, "--late-time=1s").start(t)
		sees := func(name, want string) {
			t.Helper()
			eventually(t, "the other mount has "+want+" in "+name, func() bool {
				got, err := b.readFile(name)
				return err == nil && got == want
			})
		}
		ok(t, a.mkdir("dir"))
		f, err := a.open("dir/file", unix.O_RDWR|unix.O_CREAT)
		ok(t, err)
		_, err = f.pwrite("not closed", 0)
		ok(t, err)
		names, err := b.readDir("")
		ok(t, err)
		_, err = b.lstat("dir/file")
		fails(t, "lstat of a file that the other has not closed", err, unix.ENOENT)
		t.Logf("before the close: %q", names)
		ok(t, f.close())
		s.sync(t)
		sees("dir/file", "not closed")
		ok(t, a.writeFile("dir/file", "closed again"))
		s.sync(t)
		sees("dir/file", "closed again")
		ok(t, a.rename("dir/file", "moved"))
		s.sync(t)
		sees("moved", "closed again")
		ok(t, b.writeFile("moved", "by the second"))
		s.sync(t)
		eventually(t, "the first, which believes for a minute, keeps what it knows or sees the change", func() bool {
			got, err := a.readFile("moved")
			return err == nil && (got == "closed again" || got == "by the second")
		})
		first.unmount(t)
		ok(t, s.mount(t, root()).start(t).unlink("moved")) // by one that knows of it: others leave a newer version alone
		s.sync(t)
		eventually(t, "it is gone", func() bool {
			_, err := b.lstat("moved")
			return errors.Is(err, unix.ENOENT)
		})
	})
}

// conflictCopies returns the keys of what is kept beside name because of
// another client's version.
func (s *store) conflictCopies(t testing.TB, name string) []string {
	t.Helper()
	host, err := os.Hostname()
	ok(t, err)
	pattern := regexp.MustCompile("^" + regexp.QuoteMeta(name+".conflict-"+host+"-") + `\d{8}T\d{6}\.\d{3}Z$`)
	var found []string
	for _, key := range s.keys(t, name) {
		switch {
		case pattern.MatchString(key):
			found = append(found, key)
		case key != name:
			t.Errorf("beside %q is %q", name, key)
		}
	}
	return found
}

// oneConflict checks that theirs has the name and that ours is beside it.
func (s *store) oneConflict(t testing.TB, name, theirs, ours string) (copied string) {
	t.Helper()
	equal(t, name, s.content(t, name), theirs)
	copies := s.conflictCopies(t, name)
	if len(copies) != 1 {
		t.Fatalf("%d conflict copies of %q, want 1: %q", len(copies), name, copies)
	}
	equal(t, copies[0], s.content(t, copies[0]), ours)
	return copies[0]
}

// TestConflicts: the second to close finds the first's
// version.
func TestConflicts(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		bases := map[string]string{"small": "what both edit, ", "large": random(9 << 20)} // uploaded in parts
		for name, base := range bases {
			s.put(t, name, base) // before a mount can list the bucket without it
		}
		ma, mb := s.mount(t, root(), soon), s.mount(t, root(), soon)
		pa, pb := ma.start(t), mb.start(t)
		for name, base := range bases {
			edit := func(p *program, text string) *file {
				f, err := p.open(name, unix.O_RDWR)
				ok(t, err)
				_, err = f.pread(len(base), 0)
				ok(t, err)
				_, err = f.pwrite(text, int64(len(base)))
				ok(t, err)
				return f
			}
			fa, fb := edit(pa, "the first"), edit(pb, "the second")
			again, err := fb.dup()
			ok(t, err)
			ok(t, fa.close())
			s.sync(t)
			if err := fb.close(); !theMode().writeBack {
				fails(t, "close of the second", err, unix.ESTALE)
			}
			copied := s.oneConflict(t, name, base+"the first", base+"the second")
			says(t, mb.log.String(), copied)
			_, err = again.pwrite(" goes on", int64(len(base+"the second")))
			ok(t, err)
			if err := again.close(); !theMode().writeBack { // else it is the first to tell
				ok(t, err)
			}
			s.oneConflict(t, name, base+"the first", base+"the second goes on")
			if name == "large" {
				continue
			}
			for _, p := range []*program{pa, pb} {
				for shown, want := range map[string]string{name: base + "the first", copied: base + "the second goes on"} {
					eventually(t, "both mounts show "+shown, func() bool {
						got, err := p.readFile(shown)
						return err == nil && got == want
					})
				}
			}
		}
	})
}

// TestConflictWithoutTheOldVersion: what an edit did not replace is gone with
// the old version, so that there is nothing whole to store.
func TestConflictWithoutTheOldVersion(t *testing.T) {
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	s.put(t, "file", random(6<<20))
	m := s.mount(t, root())
	m.mayFail = true
	f, err := m.start(t).open("file", unix.O_WRONLY)
	ok(t, err)
	_, err = f.pwrite("our edit", 3<<20)
	ok(t, err)
	s.put(t, "file", "theirs")
	if err := f.close(); !theMode().writeBack {
		fails(t, "close", err, unix.ESTALE)
	}
	equal(t, "the object", s.content(t, "file"), "theirs")
	if kept := filesIn(t, m.stageDir(t)); !strings.Contains(kept, "our edit") {
		t.Error("our edit is not in the stage directory")
	}
	says(t, m.log.String(), m.stageDir(t))
}

// TestNewFilesOfTwoMounts: of two that never saw each other's the last to close
// wins, as a program expects that replaces a file.
func TestNewFilesOfTwoMounts(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		a, b := s.mount(t, root()).start(t), s.mount(t, root()).start(t)
		create := func(p *program, text string) *file {
			f, err := p.open("file", unix.O_WRONLY|unix.O_CREAT)
			ok(t, err)
			_, err = f.pwrite(text, 0)
			ok(t, err)
			return f
		}
		fa, fb := create(a, "the first, longer"), create(b, "the second")
		ok(t, fa.close())
		equal(t, "after the first close", s.content(t, "file"), "the first, longer")
		ok(t, fb.close())
		equal(t, "after the last close", s.content(t, "file"), "the second")
		if copies := s.conflictCopies(t, "file"); len(copies) > 0 {
			t.Errorf("conflict copies: %q", copies)
		}
	})
}

// TestLateUploadMeetsAnotherMount: what was acknowledged on the local disk and
// not uploaded before a crash meets what another mount wrote meanwhile.
func TestLateUploadMeetsAnotherMount(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	stage := root().dir(t)
	for _, name := range []string{"appended", "replaced", "untouched"} {
		s.put(t, name, "the base, ")
	}
	first := s.mount(t, root(), "--write-back", "--stage-dir="+stage)
	repair := refuseUploads(server)
	first.sh(t, "printf ours >> appended; printf ours > replaced; printf ours >> untouched; printf ours > new; printf ours > alone")
	first.kill(t)
	first.ncloudfs(t, 0, "umount", first.path)
	repair()
	other := s.mount(t, root())
	other.sh(t, "for f in appended replaced new; do printf theirs > $f; done")
	other.unmount(t)

	again := s.mount(t, root(), "--write-back", "--stage-dir="+stage)
	p := again.start(t)
	for name, want := range map[string]string{"untouched": "the base, ours", "alone": "ours"} {
		got, err := p.readFile(name)
		ok(t, err)
		equal(t, name+" in the mount", got, want)
	}
	again.ncloudfs(t, 0, "sync", again.path)
	s.oneConflict(t, "replaced", "theirs", "ours")
	s.oneConflict(t, "new", "theirs", "ours")
	equal(t, "untouched", s.content(t, "untouched"), "the base, ours")
	equal(t, "alone", s.content(t, "alone"), "ours")
	equal(t, "appended", s.content(t, "appended"), "theirs")
	if kept := filesIn(t, stage); !strings.Contains(kept, "ours") { // the base is gone with its object
		t.Error("what was appended is not in the stage directory")
	}
	says(t, again.log.String(), stage)
}
