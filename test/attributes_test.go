package test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
)

func TestModeOwnerAndTimes(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.putWith(t, "file", "text", remote.PutOptions{ContentType: "text/plain", Meta: remote.Meta{"color": "blue"}})
		s.put(t, "dir/x", "")
		m := s.mount(t, root(), "--uid=1000", "--gid=1001", "--umask=027")
		p := m.start(t)
		st, err := p.lstat("file")
		ok(t, err)
		if st.Mode != unix.S_IFREG|0o640 || st.Uid != 1000 || st.Gid != 1001 {
			t.Errorf("an object without metadata shows %o %d:%d", st.Mode, st.Uid, st.Gid)
		}
		mtime := time.Unix(1_000_000_000, 123_456_789)
		atime := time.Unix(1_100_000_000, 0)
		for _, name := range []string{"file", "dir"} {
			ok(t, p.chown(name, 12, 34)) // which takes set-id bits away
			ok(t, p.chmod(name, 0o7751))
			ok(t, p.utimens(name, atime, mtime))
		}
		check := func(p *program, name string, mode uint32) {
			t.Helper()
			st, err := p.lstat(name)
			ok(t, err)
			got := fmt.Sprintf("%o %d:%d %v %v", st.Mode, st.Uid, st.Gid, time.Unix(st.Mtim.Unix()), time.Unix(st.Atim.Unix()))
			equal(t, name, got, fmt.Sprintf("%o 12:34 %v %v", mode|0o7751, mtime, atime))
		}
		check(p, "file", unix.S_IFREG)
		check(p, "dir", unix.S_IFDIR)
		o := s.head(t, "file")
		for name, want := range map[string]string{"color": "blue", "mode": strconv.Itoa(unix.S_IFREG | 0o7751), "uid": "12", "gid": "34"} {
			equal(t, "x-amz-meta-"+name, o.Meta[name], want)
		}
		for name, want := range map[string]string{"mtime": "1000000000", "atime": "1100000000"} {
			if got := o.Meta[name]; !strings.HasPrefix(got, want) {
				t.Errorf("x-amz-meta-%s is %q, want %s", name, got, want)
			}
		}
		equal(t, "the content type", o.ContentType, "text/plain")
		equal(t, "the content", s.content(t, "file"), "text")
		m.unmount(t)

		again := s.mount(t, root(), "--attrs=exact").start(t)
		check(again, "file", unix.S_IFREG)
		check(again, "dir", unix.S_IFDIR)
	})
}

func TestAttributesOfOpenFiles(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		f, err := p.open("file", unix.O_RDWR|unix.O_CREAT)
		ok(t, err)
		ok(t, p.chmod("file", 0o600))
		_, err = f.pwrite("text", 0)
		ok(t, err)
		mtime := time.Unix(1_000_000_000, 0)
		ok(t, p.utimens("file", mtime, mtime)) // as cp -p does before it closes
		ok(t, f.close())
		o := s.head(t, "file")
		equal(t, "mode", o.Meta["mode"], strconv.Itoa(unix.S_IFREG|0o600))
		if !strings.HasPrefix(o.Meta["mtime"], "1000000000") {
			t.Errorf("mtime is %q", o.Meta["mtime"])
		}
		st, err := p.lstat("file")
		ok(t, err)
		if st.Mtim.Sec != mtime.Unix() || st.Size != 4 {
			t.Errorf("shows mtime %d and size %d", st.Mtim.Sec, st.Size)
		}
	})
}

func TestSymbolicLinksAndSpecialFiles(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.symlink("../대상 target", "link"))
		ok(t, p.mknod("pipe", unix.S_IFIFO|0o640))
		ok(t, p.mknod("socket", unix.S_IFSOCK|0o600))
		ok(t, p.mknod("regular", unix.S_IFREG|0o600))
		equal(t, "a device", m.sh(t, "mknod -m 600 device c 1 300 && stat -c '%F %t %T' device"), "character special file 1 12c\n")
		equal(t, "the link's body", s.content(t, "link"), "../대상 target")
		equal(t, "the link's mode", s.head(t, "link").Meta["mode"], strconv.Itoa(unix.S_IFLNK|0o777))
		equal(t, "the pipe's mode", s.head(t, "pipe").Meta["mode"], strconv.Itoa(unix.S_IFIFO|0o640))
		equal(t, "through the pipe", m.sh(t, "echo hello > pipe & cat pipe; wait"), "hello\n")
		m.unmount(t)

		p = s.mount(t, root(), "--attrs=exact").start(t)
		target, err := p.readlink("link")
		ok(t, err)
		equal(t, "the target", target, "../대상 target")
		for name, mode := range map[string]uint32{"link": unix.S_IFLNK | 0o777, "pipe": unix.S_IFIFO | 0o640,
			"socket": unix.S_IFSOCK | 0o600, "regular": unix.S_IFREG | 0o600, "device": unix.S_IFCHR | 0o600} {
			st, err := p.lstat(name)
			ok(t, err)
			if st.Mode != mode {
				t.Errorf("%s has mode %o, want %o", name, st.Mode, mode)
			}
			if name == "device" && st.Rdev != unix.Mkdev(1, 300) {
				t.Errorf("%s has number %x", name, st.Rdev)
			}
		}
	})
}

func TestExtendedAttributes(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "file", "text")
		s.put(t, "dir/x", "")
		m := s.mount(t, root())
		p := m.start(t)
		for _, name := range []string{"file", "dir"} {
			_, err := p.getxattr(name, "user.none")
			fails(t, "absent", err, unix.ENODATA)
			ok(t, p.setxattr(name, "user.한글", "값\x00\xff"))
			ok(t, p.setxattr(name, "user.empty", ""))
			_, err = p.getxattr(name, "security.capability")
			fails(t, "another class", err, unix.EOPNOTSUPP)
			if err := p.setxattr(name, "trusted.x", "x"); !errors.Is(err, unix.EOPNOTSUPP) {
				t.Errorf("setting another class: %v", err)
			}
			fails(t, "too large", p.setxattr(name, "user.large", strings.Repeat("v", 2000)), unix.ENOSPC)
		}
		m.unmount(t)

		m = s.mount(t, root(), "--attrs=exact")
		p = m.start(t)
		for _, name := range []string{"file", "dir"} {
			got, err := p.getxattr(name, "user.한글")
			ok(t, err)
			equal(t, name, got, "값\x00\xff")
			got, err = p.getxattr(name, "user.empty")
			ok(t, err)
			equal(t, name, got, "")
		}
		equal(t, "the content", s.content(t, "file"), "text")
	})
}

func TestFileSystemSize(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		equal(t, "bytes free", m.sh(t, "echo $(($(stat -f -c '%a * %S' .)))"), fmt.Sprintln(1<<50))
	})
}

// TestInodeNumbersHold: a walk, as that of find(1), takes a directory for another
// one when its number changes.
func TestInodeNumbersHold(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "dir/file", "text")
		m := s.mount(t, root())
		p := m.start(t)
		ok(t, p.symlink("dir", "link"))
		ok(t, p.writeFile("new", "text"))
		number := func(name string) uint64 {
			st, err := p.lstat(name)
			ok(t, err)
			return st.Ino
		}
		seen := map[uint64]bool{0: true}
		for _, name := range []string{"", "dir", "dir/file", "link", "new"} {
			before := number(name)
			if seen[before] {
				t.Errorf("%q has the number %d, which is none or another's", name, before)
			}
			seen[before] = true
			for i, change := range []func() error{
				func() error { return p.utimens(name, time.Unix(1, 0), time.Unix(1, 0)) },
				func() error { return p.chown(name, 1, 1) },
				func() error { return p.chmod(strings.Replace(name, "link", "new", 1), 0o700) },
				func() error { return p.truncate(strings.Replace(name, "link", "new", 1), 2) },
			} {
				if err := change(); err != nil && !errors.Is(err, unix.EISDIR) {
					t.Error(err)
				}
				if got := number(name); got != before {
					t.Errorf("%q has the number %d after change %d, had %d", name, got, i, before)
				}
			}
		}
	})
}
