package test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// attributed is how many files programs copy whose requests are counted.
const attributed = 300

// attributedFiles makes a local directory of small files, each with a mode and
// times that a new file does not have, and an archive of them.
func attributedFiles(t testing.TB) shell {
	t.Helper()
	source := localDir(t)
	source.run(t, time.Minute, fmt.Sprintf(`for i in $(seq %d); do echo "content $i" > file-$i; done
		chmod 640 file-*; touch -d @1000000000.123456789 file-*; tar --format=pax -cf archive file-*`, attributed))
	return source
}

// TestCopiesWithAttributesCost: what programs send that copy files with their
// modes and times. It has the machine for itself: write-back waits 0.3 s for the
// rename of a file, and what is known of a new object's ACL holds for 5 s.
func TestCopiesWithAttributesCost(t *testing.T) {
	requireFUSE(t)
	requirePrograms(t, "rsync")
	source := attributedFiles(t)
	const show = `stat -c '%n %f %u %g %s %.9Y' file-*`
	want := source.run(t, time.Minute, show)
	once := counts{opPut: attributed}
	for _, c := range []struct {
		script string
		sync   counts // with write-back all of them cost once
	}{
		{`rsync -a "$1"/file-* tree/`, counts{opPut: attributed, opCopy: attributed, opDelete: attributed}},
		{`tar -C tree -xpf "$1/archive"`, once},
		{`cp -p "$1"/file-* tree/`, once},
		{`install -p -m 640 "$1"/file-* tree/`, counts{opPut: attributed, opCopy: attributed}}, // it closes a file first
	} {
		forEachMode(t, func(t *testing.T, options ...string) {
			s, _ := startEmulator(t, emulator.Options{})
			m := s.mount(t, root(), options...)
			m.sh(t, "mkdir tree; ls tree")
			s.syncAll(t)
			cost := c.sync
			if len(options) > 0 {
				cost = once
			}
			expect(t, s, c.script, cost, func() {
				m.shell().run(t, time.Minute, c.script, source.dir)
				s.syncAll(t)
			})
			sameLines(t, "the copy", m.sh(t, "cd tree; "+show), want)
			m.unmount(t)
			sameLines(t, "what another mount sees", s.mount(t, root(), "--attrs=exact").sh(t, "cd tree; "+show), want)
		})
	}
}

// TestAttributesThatWait: until they are asked for, or a second.
func TestAttributesThatWait(t *testing.T) {
	t.Parallel()
	nothing := func() error { return nil }
	for what, store := range map[string]func(t *testing.T, m *mounted, p *program){
		"fsync": func(t *testing.T, _ *mounted, p *program) {
			ok(t, errors.Join(p.synced("file", nothing), p.synced("dir", nothing)))
		},
		"sync":    func(t *testing.T, m *mounted, _ *program) { m.ncloudfs(t, 0, "sync", m.path) },
		"umount":  func(t *testing.T, m *mounted, p *program) { p.end(); m.unmount(t) },
		"SIGTERM": func(t *testing.T, m *mounted, p *program) { p.end(); m.stop(t) },
		"nothing": func(t *testing.T, m *mounted, _ *program) {
			eventually(t, "nothing is pending", func() bool {
				out, code := run(t, m.command("pending", m.path))
				return code == 0 && !strings.Contains(out, "file") && !strings.Contains(out, "dir")
			})
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			requireFUSE(t)
			s, _ := startEmulator(t, emulator.Options{})
			s.put(t, "file", "text")
			s.put(t, "dir/", "")
			m := s.mount(t, root())
			p := m.start(t)
			for name, mode := range map[string]uint32{"file": unix.S_IFREG | 0o604, "dir": unix.S_IFDIR | 0o705} {
				ok(t, p.chmod(name, mode&0o777))
				st, err := p.lstat(name)
				ok(t, err)
				equal(t, "what stat shows of "+name, fmt.Sprintf("%o", st.Mode), fmt.Sprintf("%o", mode))
			}
			store(t, m, p)
			for key, mode := range map[string]int{"file": unix.S_IFREG | 0o604, "dir/": unix.S_IFDIR | 0o705} {
				o, err := s.client.Head(contextOf(t), s.path(key))
				ok(t, err)
				equal(t, "the mode of "+key, o.Meta["mode"], strconv.Itoa(mode))
			}
		})
	}
}
