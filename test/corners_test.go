package test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestAttributesSetRightAfterCloseHold: the kernel reports the release of a
// file after close(2) has returned, in the middle of what follows.
func TestAttributesSetRightAfterCloseHold(t *testing.T) {
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	mtime := time.Unix(1_000_000_000, 0)
	const programs, files = 4, 50
	var group sync.WaitGroup
	for i := range programs {
		p := m.start(t)
		group.Go(func() {
			for j := range files {
				name := fmt.Sprint("file-", i, "-", j)
				if err := errors.Join(p.writeFile(name, name), p.chmod(name, 0o600), p.utimens(name, mtime, mtime)); err != nil {
					t.Error(err)
				}
				if st, err := p.lstat(name); err != nil || st.Mode != 0o100600 || st.Mtim.Sec != mtime.Unix() {
					t.Errorf("%s: mode %o, mtime %d, %v", name, st.Mode, st.Mtim.Sec, err)
				}
			}
		})
	}
	group.Wait()
	m.unmount(t)
	for i := range programs {
		for j := range files {
			name := fmt.Sprint("file-", i, "-", j)
			if o := s.head(t, name); o.Meta["mode"] != "33152" || o.Meta["mtime"] != strconv.FormatInt(mtime.Unix(), 10) {
				t.Errorf("object %s has %v", name, o.Meta)
			}
		}
	}
}

// TestExtendedAttributesThatDoNotFitAreRefusedAtOnce, and not when the file is
// closed.
func TestExtendedAttributesThatDoNotFitAreRefusedAtOnce(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		f, err := p.open("file", unix.O_WRONLY|unix.O_CREAT)
		ok(t, err)
		_, err = f.pwrite("content", 0)
		ok(t, err)
		fit := 0
		for err == nil && fit < 1000 {
			if err = p.setxattr("file", fmt.Sprint("user.", fit), "x"); err == nil {
				fit++
			}
		}
		fails(t, "one too many", err, unix.ENOSPC)
		ok(t, f.close())
		equal(t, "the object", s.content(t, "file"), "content")
		if fit < 10 {
			t.Errorf("only %d attributes fit", fit)
		}
	})
}

func TestRemovedDirectoryCanStillBeLookedAt(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.mkdir("dir"))
		d, err := p.open("dir", unix.O_RDONLY|unix.O_DIRECTORY)
		ok(t, err)
		ok(t, p.rmdir("dir"))
		st, err := d.fstat()
		ok(t, err)
		if st.Nlink != 0 || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			t.Errorf("mode %o, %d links", st.Mode, st.Nlink)
		}
		ok(t, d.close())
	})
}

// TestCloseOfATruncatingReaderTellsTheTruth: O_RDONLY|O_TRUNC changes a file.
func TestCloseOfATruncatingReaderTellsTheTruth(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	s.put(t, "file", "content")
	m := s.mount(t, root(), "--retry-time=1s")
	p := m.start(t)
	heal := server.Faults().Add(emulator.Fault{Operation: opPut, Effect: emulator.Refuse, Code: "AccessDenied"})
	f, err := p.open("file", unix.O_RDONLY|unix.O_TRUNC)
	ok(t, err)
	fails(t, "close", f.close(), unix.EACCES)
	heal()
	eventually(t, "the file is empty", func() bool { return s.head(t, "file").Size == 0 })
}

func TestWritersLoseTheSetIDBitsOfAFile(t *testing.T) {
	t.Parallel()
	requireUser(t)
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--allow-other")
	p := m.start(t)
	ok(t, p.writeFile("file", "#!/bin/sh\n"))
	ok(t, p.chmod("file", 0o6777))
	theirs := *m
	theirs.who = nobody()
	theirs.sh(t, "echo echo ours >> file")
	st, err := p.lstat("file")
	ok(t, err)
	if st.Mode != 0o100777 {
		t.Errorf("mode %o, want 100777", st.Mode)
	}
	m.unmount(t)
	if got := s.head(t, "file").Meta["mode"]; got != strconv.Itoa(0o100777) {
		t.Errorf("the object has mode %s", got)
	}
}
