package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// version is content that tells its number by every byte and by its size.
func version(n int) string {
	return strings.Repeat(string(rune('a'+n%26)), 300_000+n%26*1000)
}

func TestOneVersionPerOpenFile(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "file", version(0))
		m := s.mount(t, root(), "--metadata-ttl=20ms")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var whole, stale atomic.Int32
		var readers sync.WaitGroup
		for range 3 {
			p := m.start(t)
			readers.Go(func() {
				for ctx.Err() == nil {
					switch err := readOneVersion(p); {
					case err == nil:
						whole.Add(1)
					case errors.Is(err, unix.ESTALE):
						stale.Add(1)
					default:
						t.Error(err)
						return
					}
				}
			})
		}
		last := 0
		for ctx.Err() == nil {
			last++
			s.put(t, "file", version(last))
		}
		readers.Wait()
		t.Logf("%d versions; %d reads of a whole one, %d ended by ESTALE", last, whole.Load(), stale.Load())
		if whole.Load() == 0 {
			t.Error("nobody ever read a version")
		}
		p := m.start(t)
		eventually(t, "the last version is read", func() bool {
			got, err := p.readFile("file")
			return err == nil && got == version(last)
		})
	})
}

// readOneVersion reads the file in pieces and fails unless they are one
// version, whole.
func readOneVersion(p *program) (err error) {
	f, err := p.open("file", unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	var all strings.Builder
	for {
		piece, err := f.pread(50_000, int64(all.Len()))
		all.WriteString(piece)
		if err != nil {
			return errors.Join(err, oneLetter(all.String()))
		}
		if piece == "" {
			break
		}
	}
	got := all.String()
	if err := oneLetter(got); err != nil {
		return err
	}
	if got == "" || got != version(int(got[0]-'a')) {
		return fmt.Errorf("%d bytes of version %.1q are not the whole of it", len(got), got)
	}
	return nil
}

func oneLetter(s string) error {
	if s == "" || strings.Count(s, s[:1]) == len(s) {
		return nil
	}
	at := len(s) - len(strings.TrimLeft(s, s[:1]))
	return fmt.Errorf("a mixture of versions: %.1q, but %.1q from byte %d of %d on", s, s[at:], at, len(s))
}

func TestChangesOfOtherClients(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		const ttl = 500 * time.Millisecond
		s.put(t, "file", "old")
		m := s.mount(t, root(), fmt.Sprint("--metadata-ttl=", ttl))
		p := m.start(t)
		got, err := p.readFile("file")
		ok(t, err)
		equal(t, "at first", got, "old")
		s.put(t, "file", "a new version")
		s.put(t, "another", "")
		eventually(t, "the new version and the new name are seen", func() bool {
			got, err := p.readFile("file")
			names, listErr := p.readDir("")
			return errors.Join(err, listErr) == nil && got == "a new version" && len(names) == 2
		})
		ok(t, s.client.Delete(t.Context(), s.path("file")))
		eventually(t, "the removal is seen", func() bool {
			_, err := p.lstat("file")
			return errors.Is(err, unix.ENOENT)
		})
	})
}

// TestOpenSeesTheSizeOfItsVersion: another client made the file longer, and the
// kernel, which knows the old size, opens it within the TTL.
func TestOpenSeesTheSizeOfItsVersion(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		const old, newer = "AAAA\n", "AAAA\nBBBBBBBBBBBBBB\n"
		for _, name := range []string{"appended", "read", "described"} {
			s.put(t, name, old)
		}
		m := s.mount(t, root())
		p := m.start(t)
		for _, name := range []string{"appended", "read", "described"} {
			_, err := p.lstat(name)
			ok(t, err)
			s.put(t, name, newer)
		}
		f, err := p.open("appended", unix.O_WRONLY|unix.O_APPEND)
		ok(t, err)
		_, err = f.write("CC\n")
		ok(t, err)
		switch err := f.close(); {
		case err == nil:
			equal(t, "appended", s.content(t, "appended"), newer+"CC\n")
		case errors.Is(err, unix.ESTALE):
			equal(t, "refused", s.content(t, "appended"), newer)
		default:
			t.Error(err)
		}
		_, err = p.getxattr("described", "user.none") // asks the bucket
		fails(t, "getxattr", err, unix.ENODATA)
		for _, name := range []string{"read", "described"} {
			got, err := p.readFile(name)
			if !errors.Is(err, unix.ESTALE) && (err != nil || got != old && got != newer) {
				t.Errorf("%s: read %q, %v: neither version", name, got, err)
			}
		}
	})
}

// TestStaleReadFindsTheNewVersionAtOnce: what is believed of the name is
// dropped by the first read that failed, long before the TTL ends.
func TestStaleReadFindsTheNewVersionAtOnce(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		const size = 64 << 20
		s.put(t, "large", strings.Repeat("o", size))
		m := s.mount(t, root(), "--memory=32M")
		p := m.start(t)
		f, err := p.open("large", unix.O_RDONLY)
		ok(t, err)
		_, err = f.pread(10, 0)
		ok(t, err)
		s.put(t, "large", "the new version")
		_, err = f.pread(10, size-10)
		fails(t, "reading what is not cached of the old version", err, unix.ESTALE)
		got, err := p.readFile("large")
		ok(t, err)
		equal(t, "the next open", got, "the new version")
		ok(t, f.close())
	})
}

func TestMappedFiles(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		content := random(100_000)
		s.put(t, "file", content)
		m := s.mount(t, root())
		p := m.start(t)
		f, err := p.open("file", unix.O_RDWR)
		ok(t, err)
		ok(t, f.mmap(len(content), unix.PROT_READ|unix.PROT_WRITE))
		got, err := f.load(5000, 60_000)
		ok(t, err)
		equal(t, "through the mapping", got, content[60_000:65_000])

		ok(t, f.store("stored and synced", 70_000))
		ok(t, f.msync())
		content = content[:70_000] + "stored and synced" + content[70_017:]
		equal(t, "after msync", s.content(t, "file"), content)

		ok(t, f.store("stored and closed", 10))
		ok(t, f.munmap())
		ok(t, f.close())
		content = content[:10] + "stored and closed" + content[27:]
		equal(t, "after munmap and close", s.content(t, "file"), content)
	})
}

func TestDirectIO(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		const first, second, third = "the first version", "the other version", "and the third one"
		s.put(t, "theirs", first)
		m := s.mount(t, root())
		m.sh(t, "head -c 200000 /dev/zero | tr '\\0' x > /dev/shm/$$; dd if=/dev/shm/$$ of=file bs=4k oflag=direct status=none; rm /dev/shm/$$")
		equal(t, "the object", s.content(t, "file"), strings.Repeat("x", 200_000))
		equal(t, "read directly", m.sh(t, "dd if=file bs=64k iflag=direct status=none | tr -d x | wc -c"), "0\n")

		p := m.start(t)
		got, err := p.readFile("theirs")
		ok(t, err)
		equal(t, "cached", got, first)
		s.put(t, "theirs", second)
		d, err := p.open("theirs", unix.O_RDONLY|unix.O_DIRECT)
		ok(t, err)
		for range 2 {
			got, err = d.pread(100, 4)
			ok(t, err)
			equal(t, "what has taken its place", got, second[4:])
		}
		got, err = d.pread(100, int64(len(second)))
		ok(t, err)
		equal(t, "at the end", got, "")
		s.put(t, "theirs", third)
		_, err = d.pread(100, 0)
		fails(t, "reading what is cached, but gone", err, unix.ESTALE)
		ok(t, d.close())

		w, err := p.open("theirs", unix.O_WRONLY)
		ok(t, err)
		_, err = w.pwrite("AND", 0)
		ok(t, err)
		d, err = p.open("theirs", unix.O_RDONLY|unix.O_DIRECT)
		ok(t, err)
		got, err = d.pread(100, 0)
		ok(t, err)
		equal(t, "what is written here", got, "AND"+third[3:])
		ok(t, w.close())
		ok(t, d.close())
		s.sync(t)
		ok(t, s.client.Delete(t.Context(), s.path("theirs")))
		_, err = p.open("theirs", unix.O_RDONLY|unix.O_DIRECT)
		fails(t, "opening what is gone", err, unix.ENOENT)
	})
}
