package test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// smallDisk mounts a file system of 32 MiB until the test ends.
func smallDisk(t testing.TB) string {
	t.Helper()
	dir := root().dir(t)
	ok(t, unix.Mount("none", dir, "tmpfs", 0, "size=32m,mode=700"))
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all space of a disk but some bytes.
func fill(t testing.TB, dir string, left int64) {
	t.Helper()
	var st unix.Statfs_t
	ok(t, unix.Statfs(dir, &st))
	f, err := os.Create(dir + "/filler")
	ok(t, err)
	defer f.Close()
	if free := int64(st.Bavail) * st.Bsize; free > left {
		ok(t, unix.Fallocate(int(f.Fd()), 0, 0, free-left))
	}
}

// TestBadFullStageDisk: ENOSPC comes from open or write, never from close; what
// was acknowledged is there after a crash.
func TestBadFullStageDisk(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]string{"sync": "--write-back=false", "write-back": "--write-back"} {
		for left, bytes := range map[string]int64{"nothing is left": 0, "some is left": 2 << 20} {
			t.Run(name+", "+left, func(t *testing.T) {
				t.Parallel()
				s, server := startEmulator(t, emulator.Options{})
				disk := smallDisk(t)
				s.put(t, "removed", "")
				s.put(t, "moved", "what was here")
				s.put(t, "read", random(3<<20))
				stage := disk + "/stage"
				m := s.mount(t, root(), option, "--retry-time=1s", "--stage-dir="+stage)
				repair := refuseUploads(server)
				d := &diskUser{t: t, p: m.start(t), refused: option != "--write-back", kept: map[string]string{}}
				d.writeUntilFull()
				fill(t, disk, bytes)
				for range 20 {
					d.write(1 + len(d.kept)*1000)
				}
				got, err := d.p.readFile("read")
				ok(t, err)
				equal(t, "what is only read", got, random(3<<20))
				ok(t, d.p.unlink("removed"))
				ok(t, d.p.rename("moved", "elsewhere"))
				m.kill(t)
				d.p.end()
				m.ncloudfs(t, 0, "umount", m.path)

				repair()
				if bytes == 0 { // without room for a probe the mount is refused
					ok(t, os.Remove(disk+"/filler"))
				}
				again := s.mount(t, root(), option, "--stage-dir="+stage)
				if code := again.stop(t); code != 0 {
					t.Errorf("exit code %d after SIGTERM", code)
				}
				for name, content := range d.kept {
					equal(t, name, s.content(t, name), content)
				}
				equal(t, "elsewhere", s.content(t, "elsewhere"), "what was here")
				for _, name := range []string{"removed", "moved"} {
					if s.exists(t, name) {
						t.Errorf("%s is still there", name)
					}
				}
			})
		}
	}
}

// diskUser writes files, and knows what must be kept of them.
type diskUser struct {
	t       testing.TB
	p       *program
	refused bool // close fails: EACCES is what refuseUploads makes of it, and the file is kept
	kept    map[string]string
	full    int // writes that found no space
}

// write writes one file of some bytes.
func (d *diskUser) write(size int) (full bool) {
	d.t.Helper()
	name := fmt.Sprint("file", len(d.kept)+d.full)
	f, err := d.p.open(name, unix.O_WRONLY|unix.O_CREAT)
	if errors.Is(err, unix.ENOSPC) {
		d.full++
		return true
	}
	ok(d.t, err)
	content := ""
	for piece := strings.Repeat(name+",", 1<<16)[:min(size, 256<<10)]; len(content) < size && !full; {
		n, err := f.pwrite(piece[:min(len(piece), size-len(content))], int64(len(content)))
		full = errors.Is(err, unix.ENOSPC)
		if err != nil && !full {
			d.t.Fatalf("write: %v", err)
		}
		content += piece[:max(n, 0)]
	}
	switch err := f.close(); {
	case err == nil && !d.refused, errors.Is(err, unix.EACCES) && d.refused:
		d.kept[name] = content
	default:
		d.t.Errorf("close of %s, of which %d bytes were written, full %v: %v", name, len(content), full, err)
	}
	return full
}

// writeUntilFull writes small files, then a large one.
func (d *diskUser) writeUntilFull() {
	d.t.Helper()
	for range 5 {
		if d.write(300) {
			d.t.Fatal("the disk is full at once")
		}
	}
	if !d.write(40 << 20) {
		d.t.Fatal("40 MiB fit on a disk of 32 MiB")
	}
}
