package test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

func TestSparseFiles(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		f, err := p.open("sparse", unix.O_RDWR|unix.O_CREAT)
		ok(t, err)
		ok(t, f.ftruncate(1<<20))
		_, err = f.pwrite("x", 3<<20)
		ok(t, err)
		ok(t, f.ftruncate(2<<20))
		ok(t, f.ftruncate(4<<20)) // what was cut off does not come back
		_, err = f.pwrite("y", 1<<19)
		ok(t, err)
		want := strings.Repeat("\x00", 1<<19) + "y" + strings.Repeat("\x00", 4<<20-1<<19-1)
		got, err := f.readAll()
		ok(t, err)
		equal(t, "the handle", got, want)
		finds(t, f, 0, unix.SEEK_HOLE, 0)
		finds(t, f, 0, unix.SEEK_DATA, 1<<19)
		finds(t, f, 1<<19, unix.SEEK_HOLE, 1<<19+1)
		_, err = f.seek(1<<19+4096, unix.SEEK_DATA)
		fails(t, "SEEK_DATA behind the last", err, unix.ENXIO)
		ok(t, f.mmap(4<<20, unix.PROT_READ|unix.PROT_WRITE))
		ok(t, f.store("z", 3<<20)) // not seen yet by anybody but the kernel
		want = want[:3<<20] + "z" + want[3<<20+1:]
		finds(t, f, 2<<20, unix.SEEK_DATA, 3<<20)
		ok(t, f.munmap())
		ok(t, f.close())
		s.sync(t)
		equal(t, "the object", s.content(t, "sparse"), want)
		f, err = p.open("sparse", unix.O_RDONLY)
		ok(t, err)
		finds(t, f, 1<<20, unix.SEEK_DATA, 1<<20)
		finds(t, f, 1<<20, unix.SEEK_HOLE, 4<<20)
		_, err = f.seek(4<<20, unix.SEEK_HOLE)
		fails(t, "SEEK_HOLE at the end", err, unix.ENXIO)
		ok(t, f.close())
	})
}

// finds looks for data or a hole.
func finds(t testing.TB, f *file, from int64, whence int, want int64) {
	t.Helper()
	if got, err := f.seek(from, whence); err != nil || got != want {
		t.Errorf("lseek from %d, whence %d: %d, %v; want %d", from, whence, got, err, want)
	}
}

// TestPreallocation does the same to an edited object, to a new file, and to one
// that the kernel writes by itself.
func TestPreallocation(t *testing.T) {
	const (
		keep  = unix.FALLOC_FL_KEEP_SIZE
		punch = unix.FALLOC_FL_PUNCH_HOLE | keep
		zero  = unix.FALLOC_FL_ZERO_RANGE
	)
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		start := random(1 << 20)
		s.put(t, "edited", start)
		for name, flags := range map[string]int{"edited": unix.O_RDWR, "new": unix.O_RDWR | unix.O_CREAT, "the kernel's": unix.O_WRONLY | unix.O_CREAT} {
			f, err := p.open(name, flags)
			ok(t, err)
			if name != "edited" {
				_, err = f.pwrite(start, 0)
				ok(t, err)
			}
			for _, mode := range []int{unix.FALLOC_FL_COLLAPSE_RANGE, unix.FALLOC_FL_INSERT_RANGE} {
				fails(t, name+": collapse or insert", f.fallocate(mode, 0, 4096), unix.EOPNOTSUPP)
			}
			fails(t, name+": beyond what an object can be", f.fallocate(0, 10<<40, 4096), unix.EFBIG)
			ok(t, f.fallocate(keep, 1<<20-100, 1<<20))
			ok(t, f.fallocate(punch, 100_000, 100_000))
			ok(t, f.fallocate(zero|keep, 1<<20-10, 1<<19)) // not beyond the end
			ok(t, f.fallocate(punch, 1<<20, 1<<20))        // nothing is there
			stat, err := f.fstat()
			ok(t, err)
			if stat.Size != 1<<20 {
				t.Errorf("%s: %d bytes, want %d", name, stat.Size, 1<<20)
			}
			if name == "edited" {
				finds(t, f, 0, unix.SEEK_HOLE, 100_000)
				finds(t, f, 110_000, unix.SEEK_DATA, 200_000)
			} else { // whole pages of the local file
				finds(t, f, 0, unix.SEEK_HOLE, 102_400)
				finds(t, f, 110_000, unix.SEEK_DATA, 196_608)
			}
			ok(t, f.fallocate(0, 1<<19, 1<<20))
			ok(t, f.fallocate(zero, 1<<20, 1<<20))
			_, err = f.pwrite("end", 2<<20-3)
			ok(t, err)
			ok(t, f.close())
			zeros := func(n int) string { return strings.Repeat("\x00", n) }
			want := start[:100_000] + zeros(100_000) + start[200_000:1<<20-10] + zeros(1<<20+7) + "end"
			s.sync(t)
			equal(t, name, s.content(t, name), want)
		}
	})
}

// TestFullDiskIsToldByFallocate, and what it has set aside is there for writes,
// whoever fills the disk meanwhile.
func TestFullDiskIsToldByFallocate(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]string{"free": "--kernel-writes=auto", "limited": "--stage-size=12M"} {
		for who, flags := range map[string]int{"in place": unix.O_RDWR, "by the kernel": unix.O_WRONLY} {
			t.Run(name+", "+who, func(t *testing.T) {
				t.Parallel()
				s, _ := startEmulator(t, emulator.Options{})
				disk := smallDisk(t)
				f, err := s.mount(t, root(), option, "--stage-dir="+disk+"/stage").start(t).open("file", flags|unix.O_CREAT)
				ok(t, err)
				fails(t, "too much", f.fallocate(unix.FALLOC_FL_KEEP_SIZE, 0, 20<<20), unix.ENOSPC)
				ok(t, f.fallocate(0, 0, 8<<20))
				fails(t, "more", f.fallocate(0, 8<<20, 8<<20), unix.ENOSPC)
				fill(t, disk, 64<<10)
				content := random(8 << 20)
				_, err = f.pwrite(content, 0)
				ok(t, err)
				ok(t, f.close())
				s.sync(t)
				equal(t, "the object", s.content(t, "file"), content)
			})
		}
	}
}
